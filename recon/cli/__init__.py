"""The command line: `main` runs it, `parser` has its commands, and a file each the larger ones."""

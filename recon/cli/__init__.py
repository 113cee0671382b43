"""The command line: `main` has the table of commands, each a module with its options, help and work."""

"""`python -m recon` is the `recon` command."""

import sys


def run() -> int:
    """Runs the command; Ctrl-C while it is still being loaded stops it, too."""
    try:
        from recon.cli.main import main

        return main()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(run())

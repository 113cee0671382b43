"""`python -m recon` is the `recon` command."""

import sys

from recon.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

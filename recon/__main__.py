"""`python -m recon` is the `recon` command."""

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def run() -> NoReturn:
    """Runs the command; Ctrl-C while it is still being loaded stops it, too.

    All is written then, and the process ends at once: taking PyTorch down would take another half a second.
    """
    try:
        from recon.cli.main import main

        code = main()
    except KeyboardInterrupt:
        code = 130
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or read by nobody
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()

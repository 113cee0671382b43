"""Command lines of processes that run a module of this program, and none from the working directory."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2]  # that the package `recon` is in
# `python -m` and `python -c` put the working directory first in sys.path, where a numpy.py that lies beside
# somebody's scans would be executed (Python 3.10 has no -P to prevent it). The folder of this program comes
# last: it matters only if the program is not installed.
_START = """
import sys
sys.path[:] = [folder for folder in sys.path if folder] + [sys.argv.pop(1)]
import runpy
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def python_command(module: str, *arguments: str) -> list[str]:
    """Returns the command line that runs `module`, dotted, as a program with these arguments."""
    return [sys.executable, "-c", _START, str(FOLDER), module, *arguments]

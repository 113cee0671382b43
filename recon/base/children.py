"""Command lines of processes that run a module of this program, and none from the working directory."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2]  # that the package `recon` is in
# `python -m` and `python -c` put the working directory first in sys.path, where a numpy.py that lies beside
# somebody's scans would be executed (Python 3.10 has no -P to prevent it). The package itself is loaded from
# where this one is, on the path or not, whatever other version is installed.
_START = """
import sys
sys.path[:] = [folder for folder in sys.path if folder]
import runpy
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
spec = PathFinder.find_spec("recon", [sys.argv.pop(1)])
sys.modules["recon"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["recon"])
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""


def python_command(module: str, *arguments: str) -> list[str]:
    """Returns the command line that runs `module`, dotted, as a program with these arguments."""
    return [sys.executable, "-c", _START, str(FOLDER), module, *arguments]

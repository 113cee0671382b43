"""What every command takes, and how it tells its summary."""

from __future__ import annotations

import argparse
import os
import sys

DEVICE = "auto|cpu|cuda[:N]"


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every command takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    threads = "CPU threads (default: %(default)s)"
    parser.add_argument("--threads", type=int, metavar="N", default=_cores(), help=threads)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def say(lines: list[str], quiet: bool) -> None:
    """A summary as it is read, on standard error."""
    if not quiet:
        print("\n".join(lines), file=sys.stderr)


def size(text: str) -> tuple[int, int]:
    """WIDTHxHEIGHT."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: 800x600") from None
    return width, height

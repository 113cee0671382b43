"""What every command takes, and how it tells its summary."""

from __future__ import annotations

import argparse
import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Mapping

from recon.base.options import settings_help
from recon.base.settings import StagedConfig


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every command takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    threads = "CPU threads (default: %(default)s)"
    parser.add_argument("--threads", type=int, metavar="N", default=_cores(), help=threads)


def add_kinds(
    parser: argparse.ArgumentParser,
    name: str,
    texts: Mapping[str, str],
    verb: str,
    settings: Mapping[str, StagedConfig] | None = None,
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The kinds of a command, as the modes of `recon fit`, each with a parser that has what every command
    takes; `settings`, by kind, are listed at the end of its help. The one that is given is `options.NAME`.
    """
    kinds = parser.add_subparsers(required=True, metavar=name.upper(), dest=name)
    for kind, text in texts.items():
        sub = kinds.add_parser(kind, help=text, description=f"{verb} {text}.")
        if settings:
            sub.epilog, sub.formatter_class = settings_help(settings[kind]), RawDescriptionHelpFormatter
        add_common(sub)
        yield kind, sub


def add_device(parser: argparse.ArgumentParser, help: str = "default: auto") -> None:
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]", help=help)


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

"""The command line. Results go to files and, with --json, to stdout; all else goes to stderr.

Each command is a module: HELP, `add_options(parser)`, and `run(options)`, which gives what --json prints.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from recon.base.progress import LinesBesideBars
from recon.errors import ReconError, UsageError
from recon.version import VERSION

COMMANDS = (
    "mesh",
    "batch",
    "info",
    "eval",
    "query",
    "report",
    "fit",
    "solve",
    "study",
    "learn",
    "complete",
    "view",
)
STOPPED, SOME_FAILED = 130, 3


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong usage, 3 some scans of a batch
    failed, 130 stopped.
    """
    options = build_parser().parse_args(arguments)
    command = options.command
    options.arguments = sys.argv[1:] if arguments is None else arguments
    if options.threads is not None and options.threads < 1:
        print(f"recon: error: {options.threads} threads, wanted at least 1", file=sys.stderr)
        return UsageError.exit_code
    if options.threads is not None and not getattr(command, "WITHOUT_TORCH", False):
        import torch

        torch.set_num_threads(options.threads)
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(format="recon: %(message)s", level=level, handlers=[LinesBesideBars()], force=True)
    try:
        with _stoppable():
            result = command.run(options)
    except ReconError as error:
        print(f"recon: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        resumes = getattr(command, "RESUMES", True)
        kept = "; what it had is kept: the same command goes on from there" if resumes else ""
        print(f"\nrecon: stopped{kept}", file=sys.stderr)
        return STOPPED
    if options.json:
        print(json.dumps(result))
    return SOME_FAILED if result.get("failed") else 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser("recon")
    parser.description = "Point scans to surfaces with a neural signed distance field."
    parser.add_argument("--version", action="version", version=f"recon {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = importlib.import_module(f"recon.cli.{name}")
        sub = commands.add_parser(name, help=command.HELP, description=command.HELP)
        sub.set_defaults(command=command)
        command.add_options(sub)
    return parser


@contextmanager
def _stoppable() -> Iterator[None]:
    """Who ends the command, or closes its terminal, stops it as Ctrl-C does: what it had is kept, what it has
    started is ended.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:  # under nohup, e.g., it is not
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

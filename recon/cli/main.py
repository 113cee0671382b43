"""The command line. Results go to files and, with --json, to stdout; all else goes to stderr.

Each command is a module: EXAMPLES, `add_options(parser)`, and `run(options)`, which gives what --json prints.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from recon.base.options import Parser, add_choice, check_outputs
from recon.base.progress import LinesBesideBars
from recon.base.provenance import SUSPECT
from recon.cli.completion import SHELLS, completion
from recon.cli.log_file import logged_to
from recon.cli.streams import StreamError, forget_output, guarded_streams
from recon.errors import ReconError, printable, reason
from recon.version import VERSION

COMMANDS = {
    "mesh": "reconstruct one mesh from a scan of one or several files",
    "batch": "reconstruct every scan below a folder; given again, finish what is left",
    "info": "show what a scan or mesh contains, and what is wrong with it",
    "eval": "measure a mesh against a reference mesh or cloud",
    "query": "evaluate a trained field at points: signed distance and gradient",
    "report": "write a run as one self-contained HTML page: 3-D view, plots, settings",
    "fit": "fit a field to a picture, sound or film; inpaint or blend pictures",
    "solve": "solve a boundary-value problem: waves in a medium, or the medium from waves",
    "study": "study initialisation, activations and bandwidth",
    "learn": "learn a space of pictures or shapes",
    "complete": "complete a picture or shape from a part, with a learnt space",
    "view": "show meshes, scans and run folders in a window or as pictures",
}
EXAMPLES = (
    "recon mesh SCAN.ply -o MESH.ply",
    "recon info SCAN.ply",
    "recon view MESH.ply SCAN.ply",
)
STOPPED, SOME_FAILED, NO_READER = 130, 3, 141
SAME_SECONDS = 1.0  # between two signals that are meant as one


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        The exit code: 0 done, 1 failed (with --strict, a mesh that does not look like its scan, too), 2 wrong
        usage, 3 some scans of a batch failed, 130 stopped, 141 if what reads stdout ended before, as
        `recon query … | head` does.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    with guarded_streams():
        try:
            with _stoppable():
                try:
                    return _main(arguments)
                finally:
                    sys.stdout.flush()
        except BrokenPipeError:
            forget_output()
            return NO_READER
        except KeyboardInterrupt:
            print("\nrecon: stopped", file=sys.stderr)
            return STOPPED
        except MemoryError as error:
            print(f"recon: error: there is not enough memory ({reason(error)})", file=sys.stderr)
            return 1
        except ReconError as error:
            print(f"recon: error: {printable(str(error))}", file=sys.stderr)
            if isinstance(error, StreamError):
                forget_output()
            return error.exit_code


def _main(arguments: list[str]) -> int:
    parser = build_parser(arguments[:1])
    options = parser.parse_args(arguments)
    options.arguments = arguments
    if options.print_completion:
        print(completion(build_parser(), options.print_completion))
        return 0
    if not options.command:
        parser.print_help()
        return 0
    return _run(options)


def _run(options: Namespace) -> int:
    command = importlib.import_module(f"recon.cli.{options.command}")
    if options.threads is not None and not getattr(command, "WITHOUT_TORCH", False):
        import torch

        torch.set_num_threads(options.threads)
    check_outputs(vars(options).values())
    level = logging.WARNING if options.quiet else logging.INFO
    shown = LinesBesideBars(level)
    logging.basicConfig(format="recon: %(message)s", level=level, handlers=[shown], force=True)
    try:
        with logged_to(options.log, options.arguments):
            result = command.run(options)
    except KeyboardInterrupt:
        resumes = getattr(command, "RESUMES", True)
        kept = "; what it had is kept: the same command goes on from there" if resumes else ""
        print(f"\nrecon: stopped{kept}", file=sys.stderr)
        return STOPPED
    if options.json:
        print(json.dumps(result))
    if result.get("failed"):
        return SOME_FAILED
    suspect = result.get("suspect") or result.get("state") == SUSPECT
    return 1 if suspect and vars(options).get("strict") else 0


def build_parser(wanted: Collection[str] = COMMANDS) -> Parser:
    """Returns the parser of all commands, with the options of the `wanted` ones: only these are imported."""
    parser = Parser("recon", description="Point scans to surfaces with a neural signed distance field.")
    parser.examples = EXAMPLES
    parser.add_argument("--version", action="version", version=f"recon {VERSION}")
    add_choice(
        parser, "--print-completion", SHELLS, "print the script with which this shell completes commands"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", prog="recon")
    for name, help in COMMANDS.items():
        sub = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
        if name in wanted:
            command = importlib.import_module(f"recon.cli.{name}")
            sub.examples = command.EXAMPLES
            command.add_options(sub)
    return parser


@contextmanager
def _stoppable() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP stop the command as Ctrl-C does, saved and with its processes ended.

    A second signal right after the first is taken for the same; a later one does not wait for the end.
    """
    first: list[float] = []

    def stop(number: int, frame: object) -> None:
        if not first:
            first.append(time.monotonic())
            raise KeyboardInterrupt
        if time.monotonic() - first[0] > SAME_SECONDS:
            os._exit(STOPPED)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as it is under nohup, e.g.
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

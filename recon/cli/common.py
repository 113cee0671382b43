"""What every command takes, and how it tells its summary."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from recon.base.options import Parser, output_file, reads, whole_between
from recon.base.progress import RECORD
from recon.base.system import cores
from recon.errors import MAX_THREADS, printable

if TYPE_CHECKING:
    import argparse

MAX_SIDE = 16384  # pixels
FILES, RUNNING, MACHINE = "input and output", "while running", "machine"


def add_common(parser: Parser, help: str = "CPU threads (default: %(default)s)") -> None:
    """Adds what every command takes; `help` is of --threads."""
    running = parser.group(RUNNING)
    running.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    running.add_argument("--quiet", action="store_true", help="print no progress and no summary")
    running.add_argument(
        "--log", metavar="FILE", type=output_file, help="append all that is told, with the time, to FILE, too"
    )
    parser.group(MACHINE).add_argument(
        "--threads", type=whole_between(1, MAX_THREADS), metavar="N", default=cores(), help=help
    )


def add_kinds(
    parser: Parser, name: str, texts: Mapping[str, str], verb: str, examples: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, Parser]]:
    """Yields the kinds of a command, as the modes of `recon fit`, each with its parser.

    The one that is given is `options.NAME`.
    """
    parser.examples = [some[0] for some in examples.values()][:3]
    kinds = parser.add_subparsers(
        title=f"{name}s", required=True, metavar=name.upper(), dest=name, prog=parser.prog
    )
    for kind, text in texts.items():
        sub = kinds.add_parser(kind, help=text, description=f"{verb} {text}.")
        sub.examples = examples[kind]
        yield kind, sub


def add_output(parser: Parser, metavar: str, help: str, overwrite: str, required: bool = False) -> None:
    """Adds -o, and --overwrite with what it replaces."""
    files = parser.group(FILES)
    files.add_argument("-o", "--output", metavar=metavar, type=output_file, required=required, help=help)
    add_overwrite(files, overwrite)


def add_overwrite(group: argparse._ArgumentGroup, what: str) -> None:
    group.add_argument("--overwrite", action="store_true", help=f"replace {what}")


def add_strict(parser: Parser) -> None:
    """Adds --strict."""
    help = "exit with code 1 if a mesh does not look like its scan; it is written all the same"
    parser.group(RUNNING).add_argument("--strict", action="store_true", help=help)


def add_tensorboard(parser: Parser, what: str = "the terms") -> None:
    help = f"write {what} there for TensorBoard"
    parser.group(RUNNING).add_argument("--tensorboard", metavar="DIR", help=help)


def add_device(parser: Parser, help: str = "default: auto") -> None:
    parser.group(MACHINE).add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]", help=help)


def say(lines: list[str], quiet: bool) -> None:
    """Prints a summary on stderr."""
    for line in map(printable, lines):
        RECORD.info("%s", line)
        if not quiet:
            print(line, file=sys.stderr)


def _size(text: str) -> tuple[int, int]:
    width, height = (int(part) for part in text.lower().split("x"))
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError
    return width, height


size = reads(_size, "a size: 800x600, at most 16384 a side")

"""`recon info`: what a file holds."""

from __future__ import annotations

import argparse
from typing import Any

from recon.base.options import Parser, file
from recon.cli.common import FILES, add_common, say

EXAMPLES = ("recon info SCAN.ply",)


def add_options(parser: Parser) -> None:
    files = parser.group(FILES)
    files.add_argument("file", metavar="FILE", type=file, help="a scan or a mesh")
    files.add_argument("--columns", metavar="x,y,z,-,nx,ny,nz", help="of a text file, as of recon mesh")
    add_common(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.info.inspection import inspect

    info = inspect(options.file, threads=options.threads, columns=options.columns)
    say(info.lines(), options.quiet)
    return info.as_dict()

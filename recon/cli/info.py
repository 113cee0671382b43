"""`recon info`: what a file holds."""

from __future__ import annotations

import argparse
from typing import Any

from recon.base.options import Parser, file
from recon.cli.common import FILES, add_common, say

EXAMPLES = ("recon info SCAN.ply",)


def add_options(parser: Parser) -> None:
    parser.group(FILES).add_argument("file", metavar="FILE", type=file, help="a scan or a mesh")
    add_common(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.info.inspection import inspect

    info = inspect(options.file, threads=options.threads)
    say(info.lines(), options.quiet)
    return info.as_dict()

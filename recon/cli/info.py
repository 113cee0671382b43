"""`recon info`: what a file holds."""

from __future__ import annotations

import argparse
from typing import Any

from recon.cli.common import add_common, say

HELP = "what a scan or mesh holds, and what is wrong with it"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("file", metavar="FILE")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.info.inspection import inspect

    info = inspect(options.file, threads=options.threads)
    say(info.lines(), options.quiet)
    return info.as_dict()

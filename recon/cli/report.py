"""`recon report`: a run as a page."""

from __future__ import annotations

import argparse
from typing import Any

from recon.base.options import Parser, folder
from recon.base.progress import Bar
from recon.cli.common import FILES, add_common, add_output, say

EXAMPLES = ("recon report RUN",)


def add_options(parser: Parser) -> None:
    parser.group(FILES).add_argument(
        "run", metavar="RUN", type=folder, help="a folder that `recon mesh --run` made, finished or not"
    )
    add_output(parser, "HTML", "default: RUN/report.html", "HTML if it exists")
    add_common(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.report.run_page import write_report

    with Bar("report", show=not options.quiet) as bar:
        path = write_report(options.run, options.output, overwrite=options.overwrite, progress=bar.to)
    size = path.stat().st_size
    say([f"report  {path}: {size / 1e6:.1f} MB, for any browser"], options.quiet)
    return {"report": str(path), "bytes": size}

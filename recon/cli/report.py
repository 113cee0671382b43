"""`recon report`: a run as a page."""

from __future__ import annotations

import argparse
from typing import Any

from recon.base.progress import Bar
from recon.cli.common import add_common, say

HELP = "a run as one HTML page that needs nothing else: 3-D view, plots, settings"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("run", metavar="RUN", help="a folder that `recon mesh --run` made, finished or not")
    parser.add_argument("-o", "--output", metavar="HTML", help="default: RUN/report.html")
    parser.add_argument("--overwrite", action="store_true", help="replace HTML where it exists")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.report.page import write_report

    with Bar("report", show=not options.quiet) as bar:
        path = write_report(options.run, options.output, overwrite=options.overwrite, progress=bar.to)
    size = path.stat().st_size
    say([f"report  {path}: {size / 1e6:.1f} MB, for any browser"], options.quiet)
    return {"report": str(path), "bytes": size}

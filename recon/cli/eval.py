"""`recon eval`: how far a mesh is from a reference."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from recon.base.options import QUALITY, Parser, file, output_file, seed, whole_between
from recon.base.progress import Bar
from recon.cli.common import FILES, add_common, add_overwrite, say

EXAMPLES = (
    "recon eval MESH.ply REFERENCE.ply",
    "recon eval MESH.ply REFERENCE.ply --align --report OUT.html",
)


def add_options(parser: Parser) -> None:
    files, quality = parser.group(FILES), parser.group(QUALITY)
    files.add_argument("mesh", metavar="MESH", type=file)
    files.add_argument("reference", metavar="REFERENCE", type=file, help="a mesh or a cloud")
    files.add_argument(
        "--report", metavar="HTML", type=output_file, help="write a page with both, their distances in 3-D"
    )
    files.add_argument(
        "--csv", metavar="CSV", type=output_file, help="write the points and their signed distances"
    )
    add_overwrite(files, "HTML and CSV if they exist")
    quality.add_argument(
        "--align",
        action="store_true",
        help="turn and shift MESH onto REFERENCE first: they are in different frames",
    )
    quality.add_argument(
        "--samples",
        type=whole_between(1, 10**8),
        default=200_000,
        metavar="N",
        help="points per direction (default: %(default)s)",
    )
    quality.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="seed of these points (default: %(default)s)"
    )
    add_common(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.base.files import check_writable
    from recon.errors import UsageError
    from recon.geometry import PointCloud
    from recon.meshing.files import read_mesh
    from recon.scan.files import read_any
    from recon.scan.preparation.cleaning import clean
    from recon.surface.comparison import compare
    from recon.surface.evaluation import evaluate

    outputs = [path for path in (options.report, options.csv) if path]
    for path in outputs:
        check_writable(path, options.overwrite)
    if len({Path(path).resolve() for path in outputs}) < len(outputs):
        raise UsageError(f"--report and --csv are both {options.csv}: choose two names")
    mesh, reference = read_mesh(options.mesh), read_any(options.reference)
    if isinstance(reference, PointCloud):
        reference, _ = clean(reference)
    extra: dict[str, Any] = {}
    remarks: list[str] = []
    if options.align:
        from recon.surface.alignment import aligned

        mesh, how = aligned(mesh, reference, options.seed)
        extra["alignment"] = how.matrix.tolist()
        remarks.append(how.line())
        say(remarks, options.quiet)
    drawn = {"samples": options.samples, "seed": options.seed}
    if not (options.report or options.csv):
        result = evaluate(mesh, reference, **drawn)
    else:
        found = compare(mesh, reference, **drawn)
        result = found.evaluation
    say(result.lines(), options.quiet)
    if options.csv:
        found.write_csv(options.csv, options.overwrite)
        extra["csv"] = str(options.csv)
    if options.report:
        from recon.report.comparison_page import write_comparison

        names = Path(options.mesh).name, Path(options.reference).name
        with Bar("report", show=not options.quiet) as bar:
            write_comparison(
                found,
                options.report,
                names,
                shlex.join(["recon", *options.arguments]),
                remarks,
                overwrite=options.overwrite,
                progress=bar.to,
            )
        extra["report"] = str(options.report)
    return result.as_dict() | extra

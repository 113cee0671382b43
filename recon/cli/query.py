"""`recon query`: a trained field at points."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from recon.base.options import Parser, file, folder
from recon.cli.common import FILES, add_common, add_output, say

EXAMPLES = ("recon query RUN POINTS.ply",)


def add_options(parser: Parser) -> None:
    files = parser.group(FILES)
    files.add_argument("run", metavar="RUN", type=folder, help="a folder that `recon mesh --run` made")
    files.add_argument("points", metavar="POINTS", type=file, help="a point file")
    add_output(parser, "CSV", "default: stdout", "CSV if it exists")
    add_common(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from recon.base.files import atomic_path
    from recon.scan.files import read_cloud
    from recon.surface.scenes.reconstruction import load_either

    points = read_cloud(options.points).points
    distance, gradient = load_either(options.run).distance_and_gradient(points)
    table = np.column_stack([points, distance, gradient])
    header = "x,y,z,distance,gradient_x,gradient_y,gradient_z"
    if options.output:
        with atomic_path(options.output, options.overwrite) as temporary:
            np.savetxt(temporary, table, "%.10g", ",", header=header, comments="")
        say([f"{len(points):,} signed distances, negative inside: {options.output}"], options.quiet)
        return {"points": len(points), "output": str(options.output)}
    if not options.json:
        np.savetxt(sys.stdout, table, "%.10g", ",", header=header, comments="")
    return {"points": points.tolist(), "distance": distance.tolist(), "gradient": gradient.tolist()}

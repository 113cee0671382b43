"""`recon query`: a trained field at points."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from recon.cli.common import add_common, say

HELP = "signed distance and gradient of a trained field at given points"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("run", metavar="RUN", help="a folder that `recon mesh --run` made")
    parser.add_argument("points", metavar="POINTS", help="a point file")
    parser.add_argument("-o", "--output", metavar="CSV", help="default: stdout")
    parser.add_argument("--overwrite", action="store_true", help="replace CSV where it exists")


def run(options: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from recon.base.files import atomic_path
    from recon.scan.files import read_cloud
    from recon.surface.reconstruction import load

    points = read_cloud(options.points).points
    distance, gradient = load(options.run).distance_and_gradient(points)
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

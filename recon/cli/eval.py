"""`recon eval`: how far a mesh is from a reference."""

from __future__ import annotations

import argparse
from typing import Any

from recon.cli.common import add_common, say

HELP = "accuracy of a mesh against a reference mesh or cloud"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.add_argument("mesh", metavar="MESH")
    parser.add_argument("reference", metavar="REFERENCE")
    parser.add_argument(
        "--samples", type=int, default=200_000, help="points a direction (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.geometry import PointCloud
    from recon.meshing.files import read_mesh
    from recon.scan.files import read_any
    from recon.scan.preparation.cleaning import clean
    from recon.surface.evaluation import evaluate

    mesh, reference = read_mesh(options.mesh), read_any(options.reference)
    if isinstance(reference, PointCloud):
        reference, _ = clean(reference)
    result = evaluate(mesh, reference, samples=options.samples, seed=options.seed)
    say(result.lines(), options.quiet)
    return result.as_dict()

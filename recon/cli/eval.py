"""`recon eval`: how far a mesh is from a reference."""

from __future__ import annotations

import argparse
from typing import Any

from recon.base.options import QUALITY, Parser, file, seed, whole_between
from recon.cli.common import FILES, add_common, say

EXAMPLES = ("recon eval MESH.ply REFERENCE.ply",)


def add_options(parser: Parser) -> None:
    files, quality = parser.group(FILES), parser.group(QUALITY)
    files.add_argument("mesh", metavar="MESH", type=file)
    files.add_argument("reference", metavar="REFERENCE", type=file, help="a mesh or a cloud")
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

"""`recon info`: what a file holds."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from recon.base.options import Parser, file, reads, scaled
from recon.cli.common import FILES, add_common, say

EXAMPLES = ("recon info SCAN.ply", "recon info MESH.ply --thickness 1.2")


def add_options(parser: Parser) -> None:
    files = parser.group(FILES)
    files.add_argument("file", metavar="FILE", type=file, help="a scan or a mesh")
    files.add_argument(
        "--thickness",
        type=reads(scaled({}), "a length"),
        metavar="LENGTH",
        help="of a closed mesh, how much of it is thinner, as for printing",
    )
    files.add_argument("--columns", metavar="x,y,z,-,nx,ny,nz", help="of a text file, as of recon mesh")
    add_common(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.info.inspection import inspect

    info = inspect(options.file, threads=options.threads, columns=options.columns)
    say(info.lines(), options.quiet)
    if options.thickness is None:
        return info.as_dict()
    from recon.meshing.files import read_mesh
    from recon.meshing.walls import walls_of

    walls = walls_of(read_mesh(options.file), options.thickness)
    say([walls.line()], options.quiet)
    return info.as_dict() | {"walls": asdict(walls)}

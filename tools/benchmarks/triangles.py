"""How well shaped the triangles of a mesh are: the smallest edge, height and angle, and how many are acute.

Each field of --runs, a folder kept by `recon mesh --run`, is meshed at its own resolution or --resolution,
as it is and with each number of triangles of --faces. Edges and heights are in cells of the grid, angles in
degrees; *off* is the mean distance |Φ| / ‖∇Φ‖ of the triangles' middles from the field's zero set, in 1e-3
cells; *merged* is how many vertices `trimesh.load` takes for others of the mesh written as PLY, in the scan's
own unit. Results go to OUT/triangles.jsonl as they come and to OUT/triangles.md in the end.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
import trimesh

from benchmarks.accuracy import names
from benchmarks.processes import cores
from benchmarks.report import Row, append, header, publish, setting, table
from recon.geometry import Mesh
from recon.meshing.extraction import Grid
from recon.meshing.files import write_mesh
from recon.surface.reconstruction import Reconstruction, load

ACUTE = (1, 5, 10)  # degrees


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of trained fields")
    parser.add_argument("--resolution", type=int, help="samples along the longest side")
    parser.add_argument("--faces", type=names, default=["50000"], help="numbers of triangles to simplify to")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    rows = []
    for folder in args.runs:
        field = load(folder)
        mesh = field.config.mesh
        resolution = args.resolution or mesh.resolution or mesh.finest
        cell = Grid.over(field.box, resolution).cell * field.frame.scale
        for faces in [None, *map(int, args.faces)]:
            row: Row = {
                "field": folder.name,
                "resolution": resolution,
                "wanted": faces,
                **setting(args.threads),
            }
            row |= graded(field, field.mesh(resolution, faces=faces, color="off"), cell)
            append(args.out / "triangles.jsonl", row)
            rows.append(row)
            print(markdown([row])[-1], flush=True)
    publish(args.out / "triangles.md", [*header(args.threads), "", *markdown(rows)], rows)


def graded(field: Reconstruction, mesh: Mesh, cell: float) -> Row:
    value, slope = field.distance_and_gradient(mesh.vertices[mesh.faces].mean(1))
    off = np.abs(value) / np.linalg.norm(slope, axis=1).clip(1e-3)
    return {**shaped(mesh, cell), "off": 1e3 * float(off.mean()) / cell, "merged": merged(mesh)}


def shaped(mesh: Mesh, cell: float) -> Row:
    """Smallest edge and height in cells, smallest angle in degrees, shares of triangles with smaller ones."""
    a, b, c = mesh.vertices[mesh.faces.T]
    sides = np.sort([np.linalg.norm(edge, axis=1) for edge in (b - a, c - b, a - c)], axis=0)
    double = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    angle = np.degrees(np.arcsin(np.minimum(double / np.maximum(sides[1] * sides[2], 1e-300), 1)))
    return {
        "faces": len(mesh.faces),
        "edge": float(sides[0].min()) / cell,
        "height": float((double / np.maximum(sides[2], 1e-300)).min()) / cell,
        "angle": float(angle.min()),
        **{f"below {limit}": float((angle < limit).mean()) for limit in ACUTE},
    }


def merged(mesh: Mesh) -> int:
    with tempfile.TemporaryDirectory() as folder:
        write_mesh(Mesh(mesh.vertices, mesh.faces), Path(folder) / "mesh.ply")
        return len(mesh.vertices) - len(trimesh.load(Path(folder) / "mesh.ply").vertices)


def markdown(rows: list[Row]) -> list[str]:
    shares = [f"% below {limit}°" for limit in ACUTE]
    head = ["field", "triangles", "edge", "height", "angle", *shares, "off", "merged"]
    return table(head, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    least = [f"{row[name]:.2g}" for name in ("edge", "height", "angle")]
    shares = [f"{100 * row[f'below {limit}']:.3f}" for limit in ACUTE]
    return [row["field"], f"{row['faces']:,}", *least, *shares, f"{row['off']:.2f}", str(row["merged"])]

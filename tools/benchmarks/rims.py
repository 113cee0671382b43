"""How far the rim of `recon mesh` lies from the true rim of an open surface.

Each mesh of --meshes, equal vertices merged, is drawn as each of --counts points, at random by area with the
normals of their faces, and those are meshed in a process of its own. The rim is all edges with one face.
Distances are from points even along one rim to the edges of the other, exact, in 1e-3 of half the longest
side of the true mesh's box: from the mesh's rim to the true one, and back. Results go to OUT/rims.jsonl as
they come and to OUT/rims.md in the end, scans and meshes to OUT/rims.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import igl
import numpy as np
from plyfile import PlyData, PlyElement

from benchmarks.accuracy import names
from benchmarks.processes import cores, measured, recon_command
from benchmarks.report import Row, append, header, publish, setting, table
from recon.errors import ScanError
from recon.geometry import Float, Frame, Int, Mesh
from recon.meshing.files import WRITERS, read_mesh
from recon.meshing.topology import measures, topology
from recon.scan.preparation.spacing import point_spacing
from recon.scan.readers.mesh_scans import sample_surface

SAMPLES = 100_000  # of each rim
NEAR = 3.0  # units of the table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--meshes", type=Path, nargs="+", required=True, help="open ones, or their folders")
    parser.add_argument("--counts", type=names, default=["100000", "1000000"], help="points drawn of each")
    parser.add_argument("--options", default="--preset draft", help="for `recon mesh`, as one string")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    args.out = args.out.resolve()
    (args.out / "rims").mkdir(parents=True, exist_ok=True)
    rows = []
    for file, truth in [(file, reference(file)) for file in files(args.meshes)]:
        for count in map(int, args.counts):
            scan, mesh = (args.out / "rims" / f"{file.stem}.{count}.{kind}.ply" for kind in ("scan", "mesh"))
            row: Row = {"file": file.name, "points": count, "options": args.options}
            row |= {"spacing": point_spacing(draw(truth, count, scan)) / unit(truth), **setting(args.threads)}
            options = ["--overwrite", "--threads", args.threads, *shlex.split(args.options)]
            row |= measured(recon_command("mesh", scan, "-o", mesh, *options), mesh, args.threads)
            if "error" not in row:
                row |= graded(read_mesh(mesh), truth)
            append(args.out / "rims.jsonl", row)
            rows.append(row)
            print(markdown([row])[-1], flush=True)
    publish(args.out / "rims.md", [*header(args.threads), "", *markdown(rows)], rows)


def files(paths: list[Path]) -> list[Path]:
    """The files among `paths`, and the meshes in the folders among them; ends the program without any."""
    inside = [sorted(path.iterdir()) if path.is_dir() else [path] for path in paths]
    found = [file for some in inside for file in some if file in paths or file.suffix.lower() in WRITERS]
    if not found:
        raise SystemExit(f"no mesh in {', '.join(map(str, paths))}: wanted files like open.ply")
    return found


def reference(file: Path) -> Mesh:
    """The mesh of a file, equal vertices merged; ends the program where it has no rim."""
    try:
        mesh = read_mesh(file)
    except ScanError as error:
        raise SystemExit(str(error)) from error
    vertices, number = np.unique(mesh.vertices, axis=0, return_inverse=True)
    mesh = Mesh(vertices, number.reshape(-1)[mesh.faces])
    if not len(rim(mesh)):
        raise SystemExit(f"{file} is closed: give meshes of open surfaces")
    return mesh


def draw(mesh: Mesh, count: int, path: Path) -> Float:
    """Writes `count` points of `mesh` to a PLY file; the points (count, 3)."""
    cloud = sample_surface(mesh, count)
    assert cloud.normals is not None
    columns = [(name, "<f8") for name in ("x", "y", "z", "nx", "ny", "nz")]
    rows = np.hstack([cloud.points, cloud.normals]).view(columns).ravel()
    PlyData([PlyElement.describe(rows, "vertex")]).write(path)
    return cloud.points


def unit(mesh: Mesh) -> float:
    return 1e-3 * Frame.around(mesh.vertices, margin=0.0).scale


def rim(mesh: Mesh) -> Int:
    """(n, 2) the edges with one face."""
    faces = mesh.faces[(mesh.faces != np.roll(mesh.faces, -1, axis=1)).all(1)]
    edges = np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2)
    edges, count = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    return edges[count == 1]


def graded(mesh: Mesh, truth: Mesh) -> Row:
    """How far the rims are from each other, both ways, in units of `truth`, and how many loops they have."""
    if not len(rim(mesh)):
        return {"error": "the mesh is closed"}
    loops = [len(measures(surface, topology(surface)).holes) for surface in (mesh, truth)]
    row: Row = dict(zip(("rims", "true_rims"), loops, strict=True))
    for name, pair in {"to_truth": (mesh, truth), "back": (truth, mesh)}.items():
        d = _distances(*pair) / unit(truth)
        near = float((d <= NEAR).mean())
        row[name] = {"mean": float(d.mean()), "p99": float(np.percentile(d, 99)), "near": near}
    return row


def _distances(mesh: Mesh, other: Mesh) -> Float:
    """(SAMPLES,) from points even along the rim of `mesh` to that of `other`."""
    origin = other.vertices[0]  # survey offsets cost no precision
    start, end = (mesh.vertices[rim(mesh)] - origin).transpose(1, 0, 2)
    length = np.linalg.norm(end - start, axis=1)
    ends = np.cumsum(length)
    at = (np.arange(SAMPLES) + 0.5) / SAMPLES * ends[-1]
    edge = np.searchsorted(ends, at)
    share = ((ends[edge] - at) / length[edge])[:, None]
    points = share * start[edge] + (1 - share) * end[edge]
    squared, *_ = igl.point_mesh_squared_distance(points, other.vertices - origin, rim(other))
    return np.sqrt(squared)


def markdown(rows: list[Row]) -> list[str]:
    way = ["mean", "99 % below", f"within {NEAR:g}"]
    head = ["mesh", "points", "spacing", "seconds", *way, *(f"back, {name}" for name in way), "rims (truth)"]
    return table(head, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    start = [row["file"], f"{row['points']:,}", f"{row['spacing']:.1f}"]
    if "error" in row:
        return [*start, row["error"]]
    ways = [row["to_truth"], row["back"]]
    cells = [s for d in ways for s in (f"{d['mean']:.2f}", f"{d['p99']:.1f}", f"{100 * d['near']:.1f} %")]
    return [*start, f"{row['seconds']:.1f}", *cells, f"{row['rims']} ({row['true_rims']})"]

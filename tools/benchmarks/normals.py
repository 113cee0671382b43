"""Sides of estimated normals beside other methods: consistent tangent planes, and Poisson surfaces in turns.

The scans' own normals are taken away and estimated. All but the last method get the same lines, so that only
their sides differ: the share that is right, for the others with the better of both signs for the whole.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.accuracy import names
from benchmarks.processes import Company, cores
from benchmarks.report import Row, append, header, publish, setting, table

CLOSE = 10  # samples that a face of the Poisson surface counts for
ENDED, LARGEST = 0.175, 0.001  # rad: change of the normals, of those that change most, that ends the turns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shapes", type=Path, required=True, help="folder of NAME.KIND.ply with normals")
    parser.add_argument("--only", type=names, help="names of shapes; all of the folder's by default")
    parser.add_argument("--kinds", type=names, default=["clean", "noisy", "sparse"])
    parser.add_argument("--methods", type=names, default=list(METHODS), help=", ".join(METHODS))
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from recon.scan.files import read_cloud
    from recon.scan.preparation.cleaning import clean
    from recon.scan.preparation.normals import estimate_lines

    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for kind in args.kinds:
        for path in sorted(args.shapes.glob(f"*.{kind}.ply")):
            shape = path.name.removesuffix(f".{kind}.ply")
            if args.only and shape not in args.only:
                continue
            cloud, _ = clean(read_cloud(path))
            truth, bare = cloud.normals, replace(cloud, normals=None)
            lines = estimate_lines(bare.points, args.threads)
            for method in args.methods:
                company, start = Company(), time.perf_counter()
                found = METHODS[method](bare, lines, args.threads)
                row: Row = {"shape": shape, "kind": kind, "points": len(cloud), "method": method}
                row |= {"seconds": time.perf_counter() - start, "others": company.cores()}
                right = float(((found * truth).sum(1) > 0).mean())
                row["right"] = right if method == "recon" else max(right, 1 - right)
                rows.append(row | setting(args.threads))
                append(args.out / "normals.jsonl", rows[-1])
                print(markdown(rows)[-1], flush=True)
    publish(args.out / "normals.md", [*header(args.threads), "", *markdown(rows)], rows)


def by_votes(cloud: Any, lines: Any, threads: int) -> Any:
    """recon's own: all pairs along a seam vote."""
    from recon.scan.preparation.normals import outward

    return outward(cloud, lines, threads)


def by_tangent_planes(cloud: Any, lines: Any, threads: int) -> Any:
    """A spanning tree of neighbours with similar lines (Hoppe et al. 1992), as Open3D ships it."""
    import numpy as np

    scan = _unit(cloud.points, lines)
    scan.orient_normals_consistent_tangent_plane(20)
    return np.asarray(scan.normals)


def by_poisson(cloud: Any, lines: Any, threads: int, depth: int = 7, turns: int = 30) -> Any:
    """Random normals, and again and again those of the Poisson surface of the last ones, in the manner of
    Hou, Wang, Wang, Qin, Qian, He (2022), "Iterative Poisson surface reconstruction (iPSR) for unoriented
    points", doi:10.1145/3528223.3530096, with Open3D's Poisson reconstruction."""
    import numpy as np
    import open3d as o3d
    from scipy.spatial import cKDTree

    normals = np.random.default_rng(0).normal(size=lines.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    scan = _unit(cloud.points, normals)
    tree = cKDTree(np.asarray(scan.points))
    for _ in range(turns):
        scan.normals = o3d.utility.Vector3dVector(normals)
        mesh, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
            scan, depth=depth, n_threads=threads
        )
        corners = np.asarray(mesh.vertices)[np.asarray(mesh.triangles)]
        areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        near = tree.query(corners.mean(1), CLOSE, workers=threads)[1].ravel()
        summed = np.stack([np.bincount(near, np.repeat(a, CLOSE), len(normals)) for a in areas.T], axis=1)
        length = np.linalg.norm(summed, axis=1, keepdims=True)
        before = normals
        normals = np.where(length > 0, summed / np.maximum(length, np.finfo(float).tiny), before)
        change = np.sort(np.linalg.norm(normals - before, axis=1))
        if change[-max(1, int(LARGEST * len(change))) :].mean() < ENDED:
            break
    return normals


def _unit(points: Any, normals: Any) -> Any:
    """A cloud of Open3D's, which computes in single precision in places, centred and of unit size."""
    import open3d as o3d

    scan = o3d.geometry.PointCloud()
    low, high = points.min(0), points.max(0)
    scan.points = o3d.utility.Vector3dVector(2 * (points - (low + high) / 2) / (high - low).max())
    scan.normals = o3d.utility.Vector3dVector(normals)
    return scan


METHODS: dict[str, Callable[[Any, Any, int], Any]] = {
    "recon": by_votes,
    "tangent planes": by_tangent_planes,
    "Poisson in turns": by_poisson,
}


def markdown(rows: list[Row]) -> list[str]:
    head = ["shape", "kind", "points", "method", "right %", "seconds"]
    return table(head, [_cells(row) for row in rows], words=4)


def _cells(row: Row) -> list[str]:
    what = [row["shape"], row["kind"], f"{row['points']:,}", row["method"]]
    return [*what, f"{100 * row['right']:.2f}", f"{row['seconds']:.1f}"]

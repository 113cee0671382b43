"""One screened Poisson reconstruction, as the other commands start it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scan", type=Path)
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument(
        "--trim", type=float, default=0.0, help="share of the vertices, those of least density, to cut off"
    )
    parser.add_argument("--threads", type=int, default=-1)


def run(args: argparse.Namespace) -> None:
    """Screened Poisson of Kazhdan and Hoppe (doi:10.1145/2487228.2487237) as Open3D ships it, trimmed as
    its documentation does: without the vertices whose density is in the lowest quantile.

    It computes in single precision: the cloud is centred and scaled to unit size, and its mesh back.
    """
    import numpy as np
    import open3d as o3d

    cloud = o3d.io.read_point_cloud(args.scan)
    points = np.asarray(cloud.points)
    low, high = points.min(0), points.max(0)
    center, scale = (low + high) / 2, (high - low).max() / 2
    cloud.points = o3d.utility.Vector3dVector((points - center) / scale)
    mesh, density = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
        cloud, depth=args.depth, linear_fit=False, n_threads=args.threads
    )
    if args.trim:
        values = np.asarray(density)
        mesh.remove_vertices_by_mask(values < np.quantile(values, args.trim))
    mesh.vertices = o3d.utility.Vector3dVector(np.asarray(mesh.vertices) * scale + center)
    if not o3d.io.write_triangle_mesh(args.mesh, mesh):
        sys.exit(f"Open3D could not write {args.mesh}")

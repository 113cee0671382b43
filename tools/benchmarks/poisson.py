"""One screened Poisson reconstruction, as the other commands start it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

NEIGHBOURS = 20  # of a point whose normal is estimated


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scan", type=Path)
    parser.add_argument("mesh", type=Path)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument(
        "--trim", type=float, default=0.0, help="share of the vertices, those of least density, to cut off"
    )
    parser.add_argument("--estimate", action="store_true", help="normals, towards the sensors of the file")
    parser.add_argument("--threads", type=int, default=-1)


def run(args: argparse.Namespace) -> None:
    """Screened Poisson of Kazhdan and Hoppe (doi:10.1145/2487228.2487237) as Open3D ships it, trimmed as
    its documentation does: without the vertices whose density is in the lowest quantile.

    It computes in single precision: the cloud is centred and scaled to unit size, and its mesh back.
    """
    import numpy as np
    import open3d as o3d

    from recon.scan.files import read_cloud

    scan = read_cloud(args.scan)
    low, high = scan.points.min(0), scan.points.max(0)
    center, scale = (low + high) / 2, (high - low).max() / 2
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector((scan.points - center) / scale))
    seen_from = scan.points if scan.sensors is None else scan.sensors
    if args.estimate:
        cloud.estimate_normals(o3d.geometry.KDTreeSearchParamKNN(NEIGHBOURS))
        normals = np.asarray(cloud.normals)
        away = ((seen_from - scan.points) * normals).sum(1) < 0
        cloud.normals = o3d.utility.Vector3dVector(np.where(away[:, None], -normals, normals))
    else:
        cloud.normals = o3d.utility.Vector3dVector(np.array(scan.normals))
    mesh, density = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
        cloud, depth=args.depth, linear_fit=False, n_threads=args.threads
    )
    if args.trim:
        values = np.asarray(density)
        mesh.remove_vertices_by_mask(values < np.quantile(values, args.trim))
    mesh.vertices = o3d.utility.Vector3dVector(np.asarray(mesh.vertices) * scale + center)
    if not o3d.io.write_triangle_mesh(args.mesh, mesh):
        sys.exit(f"Open3D could not write {args.mesh}")

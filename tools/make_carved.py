"""Make a finely carved ball: exact samples with normals, and its surface as a mesh of 5 million triangles.

    python tools/make_carved.py FOLDER [--points 1000000] [--waves 14] [--depth 0.005] [--seed 0]

It writes FOLDER/carved.clean.ply and FOLDER/carved.gt.ply, for `tools/benchmark.py accuracy --shapes FOLDER`.
In the direction u (unit) the surface is at r(u) = 1 + depth · sin(k u₁) sin(k u₂) sin(k u₃), k = 2π · waves:
the carvings are as wide as half a wave. Its chords are within 5e-5 of the surface, 1e-5 on average.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray

from recon.geometry import Mesh, unit_vectors
from recon.meshing.files import ply_header, ply_vertices, write_mesh

TRUTH_LEVEL = 9  # of the icosphere: 5.2 million faces

Float = NDArray[np.float64]


def radius(u: Float, k: float, depth: float) -> tuple[Float, Float]:
    """r (n,) in the directions `u` (n, 3), and its gradient (n, 3) along the unit sphere."""
    sine, cosine = np.sin(k * u), np.cos(k * u)
    others = np.stack([sine[:, 1] * sine[:, 2], sine[:, 0] * sine[:, 2], sine[:, 0] * sine[:, 1]], axis=1)
    gradient = depth * k * cosine * others
    gradient -= (gradient * u).sum(1, keepdims=True) * u
    return 1 + depth * sine.prod(1), gradient


def samples(count: int, k: float, depth: float, rng: np.random.Generator) -> Mesh:
    """Points, uniform by area, with their normals: the vertices of a mesh without faces."""
    steepest = 1 + depth * k * np.sqrt(3)  # no area element is larger
    points, normals = list[Float](), list[Float]()
    while sum(len(part) for part in points) < count:
        u = unit_vectors(rng.standard_normal((count, 3)))
        r, gradient = radius(u, k, depth)
        outward = u - gradient / r[:, None]
        element = r**2 * np.linalg.norm(outward, axis=1)
        chosen = rng.random(count) * steepest * (1 + depth) ** 2 < element
        points.append(r[chosen, None] * u[chosen])
        normals.append(unit_vectors(outward[chosen]))
    none = np.empty((0, 3), np.int64)
    return Mesh(np.concatenate(points)[:count], none, np.concatenate(normals)[:count])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--waves", type=float, default=14.0, help="in a radius")
    parser.add_argument("--depth", type=float, default=0.005, help="in radii")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    k = 2 * np.pi * args.waves
    cloud = samples(args.points, k, args.depth, np.random.default_rng(args.seed))
    with (args.folder / "carved.clean.ply").open("xb") as stream:
        stream.write(ply_header((), True, False, len(cloud.vertices), 0))
        stream.write(ply_vertices(cloud))
    ball = trimesh.creation.icosphere(TRUTH_LEVEL)
    u = unit_vectors(ball.vertices)
    write_mesh(Mesh(radius(u, k, args.depth)[0][:, None] * u, ball.faces), args.folder / "carved.gt.ply")


if __name__ == "__main__":
    main()

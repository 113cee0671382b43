"""Scans of shapes whose surface is known in closed form."""

from __future__ import annotations

import numpy as np

from recon.geometry import Float, PointCloud


def unit(vectors: Float) -> Float:
    """(n, 3) `vectors` at length 1."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def sphere(count: int = 4000, noise: float = 0.0, seed: int = 0) -> PointCloud:
    """`count` random points of the unit sphere, `noise` off it."""
    rng = np.random.default_rng(seed)
    normals = unit(rng.normal(size=(count, 3)))
    return PointCloud(normals + noise * rng.normal(size=(count, 3)), normals)


def torus(count: int = 4000, noise: float = 0.0, seed: int = 0) -> PointCloud:
    """`count` random points, even by area, of the torus with radii 0.6 and 0.2 around z, `noise` off it."""
    rng = np.random.default_rng(seed)
    u, v = rng.uniform(0, 2 * np.pi, (2, 4 * count))
    keep = rng.uniform(0, 0.8, 4 * count) < 0.6 + 0.2 * np.cos(v)
    u, v = u[keep][:count], v[keep][:count]
    normals = np.stack([np.cos(u) * np.cos(v), np.sin(u) * np.cos(v), np.sin(v)], axis=1)
    centre = np.stack([0.6 * np.cos(u), 0.6 * np.sin(u), 0 * u], axis=1)
    return PointCloud(centre + 0.2 * normals + noise * rng.normal(size=(count, 3)), normals)


def cube(count: int = 6000, seed: int = 0) -> PointCloud:
    """`count` random points of the cube from -1 to 1, its edges sharp."""
    rng = np.random.default_rng(seed)
    axis, side = rng.integers(3, size=count), rng.choice([-1.0, 1.0], count)
    points, normals = rng.uniform(-1, 1, (count, 3)), np.zeros((count, 3))
    points[np.arange(count), axis] = normals[np.arange(count), axis] = side
    return PointCloud(points, normals)


def plate(count: int = 6000, thickness: float = 0.05, seed: int = 0) -> PointCloud:
    """`count` random points of a box of sides 2, 2 and `thickness`, even by area."""
    rng = np.random.default_rng(seed)
    half = np.array([1.0, 1.0, thickness / 2])
    area = np.repeat([half[1] * half[2], half[0] * half[2], half[0] * half[1]], 2)
    face = rng.choice(6, count, p=area / area.sum())
    axis, side = face // 2, face % 2 * 2.0 - 1.0
    points, normals = rng.uniform(-half, half, (count, 3)), np.zeros((count, 3))
    points[np.arange(count), axis] = side * half[axis]
    normals[np.arange(count), axis] = side
    return PointCloud(points, normals)


def half_sphere(count: int = 3000, noise: float = 0.0, seed: int = 0) -> PointCloud:
    """`count` random points of the upper half of the unit sphere, open below."""
    whole = sphere(4 * count, noise, seed)
    assert whole.normals is not None
    return whole.select(np.flatnonzero(whole.normals[:, 2] > 0)[:count])


def plane(count: int = 4000, seed: int = 0) -> PointCloud:
    """`count` random points of the square from -1 to 1 at z = 0, seen from above."""
    points = np.random.default_rng(seed).uniform(-1, 1, (count, 3)) * [1, 1, 0]
    return PointCloud(points, np.broadcast_to([0.0, 0.0, 1.0], points.shape))


def screen_and_wall(count: int = 6000, seed: int = 0) -> PointCloud:
    """A screen and, just behind it, a wall, as a camera in front sees them: half of `count` random points
    each, all of whose normals face it; the wall has no points behind the screen."""
    rng = np.random.default_rng(seed)
    screen = rng.uniform(-0.5, 0.5, (count // 2, 3)) * [1, 1, 0] + [0, 0, 0.06]
    wall = rng.uniform(-1, 1, (4 * count, 3)) * [1, 1, 0]
    wall = wall[np.abs(wall[:, :2]).max(1) > 0.5][: count // 2]
    points = np.concatenate([screen, wall])
    return PointCloud(points, np.broadcast_to([0.0, 0.0, 1.0], points.shape))


def turned(cloud: PointCloud, share: float, seed: int = 0) -> PointCloud:
    """`cloud` with that share of its normals turned round."""
    assert cloud.normals is not None
    round_ = np.random.default_rng((seed, 7)).random(len(cloud)) < share
    return PointCloud(cloud.points, np.where(round_[:, None], -cloud.normals, cloud.normals))


def depth_image(depth: Float, focal: float = 1.0) -> Float:
    """The points (n, 3) that a camera at the origin, looking along z, sees in its pixels: `depth` (h, w),
    NaN where it sees nothing; the picture is 1 / `focal` wide to each side."""
    height, width = depth.shape
    x = np.linspace(-1, 1, width) / focal
    y = np.linspace(-1, 1, height) * (height / width) / focal
    rays = np.stack([*np.meshgrid(x, y), np.ones_like(depth)], axis=-1)
    points = (rays * depth[..., None]).reshape(-1, 3)
    return points[np.isfinite(points).all(1)]

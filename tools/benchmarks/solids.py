"""Solids with known normals, for benchmarks: each a sampler of points that are even by area."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Points = tuple[Float, Float]  # (n, 3), and normals
Sampler = Callable[[int, np.random.Generator], Points]
CUP_AREA, ROOMS_AREA, PLATE_AREA = 11.2, 48.0, 6.4


def on_rectangles(corners: Float, u: Float, v: Float) -> Sampler:
    """Even points of rectangles (k, 3) with sides u and v (k, 3); u × v points out."""
    across = np.cross(u, v)
    area = np.linalg.norm(across, axis=1)

    def sample(count: int, rng: np.random.Generator) -> Points:
        at = rng.choice(len(area), count, p=area / area.sum())
        a, b = rng.random((2, count, 1))
        return corners[at] + a * u[at] + b * v[at], across[at] / area[at, None]

    return sample


def _faces(low: Float, high: Float, inward: bool = False, top: bool = True) -> tuple[Float, Float, Float]:
    """The corners and sides of the faces of a box, all or without the top, seen from outside or inside."""
    found = []
    for axis in range(3):
        u, v = np.zeros((2, 3))
        i, j = (axis + 1) % 3, (axis + 2) % 3
        u[i], v[j] = high[i] - low[i], high[j] - low[j]
        for end in (low, high):
            if axis == 2 and end is high and not top:
                continue
            corner = low.copy()
            corner[axis] = end[axis]
            swapped = (end is low) != inward
            found.append((corner, v, u) if swapped else (corner, u, v))
    corners, u, v = (np.array(part) for part in zip(*found, strict=True))
    return corners, u, v


def box(*half: float) -> Sampler:
    """A box of three half sides."""
    return on_rectangles(*_faces(-np.array(half), np.array(half)))


def cup(wall: float) -> Sampler:
    """A box without a lid, of area `CUP_AREA` for thin walls."""
    outer = np.array([0.6, 0.5, 0.5])
    low, high = -outer + wall, np.array([outer[0] - wall, outer[1] - wall, outer[2]])
    parts: list[tuple[Float, ...]] = [
        _faces(-outer, outer, top=False),
        _faces(low, high, inward=True, top=False),
    ]
    top, x, y = outer[2], outer[0], outer[1]
    for at, u, v in (
        ((-x, -y), (2 * x, 0), (0, wall)),
        ((-x, y - wall), (2 * x, 0), (0, wall)),
        ((-x, -y + wall), (wall, 0), (0, 2 * (y - wall))),
        ((x - wall, -y + wall), (wall, 0), (0, 2 * (y - wall))),
    ):
        parts.append(tuple(np.array([[*some, z]], dtype=float) for some, z in ((at, top), (u, 0), (v, 0))))
    return on_rectangles(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def rooms(wall: float) -> Sampler:
    """Two rooms of side 2 seen from inside, with a wall between them."""
    apart = wall / 2
    low, high = np.array([-2.0, -1, -1]), np.array([0.0, 1, 1])
    shift = np.array([2 + apart, 0, 0])
    left = _faces(low - [apart, 0, 0], high - [apart, 0, 0], inward=True)
    right = _faces(low + shift, high + shift, inward=True)
    return on_rectangles(*(np.concatenate(pair) for pair in zip(left, right, strict=True)))


def shells(depth: int) -> Sampler:
    """Spheres in spheres: solid, hollow, solid from outside to inside."""
    radii = np.array([1.0, 0.7, 0.4])[:depth]

    def sample(count: int, rng: np.random.Generator) -> Points:
        at = rng.choice(depth, count, p=radii**2 / (radii**2).sum())
        out = rng.normal(size=(count, 3))
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        return radii[at, None] * out, np.where(at % 2 == 0, 1, -1)[:, None] * out

    return sample


def torus(count: int, rng: np.random.Generator) -> Points:
    """Even points of a torus of radii 1 and 0.35."""
    u, v, height = rng.uniform(0, 2 * np.pi, (3, 3 * count))
    kept = np.flatnonzero(height / (2 * np.pi) < (1 + 0.35 * np.cos(v)) / 1.35)[:count]
    u, v = u[kept], v[kept]
    out = np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], axis=1)
    return np.stack([np.cos(u), np.sin(u), 0 * u], axis=1) + 0.35 * out, out

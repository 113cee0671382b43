"""The surfaces of a city: terrain, houses with roofs and windows, trees; metres, z up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import trimesh
from numpy.typing import NDArray

Float = NDArray[np.float64]
GROUND, VEGETATION, BUILDING = 2, 5, 6  # classes of LAS
LOT, STREET, TERRAIN_STEP = 36.0, 9.0, 2.0
TREES_A_LOT = 3
Quads = list[tuple[Float, Float, Float, Float]]


@dataclass(frozen=True)
class City:
    """Triangles with the class of each.

    Attributes:
        vertices: (n, 3).
        faces: (m, 3).
        kinds: (m,) GROUND, VEGETATION or BUILDING.
        side: of the square that the city fills from the origin on.
    """

    vertices: Float
    faces: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    side: float

    @classmethod
    def built(cls, side: float, seed: int = 0) -> City:
        """A city of that side."""
        rng = np.random.default_rng(seed)
        parts = [(*_terrain(side), GROUND)]
        lots = max(1, int(side // LOT))
        for i, j in np.ndindex(lots, lots):
            low = np.array([i, j]) * LOT + STREET / 2
            parts.append((*_house(low, rng), BUILDING))
            parts += [(*_tree(low, rng), VEGETATION) for _ in range(rng.integers(TREES_A_LOT + 1))]
        counts = np.cumsum([0, *(len(vertices) for vertices, _, _ in parts)])
        faces = [triangles + start for (_, triangles, _), start in zip(parts, counts, strict=False)]
        kinds = [np.full(len(triangles), kind, np.uint8) for _, triangles, kind in parts]
        whole = np.concatenate([vertices for vertices, _, _ in parts])
        return cls(whole, np.concatenate(faces), np.concatenate(kinds), side)


def height(x: Float, y: Float) -> Float:
    """Of the terrain."""
    return 9 * np.sin(x / 160) * np.cos(y / 210) + 2.5 * np.sin(x / 47 + 1) * np.sin(y / 39) + 0.012 * x


def _terrain(side: float) -> tuple[Float, NDArray[np.int64]]:
    count = int(np.ceil(side / TERRAIN_STEP)) + 1
    axis = np.linspace(0, side, count)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    vertices = np.stack([x.ravel(), y.ravel(), height(x, y).ravel()], axis=1)
    first = (np.arange(count - 1)[:, None] * count + np.arange(count - 1)).ravel()
    quads = np.stack([first, first + count, first + count + 1, first + 1], axis=1)
    return vertices, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _house(low: Float, rng: np.random.Generator) -> tuple[Float, NDArray[np.int64]]:
    """A house on a lot: walls with windows set back into them, a gable or a flat roof with a parapet."""
    room = LOT - STREET
    size = rng.uniform(0.35, 0.62, 2) * room
    corner = low + rng.uniform(2, room - size.max() - 2, 2)
    spots = corner + np.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]]) * size
    base = float(height(*spots.T).min()) - 0.5
    floors = int(rng.integers(1, 6))
    top = base + 0.5 + 3.0 * floors + 0.4
    a, b = np.append(corner, base), np.append(corner + size, top)
    quads: Quads = []
    around = [(a[0], a[1]), (b[0], a[1]), (b[0], b[1]), (a[0], b[1])]
    for (x0, y0), (x1, y1) in zip(around, around[1:] + around[:1], strict=True):
        start, along = np.array([x0, y0, base]), np.array([x1 - x0, y1 - y0, 0.0])
        quads += _panel(start, along, np.array([0, 0, top - base]), *_windows(along, floors), 0.25)
    roof, up = np.array([a[0], a[1], top]), top + rng.uniform(2.0, 4.5)
    ex, ey = np.array([size[0], 0, 0]), np.array([0, size[1], 0])
    if rng.random() < 0.35:
        edge = [0.0, 0.35, 1.0]
        breaks = [np.array([0, edge[1] / n, 1 - edge[1] / n, 1]) for n in size]
        quads += _panel(roof, ex, ey, breaks[0], breaks[1], 0.7)
    else:
        if size[0] < size[1]:  # the ridge runs along the longer side
            p, q, r, s = roof, roof + ex, roof + ex + ey, roof + ey
        else:
            p, q, r, s = roof + ex, roof + ex + ey, roof + ey, roof
        first, last = (p + q) / 2, (r + s) / 2
        first[2] = last[2] = up
        quads += [(q, r, last, first), (s, p, first, last), (p, q, first, first), (r, s, last, last)]
    return _triangles(quads)


def _windows(along: Float, floors: int) -> tuple[Float, Float]:
    """Breaks of a wall, shares of its width and height: every second stretch of both is a window."""
    width = float(np.linalg.norm(along))
    count = max(1, int(width // 3.2))
    middles = (np.arange(count) + 0.5) * width / count
    across = np.sort(np.concatenate([middles - 0.65, middles + 0.65]))
    sills = 0.5 + 3.0 * np.arange(floors) + 0.9
    upward = np.sort(np.concatenate([sills, sills + 1.4]))
    tall = 0.9 + 3.0 * floors
    return np.array([0, *across, width]) / width, np.array([0, *upward, tall]) / tall


def _panel(start: Float, along: Float, up: Float, across: Float, upward: Float, depth: float) -> Quads:
    """A rectangle, cut at the breaks, whose fields of odd numbers are set back by `depth`."""
    normal = np.cross(along, up)
    inward = -depth * normal / np.linalg.norm(normal)
    quads: Quads = []
    for i, (u0, u1) in enumerate(pairwise(across)):
        for j, (v0, v1) in enumerate(pairwise(upward)):
            p = [start + u * along + v * up for u, v in ((u0, v0), (u1, v0), (u1, v1), (u0, v1))]
            if i % 2 == 0 or j % 2 == 0:
                quads.append((p[0], p[1], p[2], p[3]))
                continue
            back = [corner + inward for corner in p]
            quads.append((back[0], back[1], back[2], back[3]))
            quads += [(p[k], p[(k + 1) % 4], back[(k + 1) % 4], back[k]) for k in range(4)]
    return quads


def _triangles(quads: Quads) -> tuple[Float, NDArray[np.int64]]:
    vertices = np.array(quads).reshape(-1, 3)
    first = 4 * np.arange(len(quads))
    faces = np.concatenate([first[:, None] + [0, 1, 2], first[:, None] + [0, 2, 3]])
    a, b, c = vertices[faces.T]
    return vertices, faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 0]


def _tree(low: Float, rng: np.random.Generator) -> tuple[Float, NDArray[np.int64]]:
    """A trunk and a bumpy crown, by the street."""
    place = low + np.array([rng.uniform(0, LOT - STREET), rng.choice([-1.5, LOT - STREET + 1.5])])
    tall = rng.uniform(5, 11)
    crown = trimesh.creation.icosphere(2, radius=1.0)
    bumps = 1 + 0.15 * np.sin(5 * crown.vertices @ rng.normal(size=(3, 3))).sum(1)
    shape = crown.vertices * bumps[:, None] * np.array([1, 1, 1.2]) * tall * 0.22
    trunk = trimesh.creation.cylinder(0.18, tall * 0.8, sections=8)
    ground = float(height(*place))
    vertices = np.concatenate(
        [
            shape + np.array([*place, ground + 0.75 * tall]),
            trunk.vertices + np.array([*place, ground + 0.4 * tall - 0.2]),
        ]
    )
    return vertices, np.concatenate([crown.faces, trunk.faces + len(crown.vertices)])

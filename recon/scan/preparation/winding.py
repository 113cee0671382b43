"""Generalised winding numbers of oriented points.

A point p with a normal n that stands for an area a adds m·r / ‖r‖³ at q, with m = a n / 4π and r = p - q: a
dipole (Barill, Dickson, Schmidt, Levin, Jacobson 2018, "Fast winding numbers for soups and clouds",
doi:10.1145/3197517.3201337). Points that are far from q, for the width of the cube they fill, add what is
left of the sum if it is expanded around their middle c (Barnes, Hut 1986, doi:10.1038/324446a0), now with
r = c - q:

    (m·r + r·S r / ‖r‖²) / ‖r‖³            m = Σ m_p,  S = -3 (T - tr T / 3),  T = Σ m_p (p - c)ᵀ

The second term is what both sides of a thin part add, whose dipoles cancel. Queries that are near each other
share the decision on what is far.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from recon.geometry import Float, Int
from recon.scan.preparation.chunks import over_chunks
from recon.scan.preparation.spatial_order import AXIS_BITS, spatial_order, z_codes

MIN_DISTANCE = 1e-6  # unit: nearer, a point's own share of the winding number means nothing
FAR = 2.0  # radii: from this distance on the expansion stands for the points within the radius
LEAF_POINTS = 16  # a cube of fewer is not divided
GROUP_QUERIES = 8  # share the decision
SLICE_GROUPS = 256  # at a time
CHUNK_PAIRS = 1 << 12  # of a group and a dipole: 250 KB an array
CHUNK_SUMS = 1 << 27  # of a query and a point in the plain sum: half a GB


@dataclass(frozen=True, eq=False)
class _Cubes:
    """The cubes of one size that hold points.

    Attributes:
        centre: (3, c) mean of their points, by area.
        radius: (c,) around it that holds them.
        dipole: (3, c) m.
        quadrupole: (6, c) S: xx, yy, zz, and the sums of xy and yx, xz and zx, yz and zy.
        first: (c + 1,) where their points start.
        children: (c + 1,) where their parts among the next smaller cubes start.
    """

    centre: Float
    radius: Float
    dipole: Float
    quadrupole: Float
    first: Int
    children: Int


class WindingNumber:
    """The winding number of `points` (n, 3) with unit `normals` (n, 3) and `areas` (n,), in the unit frame.

    Called with queries (m, 3), it returns (m,): 1 inside a closed scan, 0 outside.
    """

    def __init__(self, points: Float, normals: Float, areas: Float, threads: int = 1) -> None:
        self.threads = threads
        order = spatial_order(points)
        codes, areas = z_codes(points)[order], areas[order]
        self.points = np.ascontiguousarray(points[order].T)  # axis by axis, twice as fast as rows
        self.dipoles = np.ascontiguousarray(normals[order].T) * (areas / (4 * np.pi))
        starts = [np.flatnonzero(np.diff(codes >> 3 * bits, prepend=-1)) for bits in range(AXIS_BITS, -1, -1)]
        finer = [*starts[1:], np.arange(len(areas))]
        self.levels = [self._cubes(areas, *pair) for pair in zip(starts, finer, strict=True)]

    def _cubes(self, areas: Float, starts: Int, finer: Int) -> _Cubes:
        weight = np.maximum(np.add.reduceat(areas, starts), np.finfo(float).tiny)
        centre = np.add.reduceat(self.points * areas, starts, axis=1) / weight
        first = np.append(starts, len(areas))
        arm = self.points - np.repeat(centre, np.diff(first), axis=1)
        radius = np.maximum.reduceat(np.linalg.norm(arm, axis=0), starts)
        dipole = np.add.reduceat(self.dipoles, starts, axis=1)
        diagonal = np.add.reduceat(self.dipoles * arm, starts, axis=1)
        others = [self.dipoles[i] * arm[j] + self.dipoles[j] * arm[i] for i, j in ((0, 1), (0, 2), (1, 2))]
        mixed = np.add.reduceat(np.stack(others), starts, axis=1)
        quadrupole = -3 * np.concatenate([diagonal - diagonal.mean(0), mixed])
        children = np.append(np.searchsorted(finer, starts), len(finer))
        return _Cubes(centre, radius, dipole, quadrupole, first, children)

    def __call__(self, queries: Float) -> Float:
        """The winding numbers (m,) at `queries` (m, 3)."""
        if not len(queries):
            return np.empty(0)
        order = spatial_order(queries)
        order = np.append(order, np.repeat(order[-1], -len(order) % GROUP_QUERIES))  # whole groups
        groups = queries[order].reshape(-1, GROUP_QUERIES, 3).transpose(2, 1, 0)
        parts = over_chunks(
            lambda part: self._of_groups(groups[..., part]), groups.shape[2], SLICE_GROUPS, self.threads
        )
        out = np.empty(len(queries))
        out[order] = np.concatenate(list(parts), axis=1).T.reshape(-1)
        return out

    def _of_groups(self, groups: Float) -> Float:
        """(q, g) at `groups` of queries (3, q, g)."""
        groups = np.ascontiguousarray(groups)
        out = np.zeros(groups.shape[1:])
        middle = groups.mean(1)
        width = np.linalg.norm(groups - middle[:, None], axis=0).max(0)
        group, cube = np.arange(groups.shape[2]), np.zeros(groups.shape[2], np.int64)
        for cubes in self.levels:
            gap = np.linalg.norm(cubes.centre[:, cube] - middle[:, group], axis=0) - width[group]
            far = gap > FAR * cubes.radius[cube]
            _add(out, groups, group[far], cube[far], cubes.centre, cubes.dipole, cubes.quadrupole)
            group, cube = group[~far], cube[~far]
            few = cubes.first[cube + 1] - cubes.first[cube] <= LEAF_POINTS
            near = _members(group[few], cube[few], cubes.first)
            _add(out, groups, *near, self.points, self.dipoles)
            group, cube = _members(group[~few], cube[~few], cubes.children)
        _add(out, groups, group, cube, self.points, self.dipoles)  # many in one of the smallest cubes
        return out


def _members(group: Int, cube: Int, first: Int) -> tuple[Int, Int]:
    """Each `group` again for each member of its `cube`, and these, which start at `first`."""
    count = first[cube + 1] - first[cube]
    start = first[cube] - (np.cumsum(count) - count)
    return np.repeat(group, count), np.arange(count.sum()) + np.repeat(start, count)


def _add(
    out: Float,
    groups: Float,
    group: Int,
    index: Int,
    places: Float,
    dipoles: Float,
    quadrupoles: Float | None = None,
) -> None:
    """Adds to `out` (q, g), at `groups` (3, q, g), what the dipoles `index` add to each `group`.

    Groups come in ascending order.
    """
    for start in range(0, len(group), CHUNK_PAIRS):
        here, there = group[start : start + CHUNK_PAIRS], index[start : start + CHUNK_PAIRS]
        x, y, z = (place[there] - q.take(here, axis=1) for place, q in zip(places, groups, strict=True))
        square = np.maximum(x * x + y * y + z * z, MIN_DISTANCE**2)
        a, b, c = (dipole[there] for dipole in dipoles)
        height = x * a + y * b + z * c
        if quadrupoles is not None:
            xx, yy, zz, xy, xz, yz = (part[there] for part in quadrupoles)
            height += (x * (x * xx + y * xy + z * xz) + y * (y * yy + z * yz) + z * z * zz) / square
        height /= np.sqrt(square) * square
        begin = np.flatnonzero(np.diff(here, prepend=-1))
        out[:, here[begin]] += np.add.reduceat(height, begin, axis=1)


def point_areas(points: Float, near: NDArray[np.integer]) -> Float:
    """(n,) the area of each of `points` (n, 3): its share of the disc of its neighbours `near` (n, k)."""
    return np.pi * ((points[near[:, -1]] - points) ** 2).sum(1) / (near.shape[1] + 1)


def winding_number(
    points: Float, normals: Float, areas: Float, queries: Float, device: torch.device
) -> Float:
    """The plain sum (m,) at `queries` (m, 3) of points (n, 3) with `areas` (n,): the fastest on a GPU."""
    where = partial(torch.tensor, dtype=torch.float32, device=device)
    dipoles = where(normals * areas[:, None] / (4 * np.pi))
    places = where(points)
    offsets = (places * dipoles).sum(1)
    totals = []
    for part in where(queries).split(max(1, CHUNK_SUMS // len(points))):
        distances = torch.cdist(part, places, compute_mode="donot_use_mm_for_euclid_dist")
        heights = torch.addmm(offsets, part, dipoles.t(), alpha=-1)
        totals.append(heights.div_(distances.clamp_min_(MIN_DISTANCE).pow_(3)).sum(1))
    return torch.cat(totals).double().cpu().numpy()

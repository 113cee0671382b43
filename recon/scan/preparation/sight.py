"""What the points of a surface see of each other.

Between two points that see each other, space is free: the outside, or the inside of something hollow. So both
face it, or both turn their backs on it. Neighbours say the same of points side by side; these pairs say it
across a gap, however wide, and where things touch, neighbours are wrong.

Rays leave both sides of some points, and end near the first other point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.geometry import Float, Int

VIEWERS = 5_000  # points that look
START_SPACINGS = 3.0  # above its point, a ray starts
HIT_SPACINGS = 1.5  # from a point, it meets the surface
MIN_STEP, MAX_OVERSHOOT = 0.7, 0.5  # spacings
MAX_STEPS = 60
SPACING_NEIGHBOURS = 4


@dataclass(frozen=True, eq=False)
class SightPairs:
    """Pairs of points that see each other.

    Attributes:
        a, b: (m,) their numbers.
        votes: (m,) positive for equal signs of the normals, of those they were found with.
    """

    a: Int
    b: Int
    votes: Float

    def select(self, part: Int) -> SightPairs:
        """Those of two points of the same `part` (n,)."""
        same = part[self.a] == part[self.b]
        return SightPairs(self.a[same], self.b[same], self.votes[same])


def sight_pairs(
    points: Float, normals: Float, near: NDArray[np.integer], threads: int = 1, seed: int = 0
) -> SightPairs:
    """The pairs that rays from some `points` (n, 3) find, along and against their `normals` (n, 3).

    The directions are scattered around the normals by the cosine law. `near` (n, k) are the neighbours.
    """
    rng, tree = np.random.default_rng(seed), cKDTree(points)
    some = np.tile(np.sort(rng.permutation(len(points))[:VIEWERS]), 2)
    facing = normals[some] * np.repeat([1.0, -1.0], len(some) // 2)[:, None]
    ray = rng.normal(size=facing.shape)
    ray = facing + ray / np.linalg.norm(ray, axis=1, keepdims=True)
    ray /= np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), np.finfo(float).tiny)
    spacing = np.linalg.norm(points[near[:, :SPACING_NEIGHBOURS]] - points[:, None], axis=2).mean(1)
    spacing = np.maximum(spacing, np.median(spacing[near], axis=1))
    start = points[some] + START_SPACINGS * spacing[some, None] * facing
    met = _first_met(tree, spacing, start, ray, threads)
    there = met >= 0
    a, b, ray = some[there], met[there], ray[there]
    return SightPairs(a, b, -(normals[a] * ray).sum(1) * (normals[b] * ray).sum(1))


def _first_met(tree: cKDTree, spacing: Float, start: Float, rays: Float, threads: int) -> Int:
    """(r,) the point of `tree`, with `spacing` (n,), that each of the `rays` (r, 3) meets first, or -1.

    Each step is as long as the distance to the nearest point allows. A ray that starts at the surface meets
    nothing.
    """
    low, high = tree.mins, tree.maxes
    place, met, under_way = start.copy(), np.full(len(rays), -1), np.arange(len(rays))
    for step in range(MAX_STEPS):
        distance, nearest = tree.query(place[under_way], workers=threads)
        apart = distance / np.maximum(spacing[nearest], np.finfo(float).tiny)
        ends = apart < HIT_SPACINGS
        if step:
            met[under_way[ends]] = nearest[ends]
        length = spacing[nearest] * np.maximum(apart - MAX_OVERSHOOT, MIN_STEP)
        place[under_way] += length[:, None] * rays[under_way]
        within = ((place[under_way] >= low) & (place[under_way] <= high)).all(1)
        under_way = under_way[~ends & within]
    return met

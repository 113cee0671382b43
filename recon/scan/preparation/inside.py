"""The inside of a scan: signed distances of points of space to an oriented cloud.

The sign comes from the generalised winding number of the oriented points (`winding.py`): a sum over all
points that gaps and noise hardly change. Far from the scan a part of the points will do, for the distance,
too. Near it, where the tangent planes of the nearest points agree on the side, they are right, and faster;
where they do not, at sharp edges and thin parts, the nearest plane is wrong ten times as often as the number.
The distance is that from the nearest point, or from the nearest plane seen from that side.

Across a surface the number falls by 1; its values on both sides depend on the rest of the scan: from 1 to 0
for a closed one, from a half to minus a half for a plane. So the level between inside and outside is the mean
of both sides at the scan itself, as in Poisson reconstruction (Kazhdan, Bolitho, Hoppe 2006,
doi:10.2312/SGP/SGP06/061-070); and a scan whose level is far below a half is open. Where it does not fall,
there is another sheet right behind, as of a thin plate, which is closed, too. An open scan that is to stay
open has no inside: there the nearest plane gives the side, farther away the nearest points vote for one, and
samples are drawn in front of them and a short way behind, where the vote is certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.geometry import Float, Int, PointCloud
from recon.scan.preparation.spatial_order import spatial_order
from recon.scan.preparation.winding import MIN_DISTANCE, WindingNumber, winding_number

COARSE_POINTS = (
    30_000  # enough for the sign of all that is not next to the scan, and far from it the distance
)
COARSE_SPACINGS = 8.0  # of these points: farther off they give the distance, to s² / 2 d and less
LOCAL_NEIGHBOURS = 20  # next to it, all points count that are as near as this many of these
LOCAL_PAIRS = 1 << 21  # of a query and a neighbour at a time
DISTANCE_POINTS = 1_000_000
AREA_NEIGHBOURS = 8
OTHER_SHEET = -0.5  # cosine: a neighbour of such a normal is on the other side of a thin part
PLANE_SPACINGS = 1.5  # this near to the nearest point, its tangent plane stands for the surface
SIGN_SPACINGS = 4.0  # this near, the planes of the nearest points give the sign if they agree
SIDE_NEIGHBOURS = 8
LEVEL_POINTS = 5_000  # at which the level is measured
LEVEL_SPACINGS = 2.0  # how far from the surface it is measured
MIN_FALL = 0.5  # across the surface; less across walls thinner than that distance, seen from both sides
MIN_CLOSED_LEVEL = 0.4  # of a closed scan, over the fall across its surface; ideally 0.5
HOLE_LEVELS = 0.35  # from the level to either side, over the fall: winding numbers in a hole of the scan
VOTE_NEIGHBOURS = 12
MAX_DEPTH, MAX_DEPTH_SPACINGS = 0.05, 8.0  # behind an open surface, unit and spacings: beyond may be another
MAX_DRAWS, MORE_DRAWS = 10, 1.1  # how often, and how many more than seem to be missing
NEAR_SIGMA = 0.005, 0.1  # unit: range of the standard deviations of the samples near the scan


@dataclass(frozen=True, eq=False)
class SpaceSamples:
    """Points of space and their approximate signed distances to the scan, negative inside.

    Attributes:
        points: (n, 3) float32, unit.
        distances: (n,) float32, unit.
        uniform: the number of points at the start that fill the box; the others lie near the scan.
    """

    points: NDArray[np.float32]
    distances: NDArray[np.float32]
    uniform: int


def unknown(queries: Float) -> Float:
    """The distance (n,) of queries (n, 3) to a scan that has no known sides: NaN."""
    return np.full(len(queries), np.nan)


def uniform_samples(box: Float, count: int, seed: int = 0) -> SpaceSamples:
    """`count` points uniform in `box` ((2, 3), unit), with distances of NaN."""
    low, high = np.asarray(box, np.float64)
    points = np.random.default_rng((seed, 1)).uniform(low, high, (count, 3))
    return SpaceSamples(points.astype(np.float32), unknown(points).astype(np.float32), count)


class Surroundings:
    """Signed distance from any point to an oriented cloud in the unit frame.

    Args:
        cloud: the oriented points, unit.
        seed: of the samples that represent larger clouds.
        threads: of the search for neighbours.
        open: whether the scan is to stay open; by default if it is not `closed`.
        device: winding numbers are summed on it.

    Attributes:
        closed: the points surround a solid, but for small holes.
        open: the sides are those of an open surface.
    """

    def __init__(
        self,
        cloud: PointCloud,
        seed: int = 0,
        threads: int = 1,
        *,
        open: bool | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        rng = np.random.default_rng(seed)
        self.threads, self.device = threads, torch.device(device)
        if len(cloud) > DISTANCE_POINTS:
            cloud = cloud.select(np.sort(rng.choice(len(cloud), DISTANCE_POINTS, replace=False)))
        assert cloud.normals is not None
        self.points, self.normals = cloud.points, cloud.normals
        self.tree = cKDTree(self.points)
        distances, near = self.tree.query(self.points, AREA_NEIGHBOURS + 1, workers=threads)
        self.spacing = distances[:, 1:5].mean(1)
        facing = (self.normals[near[:, 1:]] * self.normals[:, None]).sum(2) > OTHER_SHEET
        area = np.pi * distances[:, -1] ** 2 / np.maximum(facing.sum(1), 1)
        chosen = np.sort(rng.permutation(len(self.points))[:COARSE_POINTS])
        weighted = area[chosen] * (len(area) / len(chosen))
        self._coarse, self._coarse_tree = chosen, cKDTree(self.points[chosen])
        self._coarseness = max(1.0, np.sqrt(len(self.points) / COARSE_POINTS))  # of spacings
        self._dipoles = self.points[chosen], self.normals[chosen], weighted
        self._winding_number = WindingNumber(*self._dipoles, threads)
        self._missing = area.copy()  # of each point, in the sum over the chosen ones
        self._missing[chosen] -= weighted
        some = rng.permutation(len(self.points))[:LEVEL_POINTS]
        aside = (LEVEL_SPACINGS * self._coarseness * self.spacing[some])[:, None] * self.normals[some]
        both = self._winding(np.concatenate((self.points[some] + aside, self.points[some] - aside)))
        outside, inside = both[: len(some)], both[len(some) :]
        self.level, self.fall = float(np.median(outside + inside)) / 2, float(np.median(inside - outside))
        if self.fall < MIN_FALL:  # walls that are seen from both sides enclose something
            self.level, self.fall = 0.5, 1.0
        self.closed = self.level > MIN_CLOSED_LEVEL * self.fall
        self.open = not self.closed if open is None else open

    def _winding(self, queries: Float) -> Float:
        """The winding number (n,), by the chosen points."""
        if self.device.type != "cpu":
            return winding_number(*self._dipoles, queries, self.device)
        return self._winding_number(queries)

    def in_holes(self, queries: Float) -> NDArray[np.bool_]:
        """Whether `queries` (n, 3), away from the points, are in holes: (n,), neither inside nor outside."""
        return np.abs(self._winding(queries) - self.level) < HOLE_LEVELS * self.fall

    def _near_winding(self, queries: Float) -> Float:
        """The same, but next to the scan, by all of the nearest points."""
        if not self._missing.any():
            return self._winding(queries)
        count = min(LOCAL_NEIGHBOURS * len(self.points) // COARSE_POINTS, len(self.points))
        local = []
        for part in np.array_split(queries, max(1, len(queries) * count // LOCAL_PAIRS)):
            distance, near = self.tree.query(part, np.arange(count) + 1, workers=self.threads)
            share = self._missing[near] * -self._height(part[:, None], near)
            local.append((share / (4 * np.pi * np.maximum(distance, MIN_DISTANCE) ** 3)).sum(1))
        return self._winding(queries) + np.concatenate(local)

    def signed_distance(self, queries: Float) -> Float:
        """(n, 3) unit → (n,) approximate signed distances, unit, negative inside."""
        order, out = spatial_order(queries), np.empty(len(queries))
        out[order] = self._signed_distance(queries[order])
        return out

    def _signed_distance(self, queries: Float) -> Float:
        distance, nearest, remote = self._nearest(queries)
        spacing = self.spacing[nearest]
        sign, height = np.empty(len(queries)), self._height(queries, nearest)
        close = distance < SIGN_SPACINGS * spacing
        sign[close], height[close] = self._sides(queries[close])
        for far, tree, index in (
            (remote, self._coarse_tree, self._coarse),
            (~remote & ~close, self.tree, None),
        ):
            some = queries[far]
            side = self._votes(some, tree, index) if self.open else self.level - self._winding(some)
            sign[far] = np.where(side < 0, -1.0, 1.0)
        aside = np.sqrt(np.maximum(distance**2 - height**2, 0.0))  # 0 under another point's plane
        flat = aside < PLANE_SPACINGS * spacing * np.where(remote, self._coarseness, 1.0)
        return sign * np.where(flat, np.minimum(np.abs(height), distance), distance)

    def _nearest(self, queries: Float) -> tuple[Float, Int, NDArray[np.bool_]]:
        """Distance and number (n,) of the nearest point, and where (n,) only the coarse ones were asked."""
        distance, nearest = self._coarse_tree.query(queries, workers=self.threads)
        nearest = self._coarse[nearest]
        remote = distance > COARSE_SPACINGS * self._coarseness * self.spacing[nearest]
        if len(self._coarse) < len(self.points):
            distance[~remote], nearest[~remote] = self.tree.query(queries[~remote], workers=self.threads)
        return distance, nearest, remote

    def _height(self, queries: Float, points: Int) -> Float:
        return ((queries - self.points[points]) * self.normals[points]).sum(-1)

    def _sides(self, queries: Float) -> tuple[Float, Float]:
        """Signs (n,) of queries near the scan; heights (n,) over the nearest plane seen from there."""
        count = min(SIDE_NEIGHBOURS, len(self.points))
        _, near = self.tree.query(queries, np.arange(count) + 1, workers=self.threads)
        height = self._height(queries[:, None], near)
        sign = np.where(height[:, 0] < 0, -1.0, 1.0)
        if not self.open:
            unsure = np.flatnonzero(((height < 0) != (height[:, :1] < 0)).any(1))
            sign[unsure] = np.where(self._near_winding(queries[unsure]) > self.level, -1.0, 1.0)
        seen = ((height < 0) == (sign[:, None] < 0)).argmax(1)[:, None]  # the first; if none is, the nearest
        return sign, np.take_along_axis(height, seen, 1)[:, 0]

    def _votes(self, queries: Float, tree: cKDTree, index: Int | None) -> Float:
        """Positive where most of the nearest points see `queries` on their outer side."""
        near = tree.query(queries, np.arange(min(VOTE_NEIGHBOURS, tree.n)) + 1, workers=self.threads)[1]
        near = near if index is None else index[near]
        ray = queries[:, None] - self.points[near]
        ray /= np.maximum(np.linalg.norm(ray, axis=2, keepdims=True), np.finfo(float).tiny)
        return (ray * self.normals[near]).sum((1, 2))

    def sample(
        self, box: Float, count: int, near_share: float, seed: int = 0, scan: Float | None = None
    ) -> SpaceSamples:
        """As `draw_samples`; behind an open surface only as far as it is certainly the nearest.

        Those near the scan are near the points `scan` (n, 3), by default all.
        """
        scan = self.points if scan is None else scan
        return draw_samples(self.certain_distance, scan, box, count, near_share, seed)

    def certain_distance(self, queries: Float) -> Float:
        """The same, but NaN behind an open surface where it may not be the nearest."""
        distance = self.signed_distance(queries)
        if not self.open:
            return distance
        behind = max(MAX_DEPTH, MAX_DEPTH_SPACINGS * float(np.median(self.spacing)))
        return np.where(distance < -behind, np.nan, distance)


def draw_samples(
    distance: Callable[[Float], Float],
    scan: Float,
    box: Float,
    count: int,
    near_share: float,
    seed: int,
) -> SpaceSamples:
    """`count` points of space where `distance` is known (not NaN), or as many as `MAX_DRAWS` draws find.

    A `near_share` of them is scattered around the points of the `scan` by `NEAR_SIGMA`, the others are
    uniform in `box` ((2, 3), unit).
    """
    low, high = np.asarray(box, np.float64)
    wanted = count - int(count * near_share), int(count * near_share)
    found: tuple[list[Float], list[Float]] = [], []
    draws, drawn = list(wanted), [0, 0]
    for attempt in range(MAX_DRAWS):
        rng = np.random.default_rng((seed, 1, attempt) if attempt else (seed, 1))
        even = rng.uniform(low, high, (draws[0], 3))
        spread = np.exp(rng.uniform(np.log(NEAR_SIGMA[0]), np.log(NEAR_SIGMA[1]), (draws[1], 1)))
        close = scan[rng.integers(len(scan), size=draws[1])] + spread * rng.normal(size=(draws[1], 3))
        for kind, places in enumerate((even, np.clip(close, low, high))):
            if not draws[kind]:
                continue
            rounded = places.astype(np.float32).astype(np.float64)
            row = np.column_stack([rounded, distance(rounded)])
            found[kind].append(row[np.isfinite(row[:, 3])])
            drawn[kind] += draws[kind]
            known = sum(map(len, found[kind]))
            missing = max(wanted[kind] - known, 0)
            draws[kind] = min(int(MORE_DRAWS * missing * drawn[kind] / max(known, 1)), wanted[kind])
        if not any(draws):
            break
    rows = [np.concatenate([*parts, np.empty((0, 4))])[:n] for parts, n in zip(found, wanted, strict=True)]
    table = np.concatenate(rows).astype(np.float32)
    return SpaceSamples(table[:, :3], table[:, 3], len(rows[0]))

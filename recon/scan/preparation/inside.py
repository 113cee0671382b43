"""The inside of a scan: signed distances of points of space to an oriented cloud.

Far from the scan the sign comes from the generalised winding number of the oriented points (Barill et al.
2018, "Fast winding numbers for soups and clouds", doi:10.1145/3197517.3201337, through libigl): a sum over
all points that gaps and noise hardly change. Near it, where a handful of points decide, sign and distance
come from the nearest point's tangent plane.

Across a surface the number falls by 1; its values on both sides depend on the rest of the scan: from 1 to 0
for a closed one, from a half to minus a half for a plane. So the level between inside and outside is the mean
of both sides at the scan itself, as in Poisson reconstruction (Kazhdan, Bolitho, Hoppe 2006,
doi:10.2312/SGP/SGP06/061-070); and a scan whose level is far below a half is open. An open scan that is to
stay open has no inside: there the nearest points vote for a side with their tangent planes, and samples are
drawn in front of them and a short way behind, where the vote is certain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import igl
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.geometry import Float, PointCloud

WINDING_POINTS = 30_000  # enough for the sign of all that is not next to the scan
DISTANCE_POINTS = 1_000_000
AREA_NEIGHBOURS = 8
PLANE_SPACINGS = 1.5  # this near to the nearest point, its tangent plane stands for the surface
SIGN_SPACINGS = 4.0  # this near, the plane gives the sign, too
LEVEL_POINTS = 5_000  # at which the level is measured
LEVEL_SPACINGS = 2.0  # how far from the surface it is measured
MIN_CLOSED_LEVEL = 0.4  # of a closed scan, over the fall across its surface; ideally 0.5
VOTE_NEIGHBOURS = 12
MAX_DEPTH, MAX_DEPTH_SPACINGS = 0.05, 8.0  # behind an open surface, unit and spacings: beyond may be another
MAX_DRAWS = 10
CHUNK_PAIRS = 1 << 27  # of points and queries at a time: half a GB
MIN_DISTANCE = 1e-6  # unit: nearer, a point's own share of the winding number means nothing
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


def uniform_samples(box: Float, count: int, seed: int = 0) -> SpaceSamples:
    """`count` points uniform in `box` ((2, 3), unit), with distances of NaN."""
    low, high = np.asarray(box, np.float64)
    points = np.random.default_rng((seed, 1)).uniform(low, high, (count, 3))
    return SpaceSamples(points.astype(np.float32), np.full(count, np.nan, np.float32), count)


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
        distances, _ = self.tree.query(self.points, AREA_NEIGHBOURS + 1, workers=threads)
        self.spacing = distances[:, 1:5].mean(1)
        area = np.pi * distances[:, -1] ** 2 / AREA_NEIGHBOURS
        chosen = rng.permutation(len(self.points))[:WINDING_POINTS]
        self._dipoles = (
            np.array(self.points[chosen]),
            np.array(self.normals[chosen]),
            area[chosen] * (len(area) / len(chosen)),
        )
        some = rng.permutation(len(self.points))[:LEVEL_POINTS]
        thinned = max(1.0, np.sqrt(len(self.points) / len(chosen)))
        aside = (LEVEL_SPACINGS * thinned * self.spacing[some])[:, None] * self.normals[some]
        outside = self._winding(self.points[some] + aside)
        inside = self._winding(self.points[some] - aside)
        self.level = float(np.median(outside + inside)) / 2
        self.closed = self.level > MIN_CLOSED_LEVEL * float(np.median(inside - outside))
        self.open = not self.closed if open is None else open

    def _winding(self, queries: Float) -> Float:
        if self.device.type != "cpu":
            return winding_number(*self._dipoles, queries, self.device)
        return igl.fast_winding_number(*self._dipoles, np.ascontiguousarray(queries, np.float64))

    def signed_distance(self, queries: Float) -> Float:
        """(n, 3) unit → (n,) approximate signed distances, unit, negative inside."""
        distance, nearest = self.tree.query(queries, workers=self.threads)
        height = ((queries - self.points[nearest]) * self.normals[nearest]).sum(1)
        aside = np.sqrt(np.maximum(distance**2 - height**2, 0.0))
        spacing = self.spacing[nearest]
        flat = aside < PLANE_SPACINGS * spacing
        near = flat & (distance < SIGN_SPACINGS * spacing)
        side, far = np.array(height), np.flatnonzero(~near)
        side[far] = self._votes(queries[far]) if self.open else self.level - self._winding(queries[far])
        sign = np.where(side < 0, -1.0, 1.0)
        return sign * np.where(flat, np.abs(height), distance)

    def _votes(self, queries: Float) -> Float:
        """Positive where most of the nearest points see `queries` on their outer side."""
        near = self.tree.query(queries, min(VOTE_NEIGHBOURS, len(self.points)), workers=self.threads)[1]
        ray = queries[:, None] - self.points[near]
        ray /= np.maximum(np.linalg.norm(ray, axis=2, keepdims=True), np.finfo(float).tiny)
        return (ray * self.normals[near]).sum((1, 2))

    def sample(self, box: Float, count: int, near_share: float, seed: int = 0) -> SpaceSamples:
        """As `draw_samples`; behind an open surface only as far as it is certainly the nearest."""
        return draw_samples(self._certain_distance, self.points, box, count, near_share, seed)

    def _certain_distance(self, queries: Float) -> Float:
        distance = self.signed_distance(queries)
        if not self.open:
            return distance
        behind = max(MAX_DEPTH, MAX_DEPTH_SPACINGS * float(np.median(self.spacing)))
        return np.where(distance < -behind, np.nan, distance)


def winding_number(
    points: Float, normals: Float, areas: Float, queries: Float, device: torch.device
) -> Float:
    """The full sum of the winding number (m,) at `queries` (m, 3) of points (n, 3) with `areas` (n,)."""
    where = partial(torch.tensor, dtype=torch.float32, device=device)
    dipoles = where(normals * areas[:, None] / (4 * np.pi))
    places = where(points)
    offsets = (places * dipoles).sum(1)
    totals = []
    for part in where(queries).split(max(1, CHUNK_PAIRS // len(points))):
        distances = torch.cdist(part, places, compute_mode="donot_use_mm_for_euclid_dist")
        heights = torch.addmm(offsets, part, dipoles.t(), alpha=-1)
        totals.append(heights.div_(distances.clamp_min_(MIN_DISTANCE).pow_(3)).sum(1))
    return torch.cat(totals).double().cpu().numpy()


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
    for attempt in range(MAX_DRAWS):
        rng = np.random.default_rng((seed, 1, attempt) if attempt else (seed, 1))
        even = rng.uniform(low, high, (wanted[0], 3))
        spread = np.exp(rng.uniform(np.log(NEAR_SIGMA[0]), np.log(NEAR_SIGMA[1]), (wanted[1], 1)))
        close = scan[rng.integers(len(scan), size=wanted[1])] + spread * rng.normal(size=(wanted[1], 3))
        for kind, places in enumerate((even, np.clip(close, low, high))):
            if sum(map(len, found[kind])) < wanted[kind]:
                rounded = places.astype(np.float32).astype(np.float64)
                row = np.column_stack([rounded, distance(rounded)])
                found[kind].append(row[np.isfinite(row[:, 3])])
    rows = [np.concatenate([*parts, np.empty((0, 4))])[:n] for parts, n in zip(found, wanted, strict=True)]
    table = np.concatenate(rows).astype(np.float32)
    return SpaceSamples(table[:, :3], table[:, 3], len(rows[0]))

"""Which side of a scan is solid, and how far: signed distances of points of space to an oriented cloud.

Far from the scan the side comes from the generalised winding number of the oriented points (Barill
et al. 2018, "Fast winding numbers for soups and clouds", doi:10.1145/3197517.3201337, through
libigl): a sum over all points that gaps and noise hardly move. Near it, where a handful of points
decide, the side and the distance come from the nearest point's tangent plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.geometry import Float, PointCloud

WINDING_POINTS = 30_000  # enough for the sign of all that is not next to the scan
DISTANCE_POINTS = 1_000_000
NEIGHBOURS = 8
FLAT = 1.5  # in point spacings: within it of the nearest point, the tangent plane stands for the surface
NEAR = 4.0  # in point spacings: within it, the plane gives the sign, too
NEAR_SPREAD = 0.005, 0.1  # standard deviations of the samples near the scan, drawn between these


@dataclass(frozen=True, eq=False)
class SpaceSamples:
    """Points of space and their approximate signed distances to the scan, negative inside.

    points     (n, 3) float32, unit; the first `uniform` of them fill the box, the others lie near the scan
    distances  (n,) float32, unit
    """

    points: NDArray[np.float32]
    distances: NDArray[np.float32]
    uniform: int


def uniform_samples(box: Float, count: int, seed: int = 0) -> SpaceSamples:
    """`count` points uniform in `box` ((2, 3), unit), their distances not worked out (NaN)."""
    low, high = np.asarray(box, np.float64)
    points = np.random.default_rng((seed, 1)).uniform(low, high, (count, 3))
    return SpaceSamples(points.astype(np.float32), np.full(count, np.nan, np.float32), count)


class Surroundings:
    """Signed distance to an oriented cloud in the unit frame, for any points; seeded, so that the
    thinning of clouds larger than it needs is the same every time."""

    def __init__(self, cloud: PointCloud, seed: int = 0, threads: int = 1) -> None:
        rng = np.random.default_rng(seed)
        self.threads = threads
        if len(cloud) > DISTANCE_POINTS:
            cloud = cloud.select(np.sort(rng.choice(len(cloud), DISTANCE_POINTS, replace=False)))
        assert cloud.normals is not None
        self.points, self.normals = cloud.points, cloud.normals
        self.tree = cKDTree(self.points)
        distances, _ = self.tree.query(self.points, NEIGHBOURS + 1, workers=threads)
        self.spacing = distances[:, 1:5].mean(1)
        area = np.pi * distances[:, -1] ** 2 / NEIGHBOURS
        kept = rng.permutation(len(self.points))[:WINDING_POINTS]
        self._dipoles = (
            np.array(self.points[kept]),
            np.array(self.normals[kept]),
            area[kept] * (len(area) / len(kept)),
        )

    def signed_distance(self, queries: Float) -> Float:
        """(n, 3) unit → (n,) approximate signed distances, unit, negative inside."""
        winding = igl.fast_winding_number(*self._dipoles, np.ascontiguousarray(queries, np.float64))
        distance, nearest = self.tree.query(queries, workers=self.threads)
        height = ((queries - self.points[nearest]) * self.normals[nearest]).sum(1)
        aside = np.sqrt(np.maximum(distance**2 - height**2, 0.0))
        spacing = self.spacing[nearest]
        flat = aside < FLAT * spacing
        near = flat & (distance < NEAR * spacing)
        sign = np.where(near, np.sign(height), np.where(winding > 0.5, -1.0, 1.0))
        return sign * np.where(flat, np.abs(height), distance)

    def sample(self, box: Float, count: int, near_share: float, seed: int = 0) -> SpaceSamples:
        """`count` points: a share near the scan at distances from half a hundredth to a tenth, the
        others uniform in `box` ((2, 3), unit)."""
        rng = np.random.default_rng((seed, 1))
        near = int(count * near_share)
        low, high = np.asarray(box, np.float64)
        uniform = rng.uniform(low, high, (count - near, 3))
        spread = np.exp(rng.uniform(np.log(NEAR_SPREAD[0]), np.log(NEAR_SPREAD[1]), (near, 1)))
        close = self.points[rng.integers(len(self.points), size=near)] + spread * rng.normal(size=(near, 3))
        points = np.concatenate([uniform, np.clip(close, low, high)]).astype(np.float32)
        distances = self.signed_distance(points.astype(np.float64))
        return SpaceSamples(points, distances.astype(np.float32), count - near)

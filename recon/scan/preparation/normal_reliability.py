"""Checks the normals of a scan: do they fit the points, and do they agree on a side?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float, PointCloud
from recon.scan.preparation.orientation import consistent_signs

SAMPLE_POINTS = 20_000
NEIGHBOURS, FEW_NEIGHBOURS = 20, 8  # the few are on one side of a wall about as thick as their spacing
MAX_CLOSED_AREA = 0.1  # length of the sum of the area vectors of a closed surface, over its area
MAX_FLIPPED_SHARE = 0.04  # of normals: thin parts and noise alone rarely reach it
MAX_REACH = 3.0  # over the median: points with more distant neighbours do not count
MIN_AGREEMENT = 0.7  # mean |cosine|: noise alone rarely falls below it; 0.6 is chance


@dataclass(frozen=True)
class NormalCheck:
    """The reliability of a cloud's normals, by a sample of its points.

    Attributes:
        agreement: mean |cosine| to the direction of least variance among the neighbours, many or few of them;
            1 on a smooth surface.
        turned: share of normals opposite to most of their part of the surface.
        outward: whether most point out of the solid, by the sign of the volume that the points enclose; None
            if that is uncertain: an open scan, a room seen from inside.
    """

    agreement: float
    turned: float
    outward: bool | None

    @property
    def unfit(self) -> bool:
        """They do not fit the points, whatever their signs."""
        return self.agreement < MIN_AGREEMENT

    @property
    def mixed(self) -> bool:
        """Some are flipped, others not, as far as the sample tells."""
        return self.turned > MAX_FLIPPED_SHARE


def check_normals(cloud: PointCloud, threads: int = 1) -> NormalCheck:
    """The reliability of the unit normals of `cloud`; known scanners decide which side is outward."""
    assert cloud.normals is not None
    some = np.unique(np.linspace(0, len(cloud) - 1, min(len(cloud), SAMPLE_POINTS)).astype(np.int64))
    centre = cloud.points.mean(0)
    points, normals = cloud.points[some] - centre, cloud.normals[some]
    distance, near = cKDTree(points).query(points, min(NEIGHBOURS + 1, len(points)), workers=threads)
    signs, part = consistent_signs(points, normals, near[:, 1:])
    with_part = np.bincount(part, signs > 0)
    turned = np.minimum(with_part, np.bincount(part) - with_part).sum() / len(part)
    # Each point stands for the disc of its neighbours; the turned ones are turned back first.
    majority = np.where(2 * with_part >= np.bincount(part), 1.0, -1.0)
    oriented = normals * (signs * majority[part])[:, None]
    agreement = _agreement(cloud.points - centre, cloud.normals, some[:: max(1, len(some) // 5000)], threads)
    outward = _outward(points, oriented, distance[:, -1], cloud.sensors, some, centre)
    return NormalCheck(agreement, float(turned), outward)


def _agreement(points: Float, normals: Float, chosen: np.ndarray, threads: int) -> float:
    _, near = cKDTree(points).query(points[chosen], min(NEIGHBOURS + 1, len(points)), workers=threads)
    cosines = []
    for count in (near.shape[1], min(FEW_NEIGHBOURS + 1, near.shape[1])):
        patch = points[near[:, :count]] - points[near[:, :count]].mean(1, keepdims=True)
        patch /= np.maximum(np.abs(patch).max((1, 2), keepdims=True), np.finfo(float).tiny)
        flat = np.linalg.eigh(patch.transpose(0, 2, 1) @ patch)[1][:, :, 0]
        cosines.append(np.abs((normals[chosen] * flat).sum(1)))
    return float(np.maximum(*cosines).mean())


def _outward(
    points: Float, normals: Float, reach: Float, sensors: Float | None, some: np.ndarray, centre: Float
) -> bool | None:
    if sensors is not None:
        towards = ((sensors[some] - centre - points) * normals).sum(1)
        decided = float(np.sign(towards).mean())
        return bool(decided > 0) if abs(decided) > MAX_CLOSED_AREA else None
    reach = reach / max(float(np.median(reach)), np.finfo(float).tiny)
    reach = np.minimum(reach, MAX_REACH)  # a stray point does not stand for all that is around it
    area = reach[:, None] ** 2 * normals
    if np.linalg.norm(area.sum(0)) >= MAX_CLOSED_AREA * (reach**2).sum():
        return None
    return bool((area * points).sum() > 0)

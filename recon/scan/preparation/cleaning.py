"""Removes from a cloud what no surface can be fitted to, and counts it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recon.errors import ScanError
from recon.geometry import Float, PointCloud

MIN_POINTS = 200
MAX_COORDINATE, MIN_EXTENT = 1e141, 1e-141  # their squares are numbers
MAX_ROUNDING = 1e-3  # of coordinates, and of the longest extent
# A point is far if it is that many times as far from the middle as half of all points, and few others are.
FAR_DISTANCES, MAX_FAR_SHARE = 1e6, 0.01
MIN_SOUND_SHARE = 0.01  # of the normals: with fewer, all are dropped
MIN_WIDTH = 1e-9  # of the longest extent: a narrower cloud is a line


@dataclass(frozen=True)
class CleanReport:
    """How many points were removed, and why.

    Attributes:
        points: in the original cloud.
        not_finite: points with a coordinate that is not finite.
        duplicates: points at the place of an earlier one.
        at_origin: points at the origin, if there are several, as a depth image has where it sees nothing.
        far: points so far from all others that these would be one place.
        bad_normals: normals that are zero or not finite.
        normals_dropped: all normals were dropped, because hardly any was sound.
    """

    points: int
    not_finite: int = 0
    duplicates: int = 0
    at_origin: int = 0
    far: int = 0
    bad_normals: int = 0
    normals_dropped: bool = False

    def lines(self) -> list[str]:
        """One sentence for each kind of removal; none for a clean cloud."""
        out = []
        if self.not_finite:
            out.append(f"{self.not_finite:,} of {self.points:,} points are not finite: dropped")
        if self.at_origin:
            out.append(f"{self.at_origin:,} points are at the origin, as pixels without a depth: dropped")
        if self.duplicates:
            out.append(f"{self.duplicates:,} points are duplicates: dropped")
        if self.far:
            out.append(f"{self.far:,} points are {FAR_DISTANCES:g} times as far away as most: dropped")
        if self.normals_dropped:
            out.append(f"{self.bad_normals:,} normals, nearly all, are zero or not finite: all dropped")
        elif self.bad_normals:
            out.append(f"{self.bad_normals:,} normals are zero or not finite: estimated from the points")
        return out


def clean(cloud: PointCloud) -> tuple[PointCloud, CleanReport]:
    """Returns `cloud` with finite, distinct points and unit normals, and a report of what was removed.

    A normal that is zero or not finite becomes zero: it is missing.

    Raises:
        ScanError: fewer than `MIN_POINTS` points are left, they are collinear, or coordinates are too large.
    """
    report = CleanReport(len(cloud))
    finite = np.isfinite(cloud.points).all(1)
    if not finite.all():
        report = replace(report, not_finite=int((~finite).sum()))
        cloud = cloud.select(finite)
    origin = ~cloud.points.any(1)
    if 1 < origin.sum() < len(cloud):
        report = replace(report, at_origin=int(origin.sum()))
        cloud = cloud.select(~origin)
    cloud, report = _sound_normals(cloud, report)
    unique = first_of_each(cloud.points)
    if not unique.all():
        report = replace(report, duplicates=int((~unique).sum()))
        cloud = cloud.select(unique)
    far = _far(cloud.points)
    if far.any():
        report = replace(report, far=int(far.sum()))
        cloud = cloud.select(~far)
    _check(cloud, report)
    return cloud, report


def first_of_each(points: Float) -> NDArray[np.bool_]:
    """(n,) whether no earlier point of `points` (n, 3), finite, is at the same place."""
    order = np.lexsort(points.T)  # stable: the first one of a place comes first
    ranked = points[order]
    first = np.ones(len(points), bool)
    first[order[1:]] = (ranked[1:] != ranked[:-1]).any(1)
    return first


def _far(points: Float) -> NDArray[np.bool_]:
    """(n,) which few of `points` (n, 3), finite, are beyond all others."""
    if len(points) < MIN_POINTS or np.abs(points).max() > MAX_COORDINATE:
        return np.zeros(len(points), bool)
    distance = np.abs(points - np.median(points, axis=0)).max(1)
    far = distance > FAR_DISTANCES * np.median(distance)
    return far if far.sum() <= MAX_FAR_SHARE * len(points) else np.zeros(len(points), bool)


def _sound_normals(cloud: PointCloud, report: CleanReport) -> tuple[PointCloud, CleanReport]:
    if cloud.normals is None or not len(cloud):
        return cloud, report
    size = np.abs(cloud.normals).max(1)
    sound = np.isfinite(size) & (size > 0)
    bad = int((~sound).sum())
    dropped = len(cloud) - bad < MIN_SOUND_SHARE * len(cloud)
    report = replace(report, bad_normals=bad, normals_dropped=dropped)
    if dropped:
        return replace(cloud, normals=None), report
    normals = np.zeros_like(cloud.normals)
    scaled = cloud.normals[sound] / size[sound, None]  # first: the squares of tiny normals vanish
    normals[sound] = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return replace(cloud, normals=normals), report


def _check(cloud: PointCloud, report: CleanReport) -> None:
    if len(cloud) < MIN_POINTS:
        removed = f" ({'; '.join(report.lines())})" if report.lines() else ""
        count = f"{len(cloud):,} usable points{removed}"
        raise ScanError(f"{cloud.source} holds {count}: a surface needs at least {MIN_POINTS}")
    largest = float(np.abs(cloud.points).max())
    if largest > MAX_COORDINATE:
        raise ScanError(f"{cloud.source} has coordinates of {largest:.3g}, expected below {MAX_COORDINATE:g}")
    centred = cloud.points - cloud.points.mean(0)
    extent = float(np.abs(centred).max())
    if extent < MIN_EXTENT:
        raise ScanError(f"{cloud.source} is {extent:.3g} large, expected at least {MIN_EXTENT:g}")
    spread = np.linalg.svd(np.linalg.qr(centred / extent, mode="r"), compute_uv=False) / np.sqrt(len(centred))
    rounding = 8 * np.finfo(np.float64).eps * largest / extent
    if spread[1] < max(MIN_WIDTH, rounding):
        if rounding > MAX_ROUNDING:
            raise ScanError(
                f"{cloud.source} is {largest:.3g} from the origin: its points, {extent:.3g} apart, have lost "
                "their places in rounding; subtract an offset before they are saved"
            )
        raise ScanError(f"all points of {cloud.source} lie on a line: there is no surface to fit")

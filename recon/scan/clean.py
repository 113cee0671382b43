"""What no surface can be fitted to, taken out of a cloud: with a count, never in silence."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recon.errors import ScanError
from recon.geometry import PointCloud

MIN_POINTS = 200
LARGEST = 1e150  # squares of coordinates stay finite
THIN = 1e-9  # of the longest extent: below it a cloud is a line


@dataclass(frozen=True)
class CleanReport:
    """How many points came, and how many went for which reason.

    bad_normals      points dropped for a normal that is zero or not finite
    normals_dropped  whether all normals were dropped because most of them were bad
    """

    points: int
    not_finite: int = 0
    duplicates: int = 0
    bad_normals: int = 0
    normals_dropped: bool = False

    def lines(self) -> list[str]:
        """One sentence for each thing that was done; none for a clean cloud."""
        out = []
        if self.not_finite:
            out.append(f"{self.not_finite:,} of {self.points:,} points have no finite coordinates: left out")
        if self.duplicates:
            out.append(f"{self.duplicates:,} points repeat another one: left out")
        if self.normals_dropped:
            out.append(f"{self.bad_normals:,} normals, most of them, are zero or not finite: all left out")
        elif self.bad_normals:
            out.append(f"{self.bad_normals:,} points have a zero or non-finite normal: left out")
        return out


def clean(cloud: PointCloud) -> tuple[PointCloud, CleanReport]:
    """`cloud` with finite, distinct points and unit normals, and what had to go.

    Raises ScanError where fewer than `MIN_POINTS` points are left, where they lie on a line or in
    one point, or where coordinates are too large to compute with.
    """
    report = CleanReport(len(cloud))
    finite = np.isfinite(cloud.points).all(1)
    if not finite.all():
        report = replace(report, not_finite=int((~finite).sum()))
        cloud = cloud.select(finite)
    cloud, report = _sound_normals(cloud, report)
    if len(cloud):
        _, first = np.unique(cloud.points, axis=0, return_index=True)
        if len(first) < len(cloud):
            report = replace(report, duplicates=len(cloud) - len(first))
            cloud = cloud.select(np.sort(first))
    _check(cloud, report)
    return cloud, report


def _sound_normals(cloud: PointCloud, report: CleanReport) -> tuple[PointCloud, CleanReport]:
    if cloud.normals is None or not len(cloud):
        return cloud, report
    size = np.abs(cloud.normals).max(1)
    sound = np.isfinite(size) & (size > 0)
    bad = int((~sound).sum())
    report = replace(report, bad_normals=bad, normals_dropped=2 * bad > len(cloud))
    if report.normals_dropped:
        return replace(cloud, normals=None), report
    if bad:
        cloud, size = cloud.select(sound), size[sound]
    scaled = cloud.normals / size[:, None]  # first: the squares of tiny normals vanish
    return replace(cloud, normals=scaled / np.linalg.norm(scaled, axis=1, keepdims=True)), report


def _check(cloud: PointCloud, report: CleanReport) -> None:
    if len(cloud) < MIN_POINTS:
        gone = f" ({'; '.join(report.lines())})" if report.lines() else ""
        raise ScanError(
            f"{cloud.source} holds {len(cloud):,} usable points{gone}: a surface needs at least {MIN_POINTS}"
        )
    largest = float(np.abs(cloud.points).max())
    if largest > LARGEST:
        raise ScanError(f"{cloud.source} has coordinates of {largest:.3g}, wanted below {LARGEST:g}")
    centred = cloud.points - cloud.points.mean(0)
    centred /= np.abs(centred).max() or 1.0
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(centred.T @ centred / len(centred)), 0.0))
    if spread[1] < THIN:
        what = "coincide" if spread[2] < THIN else "lie on a line"
        raise ScanError(f"all points of {cloud.source} {what}: there is no surface to fit")

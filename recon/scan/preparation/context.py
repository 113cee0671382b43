"""What is known of a whole scene where a part of it is prepared: a part cannot tell its outside by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from recon.base.progress import ProgressCallback, no_progress
from recon.geometry import Frame, PointCloud
from recon.scan.preparation.normals import completed, estimate_lines, outward

AS_GIVEN, TURNED, MIXED, ESTIMATED = "as given", "turned", "turned in part", "estimated"


@dataclass(frozen=True, eq=False)
class Context:
    """A scene as a few of its points show it.

    Attributes:
        points: some of the scene's points, evenly spread, with outward normals; world.
        normals: where those of a part's points come from: AS_GIVEN, TURNED (as given, but they point inward),
            or MIXED (as given) and ESTIMATED, on the side of the scene's.
        open: whether the scene is an open surface.
        spacing: of all its points, in the unit frame of the whole.
        depth_image: whether the points are one, taken from the origin.
    """

    points: PointCloud
    normals: str
    open: bool
    spacing: float
    depth_image: bool = False

    def oriented(
        self, part: PointCloud, threads: int = 1, progress: ProgressCallback = no_progress
    ) -> PointCloud:
        """`part` of the scene, world, with outward normals."""
        if self.normals in (ESTIMATED, MIXED) or part.normals is None:
            assert self.points.normals is not None
            if self.normals == ESTIMATED or part.normals is None:
                lines = estimate_lines(part.points, threads, progress)
            else:
                lines = np.array(completed(part, threads).normals)
            nearest = cKDTree(self.points.points).query(part.points, workers=threads)[1]
            near = self.points.normals[nearest]
            lines *= np.where((lines * near).sum(1) < 0, -1.0, 1.0)[:, None]
            return replace(part, normals=outward(replace(part, normals=near), lines, threads))
        if self.normals == TURNED:
            part = replace(part, normals=-part.normals)
        return completed(part, threads)

    def beyond(self, part: PointCloud, frame: Frame) -> PointCloud:
        """The points of the scene outside the box of `part` (world), in the unit frame of `frame`."""
        low, high = part.points.min(0), part.points.max(0)
        away = ((self.points.points < low) | (self.points.points > high)).any(1)
        some = self.points.select(away)
        return PointCloud(frame.to_unit(some.points), some.normals)

"""How far a scan's points are off the surface they sample."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import PointCloud

SAMPLE = 10_000
NEIGHBOURS = 8
NORMAL_QUARTILE = 0.6745  # of |x|, x normally distributed: the median in standard deviations


def point_noise(cloud: PointCloud, threads: int = 1) -> float:
    """The standard deviation of the points of an oriented `cloud` along their normals, in its unit.

    On a sphere, and to second order on any smooth surface, the chord between two points is at right angles
    to the sum of their normals. What it is not, between neighbours, is noise: of both points, so √2 times
    that of one. A median, so that sharp edges do not count.
    """
    assert cloud.normals is not None
    chosen = np.arange(0, len(cloud), max(1, len(cloud) // SAMPLE))
    _, around = cKDTree(cloud.points).query(cloud.points[chosen], NEIGHBOURS + 1, workers=threads)
    chords = cloud.points[around[:, 1:]] - cloud.points[chosen, None]
    normals = (cloud.normals[around[:, 1:]] + cloud.normals[chosen, None]) / 2
    height = np.abs((chords * normals).sum(2))
    return float(np.median(height)) / (NORMAL_QUARTILE * math.sqrt(2))

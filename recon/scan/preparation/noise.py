"""The noise of a scan: how far its points are from the surface they sample."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Int, PointCloud

SAMPLE_POINTS = 10_000
SPACE_NEIGHBOURS, SURFACE_NEIGHBOURS = 64, 8  # the nearest in space; of these the nearest along the surface
MIN_SHEET_COSINE = 0.5  # of the normals of two points of one sheet
GAUSSIAN_MEDIAN = 0.6745  # of |x|, in standard deviations
RAYLEIGH_MEDIAN = math.sqrt(2 * math.log(2))  # of the length of two components, in standard deviations of one


def point_noise(cloud: PointCloud, threads: int = 1) -> float:
    """The standard deviation of the points of an oriented `cloud` along their normals, in its unit.

    On a sphere, and to second order on any smooth surface, the chord between two points is perpendicular to
    the sum of their normals. Between neighbours, the deviation is the noise of both points, √2 times that of
    one. The median ignores sharp edges. Neighbours are the nearest along the surface: the nearest in space
    have the same error.
    """
    assert cloud.normals is not None
    chosen, near = _neighbours(cloud, SPACE_NEIGHBOURS, threads)
    chords = cloud.points[near] - cloud.points[chosen, None]
    normal, other = cloud.normals[chosen, None], cloud.normals[near]
    aside = (chords**2).sum(2) - (chords * normal).sum(2) ** 2
    aside[(normal * other).sum(2) < MIN_SHEET_COSINE] = np.inf
    nearest = np.argsort(aside, axis=1)[:, :SURFACE_NEIGHBOURS]
    height = np.abs((chords * (normal + other) / 2).sum(2))
    rows = np.arange(len(chosen))[:, None]
    counted = height[rows, nearest][np.isfinite(aside[rows, nearest])]
    return float(np.median(counted)) / (GAUSSIAN_MEDIAN * math.sqrt(2)) if len(counted) else 0.0


def normal_noise(cloud: PointCloud, threads: int = 1) -> float:
    """The standard deviation, in radians, of a component of a normal of an oriented `cloud` across it.

    From the angles between the normals of neighbours: on a smooth surface it holds how much they turn from
    one point to the next, too, on sharp edges the median ignores them. The angle between two normals, each
    with two components that deviate, has a Rayleigh distribution.
    """
    assert cloud.normals is not None
    chosen, near = _neighbours(cloud, SURFACE_NEIGHBOURS, threads)
    cosine = (cloud.normals[chosen, None] * cloud.normals[near]).sum(2)
    return float(np.median(np.arccos(cosine.clip(-1, 1)))) / (RAYLEIGH_MEDIAN * math.sqrt(2))


def _neighbours(cloud: PointCloud, count: int, threads: int) -> tuple[Int, Int]:
    """Some points of `cloud` (n,) and the nearest `count` of each, but for itself (n, count)."""
    chosen = np.arange(0, len(cloud), max(1, len(cloud) // SAMPLE_POINTS))
    around = min(count, len(cloud) - 1)
    _, near = cKDTree(cloud.points).query(cloud.points[chosen], around + 1, workers=threads)
    return chosen, near[:, 1:]

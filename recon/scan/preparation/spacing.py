"""How densely a surface is sampled."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float

SAMPLE_POINTS = 10_000
NEIGHBOURS = 8
SMOOTHED = 16  # points of the sample whose median is taken


def point_spacing(points: Float, threads: int = 1) -> float:
    """The side of the square that each of `points` (n, 3) occupies, the median of a sample, in their unit."""
    return float(np.median(_sampled(points, threads)[1]))


def local_spacings(points: Float, threads: int = 1) -> Float:
    """The same (n,) around each of `points` (n, 3), the median of some of a sample."""
    sample, spacings = _sampled(points, threads)
    tree = cKDTree(sample)
    _, near = tree.query(sample, min(SMOOTHED, len(sample)), workers=threads)
    smoothed = np.median(spacings[near].reshape(len(sample), -1), axis=1)
    return np.asarray(smoothed[tree.query(points, workers=threads)[1]])


def _sampled(points: Float, threads: int) -> tuple[Float, Float]:
    """Some of `points` (m, 3), and the side (m,) of the square that each occupies."""
    sample = points[:: max(1, len(points) // SAMPLE_POINTS)]
    distance, _ = cKDTree(points).query(sample, NEIGHBOURS + 1, workers=threads)
    return sample, distance[:, -1] * math.sqrt(math.pi / NEIGHBOURS)

"""How densely a surface is sampled."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float

SAMPLE_POINTS = 10_000
NEIGHBOURS = 8


def point_spacing(points: Float, threads: int = 1) -> float:
    """The side of the square that each of `points` (n, 3) occupies, the median of a sample, in their unit."""
    sample = points[:: max(1, len(points) // SAMPLE_POINTS)]
    distance, _ = cKDTree(points).query(sample, NEIGHBOURS + 1, workers=threads)
    return float(np.median(distance[:, -1])) * math.sqrt(math.pi / NEIGHBOURS)

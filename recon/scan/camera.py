"""Depth images: points that a camera at the origin saw, one a pixel."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float

SAMPLE = 20_000  # points whose neighbours in the picture are looked at
CONE = 75.0  # degrees off the middle of the picture
EVEN, PIXELS = 0.3, 0.9  # how far from the median distance, as a share; how many points are within it
SAME = 1e-3  # of it: no difference
BESIDE = 4  # levels to each side that tell the step: where nothing is seen between two things, it is wider
ROUNDED = 20  # points to a depth, on average, from which depths are rounded


def seen_from_origin(points: Float) -> bool:
    """Whether `points` (n, 3) are the pixels of a camera at the origin: all within a cone, and at even
    distances from each other in its picture, more so than in a plan: a grid of heights is even there."""
    length = np.linalg.norm(points, axis=1, keepdims=True)
    if not (length > 0).all():
        return False
    rays = points / length
    axis = rays.mean(0)
    axis /= max(float(np.linalg.norm(axis)), np.finfo(float).tiny)
    along = rays @ axis
    if along.min() < np.cos(np.radians(CONE)):
        return False
    across = np.linalg.svd(axis[None])[2][1:].T
    uneven = _unevenness((rays / along[:, None]) @ across)
    if (uneven < EVEN).mean() <= PIXELS:
        return False
    return bool(np.median(uneven) <= np.median(_unevenness(points @ across)) + SAME)


def _unevenness(places: Float) -> Float:
    """How far the distances of some of `places` (n, 2) to the nearest other are off their median, as a
    share."""
    step = cKDTree(places).query(places[:: max(1, len(places) // SAMPLE)], 2)[0][:, 1]
    return np.abs(step / max(float(np.median(step)), np.finfo(float).tiny) - 1)


def unrounded(points: Float) -> Float | None:
    """`points` (n, 3) of a depth image with their depths drawn anew between the steps that the camera rounded
    them to, each along its ray; None where depths are not rounded. Steps look like surface, terraces
    that face the camera; scattered evenly over their width they look like what they are, noise."""
    axis = int(np.abs(points.mean(0)).argmax())  # it looks along; beside it, pixels are in line, too
    levels, number = np.unique(points[:, axis], return_inverse=True)
    if not 3 <= len(levels) < len(points) / ROUNDED:
        return None
    apart = np.pad(np.diff(levels), BESIDE, constant_values=np.inf)
    half = np.lib.stride_tricks.sliding_window_view(apart, 2 * BESIDE).min(1)[number] / 2
    depth = points[:, axis] + np.random.default_rng(0).uniform(-half, half)
    return points * (depth / points[:, axis])[:, None]

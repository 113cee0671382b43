"""Depth images: the points that a camera at the origin saw, one per pixel."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float

SAMPLE_POINTS = 20_000
MAX_RAY_ANGLE = 75.0  # degrees off the middle of the picture
MAX_UNEVENNESS, MIN_EVEN_SHARE = 0.3, 0.9  # deviation from the median distance; of the points within it
UNEVENNESS_TOLERANCE = 1e-3
STEP_LEVELS = 4  # levels to each side that tell the step: across a gap between two things it is wider
PLANE_PIXELS, MAX_PLANE_STEPS = 150, 1.6  # that a plane is fitted to; how many steps off its middle
TILT_RIDGE = 1e-3  # in pixels: weight of no tilt
CHUNK_POINTS = 1 << 14
MIN_POINTS_PER_DEPTH = 20  # on average: from it on, depths count as rounded


def seen_from_origin(points: Float) -> bool:
    """Whether `points` (n, 3) lie in a cone, more evenly seen from the origin than in a plan view."""
    length = np.linalg.norm(points, axis=1, keepdims=True)
    if not (length > 0).all():
        return False
    rays = points / length
    axis = rays.mean(0)
    axis /= max(float(np.linalg.norm(axis)), np.finfo(float).tiny)
    along = rays @ axis
    if along.min() < np.cos(np.radians(MAX_RAY_ANGLE)):
        return False
    across = np.linalg.svd(axis[None])[2][1:].T
    uneven = _unevenness((rays / along[:, None]) @ across)
    if (uneven < MAX_UNEVENNESS).mean() <= MIN_EVEN_SHARE:
        return False
    return bool(np.median(uneven) <= np.median(_unevenness(points @ across)) + UNEVENNESS_TOLERANCE)


def _unevenness(places: Float) -> Float:
    """Relative deviation from the median of the distances of some `places` (n, 2) to their neighbours."""
    step = cKDTree(places).query(places[:: max(1, len(places) // SAMPLE_POINTS)], 2)[0][:, 1]
    return np.abs(step / max(float(np.median(step)), np.finfo(float).tiny) - 1)


def unrounded(points: Float, threads: int = 1) -> Float | None:
    """Undoes the rounding of depths in a depth image (n, 3); None if they are not rounded.

    Otherwise the steps would look like terraces facing the camera. Each point moves by at most half a step to
    the plane through the surrounding pixels, which is linear in the picture in one over depth.
    """
    axis = int(np.abs(points.mean(0)).argmax())  # it looks along; beside it, pixels are in line, too
    levels, number = np.unique(points[:, axis], return_inverse=True)
    if not 3 <= len(levels) < len(points) / MIN_POINTS_PER_DEPTH:
        return None
    apart = np.pad(np.diff(levels), STEP_LEVELS, constant_values=np.inf)
    step = np.lib.stride_tricks.sliding_window_view(apart, 2 * STEP_LEVELS).min(1)[number]
    depth = points[:, axis]
    picture = np.delete(points, axis, axis=1) / depth[:, None]
    tree, found = cKDTree(picture), np.empty(len(points))
    for start in range(0, len(points), CHUNK_POINTS):
        part = slice(start, start + CHUNK_POINTS)
        distance, near = tree.query(picture[part], min(PLANE_PIXELS, len(points)), workers=threads)
        aside = (picture[near] - picture[part, None]) / distance[:, -1, None, None]
        same = np.abs(depth[near] - depth[part, None]) < MAX_PLANE_STEPS * step[part, None]
        basis = np.concatenate([np.ones_like(aside[..., :1]), aside], axis=2) * same[..., None]
        normal = basis.transpose(0, 2, 1) @ basis + TILT_RIDGE * np.eye(3) * [0, 1, 1]
        plane = np.linalg.solve(normal, basis.transpose(0, 2, 1) @ (1 / depth[near])[..., None])
        found[part] = 1 / plane[:, 0, 0]
    moved = np.clip(np.nan_to_num(found, nan=0.0) - depth, -step / 2, step / 2)
    return points * ((depth + moved) / depth)[:, None]

"""A field on planes through the middle of its scan."""

from __future__ import annotations

import numpy as np

from recon.plots import Slice
from recon.reconstruction import Reconstruction

SIDE = 192  # samples along the longest side


def axis_slices(result: Reconstruction, side: int = SIDE) -> list[Slice]:
    """Φ and ‖∇Φ‖ on the three planes through the middle of the scan's box, as far as the field was trained;
    `side` samples along the box's longest side."""
    low, high = result.frame.to_world(result.box)
    middle, step = (low + high) / 2, float((high - low).max()) / (side - 1)
    return [_slice(result, axis, low, high, middle, step) for axis in range(3)]


def _slice(
    result: Reconstruction, axis: int, low: np.ndarray, high: np.ndarray, middle: np.ndarray, step: float
) -> Slice:
    across, up = (other for other in range(3) if other != axis)
    columns, rows = (
        np.linspace(low[a], high[a], max(2, 1 + round((high[a] - low[a]) / step))) for a in (across, up)
    )
    points = np.tile(middle, (len(rows), len(columns), 1))
    points[..., across], points[..., up] = columns, rows[:, None]
    distance, gradient = result.distance_and_gradient(points.reshape(-1, 3))
    return Slice(
        axis,
        float(middle[axis]),
        (float(columns[0]), float(columns[-1]), float(rows[0]), float(rows[-1])),
        distance.reshape(points.shape[:2]),
        np.linalg.norm(gradient, axis=1).reshape(points.shape[:2]),
    )

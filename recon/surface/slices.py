"""A field on planes through the middle of its scan."""

import numpy as np

from recon.render.plots import Slice
from recon.surface.queries import Queries

SLICE_RESOLUTION = 192  # samples along the longest side


def axis_slices(result: Queries, side: int = SLICE_RESOLUTION) -> list[Slice]:
    """Φ and ‖∇Φ‖ on the three planes through the middle of the scan's box."""
    middle = result.frame.to_world(result.box.mean(0))
    return [slice_at(result, axis, float(middle[axis]), side) for axis in range(3)]


def slice_at(result: Queries, axis: int, place: float, side: int = SLICE_RESOLUTION) -> Slice:
    """Φ and ‖∇Φ‖ on the plane at `place` (world) of `axis` 0, 1 or 2, as far as the field was trained.

    `side` is the number of samples along the box's longest side.
    """
    low, high = result.frame.to_world(result.box)
    step = float((high - low).max()) / (side - 1)
    across, up = (other for other in range(3) if other != axis)
    columns, rows = (
        np.linspace(low[a], high[a], max(2, 1 + round((high[a] - low[a]) / step))) for a in (across, up)
    )
    points = np.full((len(rows), len(columns), 3), place)
    points[..., across], points[..., up] = columns, rows[:, None]
    distance, gradient = result.distance_and_gradient(points.reshape(-1, 3))
    return Slice(
        axis,
        place,
        (float(columns[0]), float(columns[-1]), float(rows[0]), float(rows[-1])),
        distance.reshape(points.shape[:2]),
        np.linalg.norm(gradient, axis=1).reshape(points.shape[:2]),
    )

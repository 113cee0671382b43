"""Planes through a field: the right values at the right places."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from recon.geometry import Float, Frame
from recon.surface.slices import axis_slices

CENTRE, SCALE = np.array([5.0e5, 5.4e6, 100.0]), 20.0
NORMAL = np.array([1.0, 2.0, -2.0]) / 3


def plane() -> Any:
    """What of a reconstruction is asked here, its field the distance to a plane, twice."""

    def field(points: Float) -> tuple[Float, Float]:
        return 2 * (points - CENTRE) @ NORMAL, np.broadcast_to(2 * NORMAL, points.shape)

    box = np.array([[-1.0, -0.5, -0.25], [1.0, 0.5, 0.25]])
    return SimpleNamespace(frame=Frame(CENTRE, SCALE), box=box, distance_and_gradient=field)


def test_slices_hold_the_field_at_their_places() -> None:
    slices = axis_slices(plane(), 65)
    assert [part.axis for part in slices] == [0, 1, 2]
    assert [part.distance.shape for part in slices] == [(17, 33), (17, 65), (33, 65)]
    for part in slices:
        assert part.place == CENTRE[part.axis]
        across, up = (axis for axis in range(3) if axis != part.axis)
        left, right, low, high = part.extent
        rows, columns = part.distance.shape
        for row, column in ((0, 0), (rows - 1, 3), (5, columns - 1)):
            point = CENTRE.copy()
            point[across] = left + (right - left) * column / (columns - 1)
            point[up] = low + (high - low) * row / (rows - 1)
            assert np.isclose(part.distance[row, column], 2 * (point - CENTRE) @ NORMAL, atol=1e-6)
        assert np.allclose(part.norm, 2)

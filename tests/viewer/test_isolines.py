"""Slices of the distance as planes and lines: places and levels in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from recon.render.plots import Slice
from recon.viewer.isolines import cut_of, round_step


def ball_slice(axis: int, place: float) -> Slice:
    """The distance to a sphere of radius 1 on a plane across `axis`,
    around its centre (3.5, 0, -2)"""
    centre = np.array([3.5, 0.0, -2.0])
    reach = np.array([1.5, 1.4, 1.3])
    low, high = centre - reach, centre + reach
    across, up = (other for other in range(3) if other != axis)
    columns, rows = np.linspace(low[across], high[across], 61), np.linspace(low[up], high[up], 81)
    places = np.full((81, 61, 3), place)
    places[..., across], places[..., up] = columns, rows[:, None]
    distance = np.linalg.norm(places - centre, axis=2) - 1
    return Slice(axis, place, (columns[0], columns[-1], rows[0], rows[-1]), distance, np.ones_like(distance))


@pytest.mark.parametrize(("axis", "place"), [(0, 3.2), (1, 0.4), (2, -2.1)])
def test_lines_lie_where_their_distance_is(axis: int, place: float) -> None:
    cut = cut_of(ball_slice(axis, place), "metre")
    centre = np.array([3.5, 0.0, -2.0])
    off = np.linalg.norm(cut.zero.reshape(-1, 3) - centre, axis=1) - 1
    assert len(cut.zero) > 50
    assert np.abs(off).max() < 1e-3
    levels = (np.linalg.norm(cut.lines.reshape(-1, 3) - centre, axis=1) - 1) / cut.step
    assert np.abs(levels - np.rint(levels)).max() < 0.03
    assert not (np.rint(levels) == 0).any()
    for places in (cut.plane.vertices, cut.lines.reshape(-1, 3), cut.zero.reshape(-1, 3)):
        assert np.allclose(places[:, axis], place)


def test_inside_is_blue_and_outside_red() -> None:
    found = ball_slice(2, -2.0)
    cut = cut_of(found, None)
    assert cut.plane.colors is not None
    red, blue = cut.plane.colors[:, 0].astype(int), cut.plane.colors[:, 2].astype(int)
    inside = found.distance.ravel() < -0.3
    outside = found.distance.ravel() > 0.3
    assert (blue[inside] > red[inside]).all()
    assert (red[outside] > blue[outside]).all()
    assert cut.legend.unit == f"scan unit, a line every {cut.step:g}"
    assert -cut.legend.low == cut.legend.high == np.abs(found.distance).max()


@pytest.mark.parametrize(("least", "step"), [(0.3, 0.5), (0.5, 0.5), (1.01, 2), (7e-9, 1e-8), (2.1e6, 5e6)])
def test_steps_are_round(least: float, step: float) -> None:
    assert round_step(least) == pytest.approx(step)


def test_a_slice_without_the_surface_has_no_line_of_zero() -> None:
    assert len(cut_of(ball_slice(2, 0.0), None).zero) == 0

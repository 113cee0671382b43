"""An order along which neighbours in memory are neighbours in space."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import sphere

from recon.scan.preparation.spatial_order import spatial_order, z_codes


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_steps_along_the_order_are_a_few_spacings_long(shift: float) -> None:
    points = sphere(20_000).points + shift
    order = spatial_order(points)
    assert np.array_equal(np.sort(order), np.arange(len(points)))
    steps = np.linalg.norm(np.diff(points[order], axis=0), axis=1)
    assert steps.mean() < 3 * np.sqrt(4 * np.pi / len(points))


def test_the_first_bits_are_those_of_a_larger_cube() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (5_000, 3))
    points[:2] = [0, 0, 0], [1, 1, 1]
    eighths = (points * 2).astype(int).clip(0, 1) @ [4, 2, 1]
    assert np.array_equal(z_codes(points) >> 27, eighths)


def test_nothing_and_a_single_place_have_an_order() -> None:
    assert len(spatial_order(np.empty((0, 3)))) == 0
    assert np.array_equal(spatial_order(np.ones((3, 3))), [0, 1, 2])

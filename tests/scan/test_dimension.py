"""The dimension of what points sample."""

from __future__ import annotations

import numpy as np
import pytest
import shapes

from recon.geometry import Float
from recon.scan.preparation.dimension import fills_space, local_dimension

RNG = np.random.default_rng(3)
CASES: dict[str, tuple[Float, int]] = {
    "a line": (np.outer(RNG.random(4000), [1.0, 2.0, 3.0]), 1),
    "a sphere": (shapes.sphere(4000).points, 2),
    "a cube": (shapes.cube(6000).points, 2),
    "both sides of a thin plate": (shapes.plate(6000, thickness=0.001).points, 2),
    "a filled cube": (RNG.random((20_000, 3)), 3),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_that_of_lines_surfaces_and_solids(name: str) -> None:
    points, dimension = CASES[name]
    assert local_dimension(points) == pytest.approx(dimension, abs=0.25)
    assert fills_space(points) is (dimension == 3)


def test_noise_up_to_its_spacing_leaves_a_surface_a_surface() -> None:
    assert not fills_space(shapes.sphere(20_000, noise=0.025).points)


def test_units_places_and_repeated_points_change_nothing() -> None:
    points = RNG.random((3000, 3))
    moved = 1e-3 * points + [5e3, -5e3, 0.0]
    assert local_dimension(moved) == pytest.approx(local_dimension(points), rel=1e-6)
    assert np.isfinite(local_dimension(np.repeat(points[:500], 400, axis=0)))


def test_few_points_are_taken_for_a_surface() -> None:
    assert local_dimension(RNG.random((200, 3))) == 2.0

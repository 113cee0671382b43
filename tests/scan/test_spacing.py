"""The spacing of points on a surface."""

from __future__ import annotations

import numpy as np
import pytest

from recon.scan.preparation.spacing import point_spacing


def test_it_is_the_step_of_a_grid() -> None:
    side = np.linspace(0, 1, 101)
    grid = np.stack([*np.meshgrid(side, side), np.zeros((101, 101))], axis=-1).reshape(-1, 3)
    assert point_spacing(grid) == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("count", [2_000, 50_000])
def test_it_follows_the_density_of_random_points(count: int) -> None:
    points = np.random.default_rng(0).normal(size=(count, 3))
    points *= 7 / np.linalg.norm(points, axis=1, keepdims=True)
    assert point_spacing(points) == pytest.approx(np.sqrt(4 * np.pi * 49 / count), rel=0.1)

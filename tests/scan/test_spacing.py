"""The spacing of points on a surface."""

from __future__ import annotations

import numpy as np
import pytest

from recon.scan.preparation.spacing import local_spacings, point_spacing


def test_it_is_the_step_of_a_grid() -> None:
    side = np.linspace(0, 1, 101)
    grid = np.stack([*np.meshgrid(side, side), np.zeros((101, 101))], axis=-1).reshape(-1, 3)
    assert point_spacing(grid) == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("count", [2_000, 50_000])
def test_it_follows_the_density_of_random_points(count: int) -> None:
    points = np.random.default_rng(0).normal(size=(count, 3))
    points *= 7 / np.linalg.norm(points, axis=1, keepdims=True)
    assert point_spacing(points) == pytest.approx(np.sqrt(4 * np.pi * 49 / count), rel=0.1)


def test_where_the_density_changes_the_spacing_does() -> None:
    rng = np.random.default_rng(3)
    points = np.pad(rng.random((60_000, 2)), ((0, 0), (0, 1)))
    points = points[(points[:, 0] < 0.5) | (rng.random(len(points)) < 0.04)]  # five times as far apart
    spacing, x = local_spacings(points), points[:, 0]
    assert spacing.shape == (len(points),)
    for there, expected in (x < 0.45, 60_000**-0.5), (x > 0.6, 2_400**-0.5):
        assert spacing[there].mean() == pytest.approx(expected, rel=0.05)
        assert spacing[there].std() < 0.15 * expected


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_points_have_spacings(count: int) -> None:
    points = np.arange(3.0 * count).reshape(count, 3)
    assert local_spacings(points).shape == (count,)

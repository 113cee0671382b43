"""The noise of a scan."""

from __future__ import annotations

import numpy as np
import pytest

from recon.geometry import PointCloud
from recon.scan.preparation.noise import point_noise


def sphere(count: int, noise: float, tilt: float = 0.0) -> PointCloud:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = 7.0 * normals + noise * rng.normal(size=(count, 3))
    tilted = normals + tilt * rng.normal(size=(count, 3))
    return PointCloud(points, tilted / np.linalg.norm(tilted, axis=1, keepdims=True))


@pytest.mark.parametrize("noise", [0.01, 0.05])
@pytest.mark.parametrize("tilt", [0.0, 0.1])
def test_it_is_the_standard_deviation_that_was_added(noise: float, tilt: float) -> None:
    assert point_noise(sphere(60_000, noise, tilt)) == pytest.approx(noise, rel=0.2)


@pytest.mark.parametrize("count", [500, 60_000])
def test_exact_points_have_none_however_sparse(count: int) -> None:
    assert point_noise(sphere(count, 0.0)) < 1e-12


@pytest.mark.parametrize("tilt", [0.0, 0.15])
def test_it_is_not_too_small_where_noise_is_as_large_as_the_spacing(tilt: float) -> None:
    """Nearest in space are the points with the same error: to compare with them hides a third of it."""
    spacing = 7.0 * np.sqrt(4 * np.pi / 60_000)
    assert point_noise(sphere(60_000, 0.8 * spacing, tilt)) == pytest.approx(0.8 * spacing, rel=0.05)


def test_the_other_side_of_a_thin_wall_is_no_noise() -> None:
    rng = np.random.default_rng(1)
    side = np.sign(rng.uniform(-1, 1, 20_000))
    points = np.column_stack([rng.uniform(-1, 1, (20_000, 2)), 0.01 * side])
    assert point_noise(PointCloud(points, np.outer(side, [0.0, 0.0, 1.0]))) < 1e-12

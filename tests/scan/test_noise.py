"""The noise of a scan."""

from __future__ import annotations

import numpy as np
import pytest

from recon.geometry import PointCloud
from recon.scan.noise import point_noise


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

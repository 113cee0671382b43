"""Estimated normals."""

from __future__ import annotations

import numpy as np
import pytest

from recon.config import ScanConfig
from recon.errors import ScanError
from recon.geometry import PointCloud
from recon.scan.normals import estimated, oriented


def sphere(count: int = 4_000) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize("offset", [0.0, 1e7])
def test_without_a_sensor_they_point_outward_everywhere(offset: float) -> None:
    exact = sphere()
    found = estimated(PointCloud(exact + offset)).normals
    assert ((found * exact).sum(1) > 0.97).mean() > 0.999
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-12)


def test_two_parts_both_point_outward() -> None:
    exact = sphere(3_000)
    found = estimated(PointCloud(np.concatenate([exact, 0.4 * exact + [3, 0, 0]]))).normals
    assert ((found * np.concatenate([exact, exact])).sum(1) > 0.9).mean() > 0.999


def test_with_a_sensor_they_face_it() -> None:
    exact = sphere()
    inside = estimated(PointCloud(exact, sensors=np.broadcast_to([0.0, 0.0, 0.1], exact.shape)))
    assert ((inside.normals * exact).sum(1) < 0).all()


def test_the_files_normals_are_used_where_they_are() -> None:
    points = sphere()
    cloud = PointCloud(points, points)
    assert oriented(cloud, ScanConfig()) is cloud
    inward = PointCloud(points, -points)
    assert oriented(inward, ScanConfig(normals="file")) is inward
    assert (oriented(inward, ScanConfig()).normals == points).all()
    anew = oriented(inward, ScanConfig(normals="estimate"))
    assert ((anew.normals * points).sum(1) > 0).mean() > 0.999
    assert oriented(cloud, ScanConfig(normals="none")).normals is None
    assert oriented(PointCloud(points), ScanConfig()).normals is not None
    with pytest.raises(ScanError, match="has no normals"):
        oriented(PointCloud(points), ScanConfig(normals="file"))

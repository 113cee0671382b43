"""The frame and the containers."""

from __future__ import annotations

import numpy as np
import pytest

from recon.geometry import Frame, Mesh, PointCloud


@pytest.mark.parametrize(
    ("offset", "extent"), [(0.0, 1.0), (5e6, 300.0), (1e7, 1e-2), (0.0, 1e-9), (-3e3, 1e8)]
)
def test_world_to_unit_and_back_loses_no_more_than_float64_does(offset: float, extent: float) -> None:
    points = offset + extent * np.random.default_rng(0).uniform(-0.5, 0.5, (1000, 3)) * [1, 0.5, 0.1]
    frame = Frame.around(points, margin=0.1)
    unit = frame.to_unit(points)
    assert np.abs(unit[:, 0]).max() == pytest.approx(0.9, abs=1e-6)
    assert np.abs(unit).max() <= 0.9 + 1e-6
    np.testing.assert_allclose(frame.to_world(unit), points, rtol=0, atol=4e-16 * (abs(offset) + extent))


def test_one_scale_serves_all_axes() -> None:
    frame = Frame.around(np.array([[0.0, 0, 0], [4, 2, 1]]), margin=0.5)
    np.testing.assert_allclose(
        frame.to_unit(np.array([[4.0, 2, 1], [2, 1, 0.5]])), [[0.5, 0.25, 0.125], [0, 0, 0]]
    )


def test_a_frame_that_maps_nothing_is_refused() -> None:
    for scale in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="no frame"):
            Frame(np.zeros(3), scale)


def test_clouds_and_meshes_are_checked_and_cannot_be_changed() -> None:
    points = np.zeros((4, 3))
    cloud = PointCloud(points, points)
    with pytest.raises(ValueError, match="read-only"):
        cloud.points[0] = 1
    points[0] = 1  # the caller's own array stays the caller's
    with pytest.raises(ValueError, match="normals has 3 rows"):
        PointCloud(np.zeros((4, 3)), np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"expected \(n, 3\)"):
        PointCloud(np.zeros((4, 2)))
    with pytest.raises(ValueError, match="not there"):
        Mesh(np.zeros((3, 3)), [[0, 1, 3]])
    assert len(cloud.select(np.array([True, False, True, False]))) == 2

"""Cameras: what they must see is in the picture, and as large as it can be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from shapes import depth_image, half_sphere, plane, sphere

from recon.errors import UsageError
from recon.geometry import PointCloud
from recon.render.camera import PICTURE_MARGIN, Camera, around, chosen_view, directions, fitted, usual_view

SIZE = (320, 200)


def shares(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Where points are in the picture, as shares of its width and height."""
    pixels, depth = camera.pixels(points)
    assert (depth > 0).all()
    return pixels / np.array(camera.size)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_a_fitted_camera_sees_everything_and_is_as_near_as_it_can(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    points = scale * (rng.normal(size=(500, 3)) * rng.uniform(0.1, 3, 3) + rng.normal(size=3) * 100)
    direction, up = rng.normal(size=(2, 3))
    place = shares(fitted(points, SIZE, direction, up), points)
    low, high = place.min(0), place.max(0)
    assert (low >= PICTURE_MARGIN - 1e-6).all()
    assert (high <= 1 - PICTURE_MARGIN + 1e-6).all()
    touching = np.isclose(low, PICTURE_MARGIN, atol=1e-6) & np.isclose(high, 1 - PICTURE_MARGIN, atol=1e-6)
    assert touching.any()  # both sides, or above and below


def test_a_point_and_a_line_have_a_camera() -> None:
    assert np.allclose(shares(fitted(np.ones((1, 3)), SIZE, (1, 0, 0), (0, 0, 1)), np.ones((1, 3))), 0.5)
    line = np.array([[0.0, 0, 0], [0, 0, 5]])
    assert np.allclose(
        shares(fitted(line, SIZE, (1, 0, 0), (0, 0, 1)), line)[:, 1], [1 - PICTURE_MARGIN, PICTURE_MARGIN]
    )


def test_right_is_right_and_up_is_up() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [0, 0, 1]])
    (x, y), right, above = shares(fitted(points, SIZE, (0, -1, 0), (0, 0, 1)), points)
    assert right[0] > x
    assert right[1] == pytest.approx(y)
    assert above[1] < y
    assert above[0] == pytest.approx(x)


def test_rays_go_through_the_middles_of_pixels() -> None:
    camera = fitted(np.random.default_rng(0).normal(size=(50, 3)) + 1e5, SIZE, (3, 1, 2), (0, 1, 0))
    place, _ = camera.pixels(camera.eye + 7.0 * camera.rays())
    columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    assert np.allclose(place, np.stack([columns.ravel(), rows.ravel()], axis=1) + 0.5, atol=1e-5)


def test_no_view_along_up() -> None:
    with pytest.raises(UsageError, match="no view from 0,0,2 has 0,0,1 up"):
        fitted(np.eye(3), SIZE, (0, 0, 2), (0, 0, 1))


def test_a_camera_goes_round_at_one_distance_and_height() -> None:
    points = np.random.default_rng(1).normal(size=(300, 3)) * [3, 1, 2] + 50
    cameras = around(points, SIZE, (0, 0, 1), 12, np.array([-1.0, -2.0, 1.0]))
    assert len({round(camera.focus, 9) for camera in cameras}) == 1
    assert np.allclose([camera.eye[2] for camera in cameras], cameras[0].eye[2])
    for camera in cameras:
        place = shares(camera, points)
        assert (place > PICTURE_MARGIN - 1e-9).all()
        assert (place < 1 - PICTURE_MARGIN + 1e-9).all()


def test_directions_are_at_equal_angles() -> None:
    found = directions(np.array([1.0, 0.0, 1.0]), (0, 0, 2), 4)
    assert np.allclose(found, [[1, 0, 1], [0, 1, 1], [-1, 0, 1], [0, -1, 1]])


@pytest.mark.parametrize(
    ("name", "cloud", "towards", "upward"),
    [
        ("closed", sphere(), (0, -1, 1), (0, 0, 1)),
        ("terrain", plane(), (0, -1, 1), (0, 0, 1)),
        ("without normals", PointCloud(sphere().points), (0, -1, 1), (0, 0, 1)),
        ("relief", half_sphere(), (0, 1, 1), (0, 1, 0)),
    ],
)
def test_things_are_seen_from_where_they_look_like_something(
    name: str, cloud: PointCloud, towards: tuple, upward: tuple
) -> None:
    direction, up = usual_view(cloud)
    assert np.allclose(up, upward)
    assert all(np.sign(direction[axis]) == sign for axis, sign in enumerate(towards) if sign)


def test_the_usual_side_turns_with_another_up() -> None:
    usual = usual_view(sphere())
    direction, up = chosen_view(usual, None, (0, 2, 0))
    assert np.allclose(direction, (-1, 1, 2))  # from above and the front, as with z up
    assert np.allclose(up, (0, 2, 0))
    assert chosen_view(usual, None, None)[0] is usual[0]
    direction, _ = chosen_view(usual, None, (0, 0, -1))
    assert direction[2] == pytest.approx(-1)
    assert np.allclose(chosen_view(usual, (1, 2, 3), None)[0], (1, 2, 3))
    for wrong in ((0, 0, 0), (1, 2, 3)):
        with pytest.raises(UsageError, match="no view"):
            chosen_view(usual, (1, 2, 3), wrong)


def test_a_depth_image_is_seen_from_its_camera() -> None:
    y, x = np.mgrid[-1:1:40j, -1:1:40j]
    points = depth_image(3.0 + 0.8 * np.cos(3 * x) * np.cos(3 * y))
    direction, up = usual_view(PointCloud(points, sensors=np.zeros_like(points)))
    assert direction[2] < -0.9
    assert np.allclose(up, (0, -1, 0))  # y runs down in pictures


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("sign", [1, -1])
def test_what_has_a_flat_foot_stands_on_it(axis: int, sign: int) -> None:
    """A dome on each of its sides in turn; but z is up in files of surveys, and for what has no foot."""
    n = np.random.default_rng(0).standard_normal((3000, 3))
    n /= np.linalg.norm(n, axis=1, keepdims=True)
    n[:, 2] = np.maximum(n[:, 2], -0.3)  # cut off below
    points = sign * np.roll(n, axis + 1, axis=1)  # z becomes this axis
    direction, up = usual_view(PointCloud(points))
    np.testing.assert_array_equal(up, sign * np.eye(3)[axis])
    assert direction @ up == pytest.approx(1.0)  # as high above it as above z
    np.testing.assert_array_equal(usual_view(PointCloud(points, source="roof.LAZ"))[1], [0, 0, 1])
    turned = Rotation.random(random_state=1).apply(points)
    np.testing.assert_array_equal(usual_view(PointCloud(turned))[1], [0, 0, 1])

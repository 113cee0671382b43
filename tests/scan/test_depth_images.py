"""Depth images are told from other scans; rounded depths are smoothed, unrounded ones are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import cube, depth_image, half_sphere, plane, sphere, torus

from recon.geometry import Float, PointCloud
from recon.scan.preparation.depth_images import seen_from_origin, unrounded

pytestmark = pytest.mark.slow

SIDE = 121  # pixels, one of them in the middle


def wall(distance: float = 2.0, tilt: float = 0.3) -> Float:
    """Depths of a plane across the picture."""
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, SIDE)])
    return distance / (1 + tilt * x + tilt / 7 * y)


def ball(distance: float = 3.0, behind: float = np.nan) -> Float:
    """Depths of a unit sphere on the axis, and of what is `behind` it."""
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, SIDE)])
    length = np.sqrt(1 + x**2 + y**2)
    along = distance / length
    inside = along**2 - distance**2 + 1
    with np.errstate(invalid="ignore"):
        return np.where(inside > 0, (along - np.sqrt(inside)) / length, behind)


def moved(cloud: PointCloud, *shift: float) -> Float:
    """The points of `cloud`, somewhere else."""
    return cloud.points + np.array(shift)


IMAGES = {
    "wall": depth_image(wall()),
    "ball": depth_image(ball()),
    "ball before a wall": depth_image(ball(behind=8.0)),
    "wide angle": depth_image(wall(), focal=0.5),
    "narrow angle": depth_image(wall(), focal=8.0),
    "upright wall": depth_image(wall(tilt=0.0)),  # its columns and rows are in line
}
GROUND = np.stack(np.meshgrid(*2 * [np.linspace(-50, 50, SIDE)]), -1).reshape(-1, 2)
HEIGHTS = 8 * np.sin(GROUND[:, :1] / 12) * np.cos(GROUND[:, 1:] / 9)
OTHERS = {
    "grid of heights": np.hstack([GROUND, HEIGHTS + 300]),
    "low grid of heights": np.hstack([GROUND, HEIGHTS + 60]),
    "grid of heights below": np.hstack([GROUND, HEIGHTS - 1000]),
    "grid of heights aside": np.hstack([GROUND + 100, HEIGHTS + 200]),
    "sphere around it": sphere().points,
    "sphere beside it": moved(sphere(), 0, 0, 3),
    "torus beside it": moved(torus(), 0, 2, 0),
    "cube far away": moved(cube(), 50, 40, 30),
    "half sphere": half_sphere().points,
    "plane through it": plane().points,
    "plane beyond it": moved(plane(), 0, 0, 2),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_depth_image_is_recognised_in_any_unit_and_direction(name: str) -> None:
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    for points in (IMAGES[name], 1e-3 * IMAGES[name], IMAGES[name] @ turn):
        assert seen_from_origin(points)


@pytest.mark.parametrize("shift", [[0, 0, -2.5], [5, 0, 0], [1e4, 2e4, 0]])
@pytest.mark.parametrize("name", ["ball", "ball before a wall"])
def test_taken_from_elsewhere_it_is_not(name: str, shift: list[float]) -> None:
    assert not seen_from_origin(IMAGES[name] + shift)


@pytest.mark.parametrize("name", OTHERS)
def test_other_scans_are_none(name: str) -> None:
    assert not seen_from_origin(OTHERS[name])


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_point_at_the_origin_is_no_pixel(shift: float) -> None:
    assert not seen_from_origin(np.vstack([[0.0, 0, 0], IMAGES["ball"] * shift]))


@pytest.mark.parametrize("step", [0.05, 0.2])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rounded_depths_stay_within_half_a_step_on_their_rays(axis: int, step: float) -> None:
    exact = ball(behind=8.0)
    points = np.roll(depth_image(step * np.rint(exact / step)), axis - 2, axis=1)
    found = unrounded(points)
    assert found is not None
    assert np.abs(found[:, axis] - points[:, axis])[points[:, axis] < 4].max() <= step / 2 + 1e-12
    across = np.linalg.norm(np.cross(found, points), axis=1)
    assert (across <= 1e-12 * (found * points).sum(1)).all()
    assert np.array_equal(unrounded(points), found)


@pytest.mark.parametrize("step", [0.02, 0.1])
def test_rounded_depths_of_a_plane_become_a_plane_again(step: float) -> None:
    exact = wall()
    found = unrounded(depth_image(step * np.rint(exact / step)))
    assert found is not None
    off = found[:, 2] - depth_image(exact)[:, 2]
    assert np.sqrt((off**2).mean()) < 0.3 * step / np.sqrt(12)


@pytest.mark.parametrize("name", ["ball", "wall", "narrow angle", "upright wall"])
def test_depths_that_are_not_rounded_are_left_alone(name: str) -> None:
    assert unrounded(IMAGES[name]) is None

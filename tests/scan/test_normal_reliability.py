"""Whether normals can be trusted: sound, turned, inward and random ones are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import cube, half_sphere, plane, plate, screen_and_wall, sphere, torus, turned, unit

from recon.geometry import PointCloud
from recon.scan.preparation.normal_reliability import check_normals

SOUND = {"sphere": sphere(), "torus": torus(), "cube": cube(), "noisy": sphere(noise=0.01)}
OPEN = {"half sphere": half_sphere(), "plane": plane()}


@pytest.mark.parametrize("name", SOUND)
def test_sound_normals_are_found_sound(name: str) -> None:
    check = check_normals(SOUND[name])
    assert check.turned < 0.002 and not check.mixed
    assert check.agreement > 0.85 and not check.unfit
    assert check.outward is True


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("name", [*SOUND, *OPEN])
def test_the_share_of_turned_ones_is_told(name: str, share: float) -> None:
    check = check_normals(turned((SOUND | OPEN)[name], share))
    assert check.turned == pytest.approx(share, abs=0.03)
    assert check.mixed and not check.unfit
    assert check.outward is (True if name in SOUND else None)


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("name", SOUND)
def test_inward_ones_are_called_so(name: str, share: float) -> None:
    cloud = turned(SOUND[name], share)
    check = check_normals(PointCloud(cloud.points, -cloud.normals))
    assert check.outward is False
    assert check.turned == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("name", OPEN)
def test_an_open_surface_has_no_outside_for_certain(name: str) -> None:
    cloud = OPEN[name]
    for normals in (cloud.normals, -cloud.normals):
        check = check_normals(PointCloud(cloud.points, normals))
        assert check.outward is None and not check.mixed and not check.unfit


def test_random_directions_fit_no_surface() -> None:
    normals = unit(np.random.default_rng(2).normal(size=(4000, 3)))
    check = check_normals(PointCloud(sphere().points, normals))
    assert check.unfit
    assert check.agreement == pytest.approx(0.5, abs=0.03)  # the mean of |cos| over the sphere


def test_a_thin_wall_is_not_taken_for_turned_normals() -> None:
    check = check_normals(plate(thickness=0.06))
    assert not check.mixed and check.outward is True


def test_a_wall_behind_a_screen_is_not_taken_for_turned_normals() -> None:
    assert not check_normals(screen_and_wall()).mixed


@pytest.mark.parametrize("name", ["half sphere", "sphere"])
def test_scanners_say_where_outward_is(name: str) -> None:
    cloud = (SOUND | OPEN)[name]
    for place in ([0.0, 0.0, 5.0], [0.0, 0.0, 0.1]):  # a sphere is seen by one from without, or within
        towards = np.sign(((place - cloud.points) * cloud.normals).sum(1))[:, None]
        sensors = np.broadcast_to(place, cloud.points.shape)
        for sign in (1, -1):
            seen = PointCloud(cloud.points, sign * towards * cloud.normals, sensors=sensors)
            assert check_normals(seen).outward is (sign > 0)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 1.0), (1e6, -1e9)])
def test_unit_and_place_do_not_matter(scale: float, shift: float) -> None:
    cloud = turned(torus(), 0.2)
    there = check_normals(PointCloud(scale * cloud.points + shift, cloud.normals))
    here = check_normals(cloud)
    assert there.outward is here.outward
    assert (there.turned, there.agreement) == pytest.approx((here.turned, here.agreement), abs=1e-3)


def test_a_sample_of_a_large_scan_tells_the_same() -> None:
    check = check_normals(turned(torus(60_000), 0.2))
    assert check.turned == pytest.approx(0.2, abs=0.02) and check.outward is True

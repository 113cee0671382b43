"""Normals: estimated, repaired, or the file's own."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import cube, half_sphere, plane, plate, screen_and_wall, torus, turned, unit
from shapes import sphere as ball

from recon.errors import ScanError
from recon.geometry import PointCloud
from recon.scan.preparation import normals as module
from recon.scan.preparation.normals import completed, estimate_lines, estimated, oriented
from recon.scan.settings import ScanConfig

CLOSED = {"sphere": ball(), "torus": torus(), "cube": cube(), "plate": plate(thickness=0.06)}
AUTO = ScanConfig()


def sphere(count: int = 4_000) -> np.ndarray:
    return ball(count).points


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


def lacking(cloud: PointCloud, where: np.ndarray) -> PointCloud:
    return PointCloud(cloud.points, np.where(where[:, None], 0.0, cloud.normals))


GAPS = {
    "a third": lambda points: points[:, 0] > 0.25,
    "every other": lambda points: np.arange(len(points)) % 2 == 0,
    "all but a few": lambda points: np.arange(len(points)) % 50 > 0,
}


@pytest.mark.parametrize("inward", [False, True])
@pytest.mark.parametrize("gap", GAPS)
def test_only_missing_ones_are_estimated_on_the_side_of_the_others(gap: str, inward: bool) -> None:
    cloud = torus(6000)
    own = PointCloud(cloud.points, -cloud.normals if inward else cloud.normals)
    where = GAPS[gap](cloud.points)
    whole = completed(lacking(own, where))
    assert (whole.normals[~where] == own.normals[~where]).all()
    assert ((whole.normals * own.normals).sum(1) > 0.9).mean() > 0.999
    found = oriented(lacking(own, where), ScanConfig(normals="file"))
    assert (found.normals == whole.normals).all()


@pytest.mark.parametrize("depth", [2, 3])
def test_what_is_enclosed_faces_inward_and_what_that_encloses_outward(depth: int) -> None:
    shells = [1.0, 0.6, 0.3][:depth]
    exact = [ball(4000, seed=seed).points for seed in range(depth)]
    points = np.concatenate([radius * normals for radius, normals in zip(shells, exact, strict=True)])
    aside = np.concatenate([points, 0.5 * exact[0] + [3.0, 0, 0]])  # not enclosed
    found = estimated(PointCloud(aside)).normals
    for number, normals in enumerate([*exact, exact[0]]):
        sign = -1 if number == 1 else 1
        here = found[4000 * number : 4000 * (number + 1)]
        assert (sign * (here * normals).sum(1) > 0.9).mean() > 0.999


def test_a_part_without_any_normal_faces_outward() -> None:
    ring, other = torus(4000), ball(2000)
    both = PointCloud(
        np.concatenate([ring.points, other.points + np.array([3.0, 0, 0])]),
        np.concatenate([ring.normals, 0 * other.normals]),
    )
    found = completed(both).normals
    assert ((found[4000:] * other.normals).sum(1) > 0.9).mean() > 0.999


def test_turned_ones_are_turned_back_on_walls_about_as_thin_as_the_spacing() -> None:
    cloud = plate(6000, thickness=0.03)
    found = oriented(turned(cloud, 0.3), AUTO).normals
    assert ((found * cloud.normals).sum(1) > 0).mean() > 0.95


@pytest.mark.parametrize("share", [0.06, 0.3])
@pytest.mark.parametrize("inward", [False, True])
@pytest.mark.parametrize("name", CLOSED)
def test_turned_ones_are_turned_back_and_else_left_alone(name: str, inward: bool, share: float) -> None:
    cloud = CLOSED[name]
    mixed = turned(cloud, share)
    come = PointCloud(cloud.points, -mixed.normals if inward else mixed.normals)
    found = oriented(come, AUTO).normals
    assert (np.abs(found) == np.abs(cloud.normals)).all()
    right = (found == cloud.normals).all(1).mean()
    assert right == 1 if name in ("sphere", "torus") else right > 0.999


def test_an_open_scan_keeps_the_side_that_most_normals_have() -> None:
    cloud = half_sphere()
    for sign in (1, -1):
        own = sign * cloud.normals
        found = oriented(turned(PointCloud(cloud.points, own), 0.3), AUTO).normals
        assert (found == own).all()
    assert oriented(PointCloud(cloud.points, -cloud.normals), AUTO).normals[0] @ cloud.normals[0] < 0


def test_those_that_fit_no_surface_are_estimated_anew() -> None:
    cloud = ball()
    noise = unit(np.random.default_rng(2).normal(size=(4000, 3)))
    found = oriented(PointCloud(cloud.points, noise), AUTO).normals
    assert ((found * cloud.normals).sum(1) > 0.97).mean() > 0.999


@pytest.mark.parametrize("name", CLOSED)
def test_estimated_ones_of_closed_shapes_point_outward(name: str) -> None:
    cloud = CLOSED[name]
    cosine = (estimated(PointCloud(cloud.points)).normals * cloud.normals).sum(1)
    if name != "plate":  # its walls are nearer to each other than its points
        assert cosine.mean() > 0.97
    assert (cosine > 0).mean() > 0.98


@pytest.mark.slow
@pytest.mark.parametrize("thickness", [0.03, 0.04, 0.06])
def test_the_outside_of_a_thin_plate_is_not_mistaken(thickness: float) -> None:
    for seed in range(2):
        cloud = plate(40_000, thickness, seed)
        found = estimated(PointCloud(cloud.points)).normals
        assert ((found * cloud.normals).sum(1) > 0).mean() > 0.99


@pytest.mark.parametrize("spacings", [0.2, 0.5, 1.0, 1.5, 2.0])
def test_right_normals_of_thin_walls_are_left_alone(spacings: float) -> None:
    """However near the other side is; and if all are turned round, so are all turned back."""
    for seed in range(3):
        cloud = plate(4000, spacings * np.sqrt(8 / 4000), seed)
        assert oriented(cloud, AUTO) is cloud
        found = oriented(PointCloud(cloud.points, -cloud.normals), AUTO).normals
        assert (found == cloud.normals).all()


def two_rooms(wall: float, count: int = 8000) -> PointCloud:
    """Seen from inside: two cubes of side 2 beside each other, a `wall` apart, their normals into them."""
    room = cube(count // 2)
    aside = np.array([1 + wall / 2, 0, 0])
    points = np.concatenate([room.points - aside, cube(count // 2, seed=1).points + aside])
    return PointCloud(points, -np.concatenate([room.normals, cube(count // 2, seed=1).normals]))


@pytest.mark.parametrize("wall", [0.01, 0.03, 0.1])
def test_a_wall_between_two_rooms_keeps_both_its_sides(wall: float) -> None:
    """All of the normals may be turned at once: then the rooms are solid."""
    cloud = two_rooms(wall)
    found = (oriented(cloud, AUTO).normals * cloud.normals).sum(1)
    assert (found == 1).all() or (found == -1).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_seen_behind_a_thing_keeps_its_side(sign: int) -> None:
    cloud = screen_and_wall()
    own = PointCloud(cloud.points, sign * cloud.normals)
    assert oriented(own, AUTO) is own
    found = oriented(turned(own, 0.3), AUTO).normals
    assert ((found * own.normals).sum(1) > 0).mean() > 0.99


@pytest.mark.parametrize("height", [0.0, 1e6])
def test_a_terrain_is_seen_from_above(height: float) -> None:
    ground = np.random.default_rng(0).uniform(-1, 1, (4000, 2))
    z = 0.3 * np.sin(3 * ground[:, :1]) * np.cos(2 * ground[:, 1:])
    normals = estimated(PointCloud(np.hstack([ground, z + height]))).normals
    assert (normals[:, 2] > 0).all()


def test_on_a_plane_they_are_exact() -> None:
    points = plane().points @ np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    flat = np.cross(points[0], points[1])
    cosine = estimate_lines(points) @ (flat / np.linalg.norm(flat))
    assert np.abs(cosine).min() > 1 - 1e-9


@pytest.mark.parametrize(("noise", "gain"), [(0.02, 0.05), (0.05, 0.2)])
def test_noise_is_met_with_more_neighbours(
    noise: float, gain: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = ball(8000, noise)
    cosine = lambda: np.abs((estimate_lines(cloud.points) * cloud.normals).sum(1)).mean()  # noqa: E731
    chosen = cosine()
    monkeypatch.setattr(module, "PLANE_NEIGHBOURS", (8,))
    assert chosen > cosine() + gain
    assert chosen > 0.93


def test_without_noise_edges_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = cube()
    error = lambda: 1 - np.abs((estimate_lines(cloud.points) * cloud.normals).sum(1)).mean()  # noqa: E731
    chosen = error()
    monkeypatch.setattr(module, "PLANE_NEIGHBOURS", (60,))
    assert chosen < 0.6 * error()

"""Signed distances to an oriented cloud, against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapes
import torch
from scipy.spatial import cKDTree

import recon.scan.preparation.inside as module
from recon.geometry import PointCloud
from recon.scan.preparation.inside import Surroundings, draw_samples
from recon.scan.preparation.winding import winding_number

pytestmark = pytest.mark.slow

BOX = np.array([[-1.0, -1, -1], [1, 1, 1]])


def torus(points: np.ndarray) -> np.ndarray:
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - 0.6, points[:, 2]) - 0.2


def box(points: np.ndarray, half: np.ndarray) -> np.ndarray:
    over = np.abs(points) - half
    return np.linalg.norm(np.maximum(over, 0), axis=1) + np.minimum(over.max(1), 0)


def torus_cloud(count: int, noise: float = 0.0) -> PointCloud:
    rng = np.random.default_rng(0)
    u, v = rng.uniform(0, 2 * np.pi, (2, 4 * count))
    keep = rng.uniform(0, 0.8, 4 * count) < 0.6 + 0.2 * np.cos(v)  # even by area
    u, v = u[keep][:count], v[keep][:count]
    normals = np.stack([np.cos(u) * np.cos(v), np.sin(u) * np.cos(v), np.sin(v)], axis=1)
    centre = np.stack([0.6 * np.cos(u), 0.6 * np.sin(u), 0 * u], axis=1)
    points = centre + 0.2 * normals + noise * rng.normal(size=(len(u), 3))
    return PointCloud(points, normals)


@pytest.mark.parametrize(("count", "mean"), [(2_000, 4e-3), (50_000, 4e-4)])
def test_sides_and_distances_are_right(count: int, mean: float) -> None:
    cloud = torus_cloud(count)
    around = Surroundings(cloud)
    samples = around.sample(BOX, 40_000, 0.5)
    exact = torus(samples.points.astype(np.float64))
    clear = np.abs(exact) > np.median(around.spacing)
    assert (np.sign(samples.distances) == np.sign(exact))[clear].mean() > 0.999
    assert np.abs(samples.distances - exact).mean() < mean


def test_winding_numbers_are_those_of_the_plain_sum() -> None:
    """Which is 1 in a closed scan and 0 outside, and what a GPU takes; sides are told at a half."""
    cloud = torus_cloud(10_000)
    around = Surroundings(cloud)
    queries = np.random.default_rng(0).uniform(-0.9, 0.9, (4_000, 3))
    away = np.abs(torus(queries)) > 0.1
    plain = winding_number(*around._dipoles, queries, torch.device("cpu"))
    assert np.abs(plain - (torus(queries) < 0))[away].max() < 0.05
    assert np.abs(plain - around._winding(queries))[away].max() < 0.02


@pytest.mark.parametrize(
    ("count", "thickness"), [(4_000, 0.1), (40_000, 0.035)]
)  # all of them in the sum, a part
def test_the_side_is_right_next_to_sharp_edges_and_thin_parts(count: int, thickness: float) -> None:
    cloud = shapes.plate(count, thickness)
    around = Surroundings(cloud)
    spacing = float(np.median(around.spacing))
    rng = np.random.default_rng(0)
    queries = cloud.points[rng.integers(count, size=20_000)] + 2 * spacing * rng.normal(size=(20_000, 3))
    exact = box(queries, np.array([1, 1, thickness / 2]))
    clear = np.abs(exact) > spacing / 3
    nearest = cKDTree(cloud.points).query(queries)[1]
    planes = ((queries - cloud.points[nearest]) * cloud.normals[nearest]).sum(1)
    found = around.signed_distance(queries)
    wrong, by_planes = ((np.sign(of) != np.sign(exact))[clear].mean() for of in (found, planes))
    assert wrong < 0.1 * by_planes


def test_far_from_a_dense_scan_a_part_of_its_points_tells_distances_and_sides() -> None:
    cloud = torus_cloud(120_000)
    around = Surroundings(cloud)
    queries = np.random.default_rng(2).uniform(-1, 1, (20_000, 3))
    distance, _, remote = around._nearest(queries)
    assert remote.mean() > 0.5
    exact = cKDTree(cloud.points).query(queries)[0]
    assert np.array_equal(distance[~remote], exact[~remote])
    error = distance / exact - 1
    assert error.min() >= 0 and error.max() < 0.05 and error.mean() < 0.001
    found = around.signed_distance(queries)
    assert (np.sign(found) == np.sign(torus(queries)))[np.abs(found) > np.median(around.spacing)].all()


def test_samples_are_where_they_should_be_and_seeded() -> None:
    around = Surroundings(torus_cloud(2_000), seed=3)
    samples = around.sample(BOX, 10_000, 0.25, seed=3)
    assert samples.uniform == 7_500 and len(samples.points) == len(samples.distances) == 10_000
    assert np.abs(samples.points[:7_500].mean(0)).max() < 0.03
    assert np.abs(samples.points).max() <= 1
    assert np.median(np.abs(samples.distances[7_500:])) < 0.05
    again = Surroundings(torus_cloud(2_000), seed=3).sample(BOX, 10_000, 0.25, seed=3)
    assert np.array_equal(samples.distances, again.distances)


def test_where_half_is_unknown_hardly_more_than_twice_as_many_are_asked() -> None:
    asked = []

    def distance(places: np.ndarray) -> np.ndarray:
        asked.append(len(places))
        return np.where(places[:, 0] < 0, 1.0, np.nan)

    found = draw_samples(distance, np.zeros((1, 3)), BOX, 10_000, 0.5, 0)
    assert (len(found.points), found.uniform) == (10_000, 5_000)
    assert (found.points[:, 0] < 0).all() and (found.distances == 1).all()
    assert sum(asked) < 2.5 * 10_000


def test_a_turned_cloud_turns_the_distances() -> None:
    cloud = torus_cloud(3_000)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    queries = np.random.default_rng(2).uniform(-0.9, 0.9, (5_000, 3))
    plain = Surroundings(cloud).signed_distance(queries)
    turned = Surroundings(PointCloud(cloud.points @ turn.T, cloud.normals @ turn.T))
    same = np.abs(turned.signed_distance(queries @ turn.T) - plain) < 1e-9
    assert same.mean() > 0.999  # the tree of the winding number has axes


def test_noise_and_flipped_normals_hardly_move_the_side() -> None:
    cloud = torus_cloud(20_000, noise=5e-3)
    flipped = np.random.default_rng(5).random(len(cloud)) < 0.03
    cloud = PointCloud(cloud.points, np.where(flipped[:, None], -cloud.normals, cloud.normals))
    queries = np.random.default_rng(2).uniform(-1, 1, (20_000, 3))
    exact = torus(queries)
    clear = np.abs(exact) > 0.05
    found = Surroundings(cloud).signed_distance(queries)
    assert (np.sign(found) == np.sign(exact))[clear].mean() > 0.999


def test_a_cloud_larger_than_needed_is_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DISTANCE_POINTS", 5_000)
    around = Surroundings(torus_cloud(40_000))
    assert len(around.points) == 5_000
    queries = np.random.default_rng(2).uniform(-1, 1, (10_000, 3))
    exact = torus(queries)
    clear = np.abs(exact) > 0.02
    found = around.signed_distance(queries)
    assert (np.sign(found) == np.sign(exact))[clear].all()
    assert np.abs(np.abs(found) - np.abs(exact)).mean() < 2e-3


CLOSED = {
    "sphere": shapes.sphere(),
    "noisy sphere": shapes.sphere(noise=0.02),
    "sparse sphere": shapes.sphere(500),
    "torus": shapes.torus(),
    "cube": shapes.cube(),
    "thin plate": shapes.plate(thickness=0.1),  # 2.7 spacings
    **{  # in spacings: thinner than the distance at which sides are asked for
        f"plate of {width}, seed {seed}": shapes.plate(thickness=width * math.sqrt(8 / 6000), seed=seed)
        for width in (0.2, 0.5, 1.0)
        for seed in range(3)
    },
    "sphere with a hole": shapes.sphere().select(shapes.sphere().points[:, 2] < 0.9),
}
OPEN = {"half sphere": shapes.half_sphere(), "plane": shapes.plane()}


@pytest.mark.parametrize("name", CLOSED)
def test_a_closed_scan_is_called_so(name: str) -> None:
    around = Surroundings(CLOSED[name])
    assert around.closed and not around.open
    assert around.level == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("name", OPEN)
def test_an_open_one_is_not(name: str) -> None:
    around = Surroundings(OPEN[name])
    assert not around.closed and around.open
    assert around.level < 0.35
    assert not Surroundings(OPEN[name], open=False).open


def test_a_spheres_missing_part_lowers_the_level() -> None:
    cloud = shapes.sphere(8000)
    levels = [Surroundings(cloud.select(cloud.points[:, 2] < top)).level for top in (1, 0.8, 0.5, 0, -0.5)]
    assert (np.diff(levels) < 0).all()


@pytest.mark.parametrize("height", [0.02, 0.1, 0.4, 0.9])
def test_a_sheet_has_its_two_sides_near_and_far(height: float) -> None:
    across = np.random.default_rng(1).uniform(-0.9, 0.9, (4000, 3)) * [1, 1, 0]
    around = Surroundings(OPEN["plane"])
    for sign in (1, -1):
        found = around.signed_distance(across + sign * np.array([0, 0, height]))
        assert (np.sign(found) == sign).all()
        assert np.abs(found - sign * height).mean() < 2e-3


@pytest.mark.parametrize("away", [0.03, 0.1, 0.3, 0.8])
def test_a_half_sphere_has_its_two_sides_near_and_far(away: float) -> None:
    directions = shapes.half_sphere(6000, seed=2).points
    directions = directions[directions[:, 2] > 0.2]
    around = Surroundings(OPEN["half sphere"])
    for sign in (1, -1):
        found = around.signed_distance((1 + sign * away) * directions)
        assert (np.sign(found) == sign).mean() > 0.999
        assert np.abs(found - sign * away).mean() < 0.02


def test_beyond_the_rim_of_a_sheet_no_wall_is_made_up() -> None:
    """The sign there changes where the sheet would go on, and nowhere else."""
    rng = np.random.default_rng(1)
    queries = np.stack([rng.uniform(1.2, 1.5, 4000), *rng.uniform(-0.9, 0.9, (2, 4000))], axis=1)
    queries = queries[np.abs(queries[:, 2]) > 0.05]
    found = Surroundings(OPEN["plane"]).signed_distance(queries)
    assert (np.sign(found) == np.sign(queries[:, 2])).mean() > 0.99

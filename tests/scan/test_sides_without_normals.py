"""Which side is solid without normals: right wherever it is said, and said nearly everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import shapes

import recon.scan.preparation.sides_without_normals as module
from recon.errors import ScanError
from recon.geometry import Float, PointCloud
from recon.scan.preparation.sides_without_normals import Walls

pytestmark = pytest.mark.slow

BOX = np.array([[-1.0, -1, -1], [1, 1, 1]])


def sphere(points: Float) -> Float:
    return np.linalg.norm(points, axis=1) - 0.8


def torus(points: Float) -> Float:
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - 0.6, points[:, 2]) - 0.2


CLOUDS = {
    "sphere": (PointCloud(0.8 * shapes.sphere(8000).points), sphere),
    "sparse sphere": (PointCloud(0.8 * shapes.sphere(1000).points), sphere),
    "noisy sphere": (PointCloud(0.8 * shapes.sphere(8000, noise=0.01).points), sphere),
    "torus": (PointCloud(shapes.torus(8000).points), torus),
}


@pytest.fixture(autouse=True)
def few_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRID_CELLS", 64)


@pytest.mark.parametrize("name", CLOUDS)
def test_the_side_is_right_wherever_it_is_certain(name: str) -> None:
    """But for a few places in the holes between scattered points, less than a spacing from the surface."""
    cloud, distance = CLOUDS[name]
    queries = np.random.default_rng(1).uniform(-1, 1, (20_000, 3))
    walls = Walls(cloud, BOX)
    exact, found = distance(queries), walls.signed_distance(queries)
    certain = np.isfinite(found)
    wrong = certain & (np.sign(found) != np.sign(exact))
    assert wrong.sum() < 0.002 * certain.sum() and np.abs(exact[wrong]).max(initial=0.0) < walls.spacing
    assert certain.mean() > 0.85
    assert (certain & (exact < 0)).sum() > 0.5 * (exact < 0).sum()
    assert np.abs(found - exact)[certain & ~wrong].max() < 1.5 * walls.spacing


def test_distances_are_those_of_the_surface_not_of_its_nearest_point() -> None:
    walls = Walls(PointCloud(0.8 * shapes.cube(20_000).points), BOX)
    rng = np.random.default_rng(1)
    queries = rng.uniform(-0.6, 0.6, (20_000, 3))
    queries[:, 0] = rng.choice([0.74, 0.86], 20_000)  # 0.06 inside and outside of a face
    found = np.abs(walls.signed_distance(queries))
    certain = np.isfinite(found)
    too_far = walls.tree.query(queries[certain])[0].mean() - 0.06
    assert certain.mean() > 0.9 and too_far > 0.05 * walls.spacing
    assert abs(found[certain].mean() - 0.06) < 0.5 * too_far


@pytest.mark.parametrize(("count", "cells"), [(2000, 64), (8000, 128)])
def test_a_part_too_thin_to_have_an_inside_is_left_open(
    count: int, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a plate one spacing thick, over a sphere: it is not told to be outside."""
    monkeypatch.setattr(module, "GRID_CELLS", cells)
    spacing, centre = 0.6 * np.sqrt(4 * np.pi / count), np.array([0.0, 0.0, 0.75])
    plate = 0.25 * shapes.plate(round(2 * 0.5**2 / spacing**2), 4 * spacing).points + centre
    walls = Walls(PointCloud(np.concatenate([0.6 * shapes.sphere(count).points, plate])), BOX)
    within = np.random.default_rng(1).uniform(-1, 1, (5000, 3)) * [0.2, 0.2, 0.4 * spacing] + centre
    assert (walls.signed_distance(within) > 0).mean() < 0.1


def test_a_hole_is_shut() -> None:
    cloud, distance = CLOUDS["sphere"]
    holed = cloud.select(cloud.points @ [0.0, 0, 1] < 0.79)  # a cap of a width of 0.25 is missing
    queries = np.random.default_rng(1).uniform(-1, 1, (20_000, 3))
    found = Walls(holed, BOX).signed_distance(queries)
    certain = np.isfinite(found)
    assert (np.sign(found) == np.sign(distance(queries)))[certain].mean() > 0.999
    assert (found[certain] < 0).sum() > 1000


@pytest.mark.parametrize("name", ["half_sphere", "plane"])
def test_where_nothing_is_enclosed_there_is_no_side(name: str) -> None:
    cloud = getattr(shapes, name)(8000)
    with pytest.raises(ScanError, match=r"encloses nothing .* use --normals estimate") as caught:
        Walls(PointCloud(0.8 * cloud.points, source="half.ply"), BOX)
    assert str(caught.value).startswith("half.ply") and "\n" not in str(caught.value)


def test_samples_are_certain_and_seeded() -> None:
    cloud, distance = CLOUDS["torus"]
    walls = Walls(cloud, BOX)
    samples = walls.sample(BOX, 8000, 0.5, seed=3)
    assert len(samples.points) == len(samples.distances) == 8000 and samples.uniform == 4000
    assert np.isfinite(samples.distances).all() and np.abs(samples.points).max() <= 1
    assert (np.sign(samples.distances) == np.sign(distance(samples.points))).all()
    assert np.array_equal(walls.sample(BOX, 8000, 0.5, seed=3).points, samples.points)
    assert not np.array_equal(walls.sample(BOX, 8000, 0.5, seed=4).points, samples.points)

"""Which side is solid without normals: right wherever it is said, and said nearly everywhere."""

from __future__ import annotations

import numpy as np
import pytest
import shapes

import recon.scan.unoriented as module
from recon.errors import ScanError
from recon.geometry import Float, PointCloud
from recon.scan.unoriented import Walls

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
    monkeypatch.setattr(module, "CELLS", 64)


@pytest.mark.parametrize("name", CLOUDS)
def test_the_side_is_right_wherever_it_is_certain(name: str) -> None:
    cloud, distance = CLOUDS[name]
    queries = np.random.default_rng(1).uniform(-1, 1, (20_000, 3))
    exact, found = distance(queries), Walls(cloud, BOX).signed_distance(queries)
    certain = np.isfinite(found)
    assert (np.sign(found) == np.sign(exact))[certain].all()
    assert certain.mean() > 0.5
    assert (certain & (exact < 0)).sum() > 0.1 * (exact < 0).sum()
    assert np.abs(found - exact)[certain].max() < 0.08


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
    assert len(samples.points) == len(samples.distances) and 3000 < samples.uniform <= 4000
    assert np.isfinite(samples.distances).all() and np.abs(samples.points).max() <= 1
    assert (np.sign(samples.distances) == np.sign(distance(samples.points))).all()
    assert np.array_equal(walls.sample(BOX, 8000, 0.5, seed=3).points, samples.points)
    assert not np.array_equal(walls.sample(BOX, 8000, 0.5, seed=4).points, samples.points)

"""A thinned cloud is part of the cloud, small enough, and more even."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.spatial import cKDTree
from shapes import sphere, unit

from recon.geometry import Float, PointCloud
from recon.scan.preparation.thinning import MIN_FILL, thinned


def spacings(points: Float) -> Float:
    return cKDTree(points).query(points, 5)[0][:, -1]


def all_attributes(points: Float) -> PointCloud:
    number = np.arange(len(points))
    return PointCloud(
        points,
        unit(np.random.default_rng(1).normal(size=points.shape)),
        np.stack([number % 256, number // 256 % 256, number // 65536], axis=1),
        "scan.ply",
        points + 1,
        {"number": number},
        "metre",
    )


def graded() -> Float:
    """The unit sphere, its upper half twenty times as dense."""
    points = sphere(42_000).points
    return points[(points[:, 2] > 0) | (np.arange(len(points)) % 20 == 0)]


CLOUDS = {
    "graded sphere": graded(),
    "plane": np.random.default_rng(2).uniform(-1, 1, (20_000, 3)) * [1, 1, 0],
    "line": np.random.default_rng(3).uniform(-1, 1, (20_000, 1)) * [1.0, 2.0, 3.0],
    "volume": np.random.default_rng(4).uniform(-1, 1, (20_000, 3)),
    "grid": np.stack(np.meshgrid(*3 * [np.arange(28.0)]), -1).reshape(-1, 3),
    "clusters": np.concatenate(
        [scale * np.random.default_rng(5).normal(size=(7000, 3)) + scale for scale in (1, 1e-3, 1e-6)]
    ),
    "a dot and one far point": np.concatenate([1e-8 * sphere(20_000).points, [[1.0, 1.0, 1.0]]]),
    "duplicates": np.repeat(sphere(400).points, 50, axis=0),
    "far away": 1e7 + sphere(20_000).points,
}


@pytest.mark.parametrize("most", [300, 5000])
@pytest.mark.parametrize("name", CLOUDS)
def test_no_more_are_kept_than_asked_for_all_of_them_the_clouds_own(name: str, most: int) -> None:
    cloud = all_attributes(CLOUDS[name])
    kept = thinned(cloud, most)
    assert 0 < len(kept) <= most
    number = kept.values["number"].astype(int)
    assert (np.diff(number) > 0).all()  # in their order, none twice
    for name, value in dataclasses.asdict(cloud.select(number)).items():
        if name == "values":
            assert (kept.values["number"] == value["number"]).all()
        elif isinstance(value, np.ndarray):
            assert (getattr(kept, name) == value).all()
        else:
            assert getattr(kept, name) == value


@pytest.mark.parametrize("name", ["graded sphere", "plane", "line", "volume", "far away"])
def test_nearly_as_many_are_kept_as_asked_for(name: str) -> None:
    assert len(thinned(PointCloud(CLOUDS[name]), 5000)) >= MIN_FILL * 5000


@pytest.mark.parametrize("most", [2000, 5000])
def test_dense_parts_lose_most(most: int) -> None:
    points = CLOUDS["graded sphere"]
    kept = thinned(PointCloud(points), most).points
    upper = lambda p: (p[:, 2] > 0).mean()  # noqa: E731
    assert upper(points) > 0.94 and upper(kept) < 0.88
    half = lambda p, sign: np.median(spacings(p)[sign * p[:, 2] > 0])  # noqa: E731
    ratio = lambda p: half(p, -1) / half(p, 1)  # noqa: E731
    assert ratio(points) > 4 and ratio(kept) < 0.6 * ratio(points)
    at_random = points[np.random.default_rng(1).choice(len(points), len(kept), replace=False)]
    assert spacings(kept).min() > 2 * spacings(at_random).min()


@pytest.mark.parametrize("most", [4000, 4001])
def test_a_cloud_that_is_small_enough_stays_as_it_is(most: int) -> None:
    cloud = sphere(4000)
    assert thinned(cloud, most) is cloud


def test_it_is_the_same_every_time() -> None:
    cloud = PointCloud(CLOUDS["clusters"])
    assert np.array_equal(thinned(cloud, 700).points, thinned(cloud, 700).points)

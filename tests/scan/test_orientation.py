"""Signs of normals: one side for all of a surface, whatever signs they come with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from shapes import cube, half_sphere, plate, sphere, torus

from recon.geometry import Float, Int, PointCloud
from recon.scan.preparation.orientation import pair_votes, signs_by_votes


def neighbours(points: Float, count: int = 20) -> Int:
    return cKDTree(points).query(points, count + 1)[1][:, 1:]


def signs_of(points: Float, normals: Float, near: Int) -> tuple[Float, Int]:
    return signs_by_votes(pair_votes(points, normals, near, 1)[0], near)


def random_signs(count: int, seed: int = 1) -> Float:
    return np.random.default_rng(seed).choice([-1.0, 1.0], count)


SHAPES = {
    "sphere": sphere(),
    "noisy sphere": sphere(8000, noise=0.01),
    "torus": torus(),
    "cube": cube(),
    "thin plate": plate(thickness=0.06),  # 1.6 spacings
    "half sphere": half_sphere(),
}


@pytest.mark.parametrize("name", SHAPES)
def test_all_of_a_surface_gets_one_side(name: str) -> None:
    cloud = SHAPES[name]
    lost = random_signs(len(cloud))
    signs, part = signs_of(cloud.points, cloud.normals * lost[:, None], neighbours(cloud.points))
    right = (signs * lost > 0).mean()
    assert max(right, 1 - right) >= 0.999
    assert part.max() == 0


@pytest.mark.parametrize("name", SHAPES)
def test_the_signs_that_come_do_not_matter(name: str) -> None:
    cloud = SHAPES[name]
    near = neighbours(cloud.points)
    found = []
    for seed in (1, 2):
        lost = random_signs(len(cloud), seed)
        found.append(signs_of(cloud.points, cloud.normals * lost[:, None], near)[0] * lost)
    assert abs((found[0] * found[1]).mean()) == 1


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_does_not_matter(scale: float) -> None:
    cloud = SHAPES["torus"]
    near = neighbours(cloud.points)
    normals = cloud.normals * random_signs(len(cloud))[:, None]
    signs, part = signs_of(scale * cloud.points, normals, near)
    as_large, _ = signs_of(cloud.points, normals, near)
    assert (signs == as_large).all() and part.max() == 0


def test_parts_that_no_pair_joins_are_told_apart_each_with_one_side() -> None:
    small, large = sphere(1000), torus(3000)
    points = np.concatenate([0.3 * small.points + [5, 0, 0], large.points])
    both = PointCloud(points, np.concatenate([small.normals, large.normals]))
    order = np.random.default_rng(3).permutation(len(both))
    both = both.select(order)
    first = order < 1000
    lost = random_signs(len(both))
    signs, part = signs_of(both.points, both.normals * lost[:, None], neighbours(both.points))
    assert len(np.unique(part)) == 2 and len(np.unique(part[first])) == len(np.unique(part[~first])) == 1
    for members in (first, ~first):
        assert abs((signs * lost)[members].mean()) > 0.998


def test_two_points_are_enough() -> None:
    points, normals = np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0.0, 0, 1], [0, 0, -1]])
    signs, part = signs_of(points, normals, np.array([[1], [0]]))
    assert signs[0] == -signs[1] and part.tolist() == [0, 0]

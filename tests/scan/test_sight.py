"""What points see of each other: both face the free space between them, or neither does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from shapes import cube, plane, sphere, torus

from recon.geometry import Float, Int, PointCloud
from recon.scan.preparation.sight import sight_pairs


def neighbours(points: Float, count: int = 20) -> Int:
    return cKDTree(points).query(points, count + 1)[1][:, 1:]


@pytest.mark.parametrize("cloud", [sphere(), torus(), cube()], ids=["sphere", "torus", "cube"])
def test_all_pairs_of_a_closed_shape_vote_for_its_outward_normals(cloud: PointCloud) -> None:
    pairs = sight_pairs(cloud.points, cloud.normals, neighbours(cloud.points))
    assert len(pairs.a) > 1000
    against = np.abs(pairs.votes[pairs.votes < 0]).sum() / np.abs(pairs.votes).sum()
    assert against < 0.01


def test_a_convex_shape_sees_itself_only_from_inside() -> None:
    cloud = sphere()
    pairs = sight_pairs(cloud.points, cloud.normals, neighbours(cloud.points))
    ray = cloud.points[pairs.b] - cloud.points[pairs.a]
    assert ((cloud.normals[pairs.a] * ray).sum(1) < 0).mean() > 0.99


def test_the_votes_turn_with_the_normals() -> None:
    cloud = torus()
    near = neighbours(cloud.points)
    turned = np.where(np.arange(len(cloud)) % 2, -1.0, 1.0)
    seen = sight_pairs(cloud.points, turned[:, None] * cloud.normals, near)
    assert ((seen.votes > 0) == (turned[seen.a] == turned[seen.b])).mean() > 0.99


@pytest.mark.parametrize("height", [0.3, 2.0])
def test_sheets_see_each_other_however_far(height: float) -> None:
    floor, ceiling = plane(seed=0), plane(seed=1)
    points = np.concatenate([floor.points, ceiling.points + np.array([0, 0, height])])
    normals = np.concatenate([floor.normals, -ceiling.normals])
    pairs = sight_pairs(points, normals, neighbours(points))
    assert len(pairs.a) > 1000 and (pairs.votes > 0).mean() > 0.99
    assert ((pairs.a < len(floor)) != (pairs.b < len(floor))).mean() > 0.99


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_does_not_matter(scale: float) -> None:
    cloud = torus()
    near = neighbours(cloud.points)
    pairs, scaled = (sight_pairs(size * cloud.points, cloud.normals, near) for size in (1.0, scale))
    assert (pairs.a == scaled.a).all() and (pairs.b == scaled.b).all()


def test_pairs_can_be_kept_within_parts() -> None:
    cloud = sphere()
    part = (cloud.points[:, 0] > 0).astype(np.int64)
    pairs = sight_pairs(cloud.points, cloud.normals, neighbours(cloud.points))
    kept = pairs.select(part)
    assert 0 < len(kept.a) < len(pairs.a) and (part[kept.a] == part[kept.b]).all()


def test_a_flat_sheet_sees_nothing() -> None:
    cloud = plane()
    assert not len(sight_pairs(cloud.points, cloud.normals, neighbours(cloud.points)).a)

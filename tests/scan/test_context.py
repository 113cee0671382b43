"""A part of a scene takes its sides from the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree
from shapes import sphere

from recon.geometry import Frame, PointCloud
from recon.scan.preparation.context import AS_GIVEN, ESTIMATED, MIXED, TURNED, Context
from recon.scan.preparation.prepare import prepared
from recon.scan.preparation.sides import outside_votes
from recon.scan.settings import ScanConfig


def part() -> PointCloud:
    """A cap of a ball: alone, it would not know that the ball is solid rather than hollow."""
    ball = sphere(6000)
    return ball.select(ball.points[:, 0] > 0.7)


@pytest.mark.parametrize("hollow", [False, True])
@pytest.mark.parametrize("how", [AS_GIVEN, TURNED, MIXED, ESTIMATED])
def test_a_part_is_on_the_side_of_the_whole(how: str, hollow: bool) -> None:
    side = -1.0 if hollow else 1.0
    few = sphere(500, seed=1)
    assert few.normals is not None
    context = Context(replace(few, normals=side * few.normals), how, False, 0.02)
    cap = part()
    assert cap.normals is not None
    signs = {AS_GIVEN: 1.0, TURNED: -1.0, MIXED: np.random.default_rng(0).choice([-1.0, 1.0], (len(cap), 1))}
    given = None if how == ESTIMATED else side * signs[how] * cap.normals
    bare, _ = prepared(replace(cap, normals=None), ScanConfig(), context=context)  # as if all were unusable
    assert bare.normals is not None and (side * (bare.normals * bare.points).sum(1) > 0).all()
    cloud, was_estimated = prepared(replace(cap, normals=given), ScanConfig(), context=context)
    assert cloud.normals is not None and was_estimated == (how == ESTIMATED)
    assert (side * (cloud.normals * cloud.points).sum(1) > 0).all()


def test_what_is_beyond_a_part_is_not_in_its_box() -> None:
    context = Context(sphere(2000), AS_GIVEN, False, 0.02)
    cap, frame = part(), Frame(np.array([1.0, 0.0, 0.0]), 0.5)
    rest = context.beyond(cap, frame)
    world = frame.to_world(rest.points)
    inside = ((world >= cap.points.min(0)) & (world <= cap.points.max(0))).all(1)
    assert not inside.any() and 1500 < len(rest) < 2000 and rest.normals is not None


@pytest.mark.parametrize("flipped", [-1.0, 1.0])
def test_a_roof_with_a_parapet_faces_up(flipped: float) -> None:
    rng = np.random.default_rng(0)
    flat = np.column_stack([rng.uniform(-9, 9, (4000, 2)), np.zeros(4000)])
    rim = np.abs(flat[:, :2]).max(1) > 8
    flat[rim, 2] = 1.0
    walls = rng.uniform(-8, 8, (600, 2))
    walls = np.column_stack([walls[:, 0], np.full(600, 8.0), rng.uniform(0, 1, 600)])
    points = np.concatenate([flat, walls])
    normals = np.concatenate([np.tile([0.0, 0, 1], (4000, 1)), np.tile([0.0, -1, 0], (600, 1))])
    near = cKDTree(points).query(points, 9)[1][:, 1:].astype(np.int32)
    votes, _ = outside_votes(points, flipped * normals, near, np.zeros(len(points), np.int64))
    assert np.sign(votes[0]) == flipped

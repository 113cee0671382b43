"""Things that touch: each keeps its own outside, whatever the points beside the touch say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from shapes import cube, plane, sphere, torus

from recon.geometry import Float, Int, PointCloud
from recon.scan.preparation.normals import completed, estimated
from recon.scan.preparation.touching import level_deviation

pytestmark = pytest.mark.slow

THINGS = {
    "ball": sphere(6000),
    "ring": torus(8000),
    "box": cube(6000),
    "noisy ball": sphere(6000, noise=0.01),
}


def on_the_ground(thing: PointCloud, *, gap: float = 0.0) -> tuple[PointCloud, np.ndarray]:
    """`thing` standing on a square three times as wide, and which points are it; no ground nearer than
    `gap` to where it stands."""
    points = thing.points - [0, 0, thing.points[:, 2].min()]
    width = 1.5 * np.ptp(points[:, 0])
    ground = plane(10_000)
    floor = width * ground.points
    foot = points[points[:, 2] < 0.1][:, :2]
    clear = cKDTree(foot).query(floor[:, :2])[0] >= gap
    both = PointCloud(
        np.concatenate([points, floor[clear]]), np.concatenate([thing.normals, ground.normals[clear]])
    )
    return both, np.arange(len(both)) < len(points)


def right(found: PointCloud, truth: PointCloud) -> Float:
    assert found.normals is not None and truth.normals is not None
    return ((found.normals * truth.normals).sum(1) > 0).astype(np.float64)


@pytest.mark.parametrize("name", THINGS)
@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_a_thing_on_the_ground_faces_outward_and_the_ground_up(name: str, gap: float) -> None:
    """But for the ground below it, which it hides."""
    truth, thing = on_the_ground(THINGS[name], gap=gap)
    found = right(estimated(PointCloud(truth.points)), truth)
    covered = cKDTree(truth.points[thing][:, :2]).query(truth.points[:, :2])[0] < 0.1
    assert found[thing].mean() > 0.98
    assert found[~thing & ~covered].mean() > 0.98


def test_missing_normals_are_on_the_side_of_given_ones_beyond_the_touch() -> None:
    truth, thing = on_the_ground(THINGS["ball"])
    lacking = PointCloud(truth.points, np.where(thing[:, None], truth.normals, 0.0))
    found = right(completed(lacking), truth)
    assert found[thing].all() and found[~thing].mean() > 0.95


def scroll(count: int, turns: float, seed: int = 0) -> PointCloud:
    """`count` random points of a sheet rolled up, its turns 0.3 apart, that faces its axis throughout."""
    rng = np.random.default_rng(seed)
    start, end = 2 * np.pi, 2 * np.pi * (turns + 1)
    angle = np.sqrt(rng.uniform(start**2, end**2, count))
    radius, rate = 0.3 / (2 * np.pi) * angle, 0.3 / (2 * np.pi)
    cos, sin, zero = np.cos(angle), np.sin(angle), np.zeros(count)
    along = np.stack([rate * cos - radius * sin, rate * sin + radius * cos, zero], axis=1)
    normals = np.cross([0.0, 0.0, 1.0], along) / np.linalg.norm(along, axis=1, keepdims=True)
    return PointCloud(np.stack([radius * cos, radius * sin, rng.uniform(-1, 1, count)], axis=1), normals)


@pytest.mark.parametrize("turns", [1.5, 2.5])
def test_a_sheet_that_sees_its_own_back_is_not_cut(turns: float) -> None:
    """All that its points see of each other is against it."""
    truth = scroll(6000, turns)
    found = right(estimated(PointCloud(truth.points)), truth).mean()
    assert max(found, 1 - found) > 0.998


def neighbours(points: Float, count: int = 20) -> Int:
    return cKDTree(points).query(points, count + 1)[1][:, 1:]


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_the_levels_of_a_hollow_ball_are_even_if_its_cavity_faces_inward(
    scale: float,
) -> None:
    shell = sphere(4000)
    points = scale * np.concatenate([shell.points, 0.5 * sphere(4000, seed=1).points])
    near = neighbours(points)
    outward = np.concatenate([shell.normals, 2 * points[4000:] / scale])
    solid = np.where(np.arange(8000) < 4000, 1.0, -1.0)[:, None] * outward
    assert level_deviation(points, solid, near) < 0.02
    assert level_deviation(points, outward, near) == pytest.approx(0.5, abs=0.03)

"""Points of noisy scans come closer to their surface."""

from __future__ import annotations

import numpy as np
import pytest

from recon.geometry import Float, PointCloud
from recon.scan.preparation import smoothing
from recon.scan.preparation.smoothing import smoothed, with_normals_of

RNG = np.random.default_rng(0)


def sphere(count: int, noise: float, tilt: float = 0.2) -> PointCloud:
    normals = RNG.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    tilted = normals + tilt * RNG.normal(size=(count, 3))
    tilted /= np.linalg.norm(tilted, axis=1, keepdims=True)
    return PointCloud(normals + noise * RNG.normal(size=(count, 3)), tilted)


def height(points: Float) -> Float:
    return np.linalg.norm(points, axis=1) - 1


def test_a_sphere_becomes_rounder_and_no_smaller() -> None:
    noise, spacing = 0.02, 0.025
    cloud = sphere(20_000, noise)
    found = smoothed(cloud, noise, spacing)
    assert np.abs(height(found.points)).mean() < 0.3 * np.abs(height(cloud.points)).mean()
    assert abs(height(found.points).mean()) < 0.05 * noise
    outward = found.points / np.linalg.norm(found.points, axis=1, keepdims=True)
    assert (1 - (found.normals * outward).sum(1)).mean() < 0.01
    assert np.linalg.norm(found.normals, axis=1) == pytest.approx(1)


def test_the_sides_of_a_thin_wall_stay_apart() -> None:
    """A wall as thick as four standard deviations of the noise, whose sides' neighbours are mixed."""
    count, noise, thick = 10_000, 0.01, 0.04
    side = np.sign(RNG.uniform(-1, 1, count))
    flat = RNG.uniform(-1, 1, (count, 2))
    normals = np.outer(side, [0.0, 0.0, 1.0])
    points = np.column_stack([flat, side * thick / 2 + noise * RNG.normal(size=count)])
    found = smoothed(PointCloud(points, normals), noise, 0.028)
    middle = np.abs(flat).max(1) < 0.8
    off = found.points[middle, 2] - side[middle] * thick / 2
    assert np.abs(off).mean() < 0.3 * noise


@pytest.mark.parametrize("turn", [0.3, 2.0])
def test_it_turns_with_the_scan(turn: float) -> None:
    cloud = sphere(2_000, 0.03)
    c, s = np.cos(turn), np.sin(turn)
    matrix = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    assert cloud.normals is not None
    turned = PointCloud(100 * cloud.points @ matrix.T + [1, 2, 3], cloud.normals @ matrix.T)
    found, expected = smoothed(turned, 3.0, 8.0), smoothed(cloud, 0.03, 0.08)
    assert found.points == pytest.approx(100 * expected.points @ matrix.T + [1, 2, 3], abs=1e-4 * 3.0)


def test_quiet_scans_and_those_without_normals_stay_as_they_are() -> None:
    cloud = sphere(1_000, 0.01)
    assert smoothed(cloud, 0.01, 0.1) is cloud
    bare = PointCloud(cloud.points)
    assert smoothed(bare, 0.1, 0.1) is bare


def test_of_a_large_scan_a_share_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoothing, "MAX_POINTS", 2_000)
    assert len(smoothed(sphere(3_000, 0.05), 0.05, 0.065)) == 2_000


def test_points_take_the_smoothed_normals_of_their_own_side() -> None:
    """Of a wall thinner than the points are apart: the nearest smoothed point is often on the other side."""
    side = np.sign(RNG.uniform(-1, 1, 4_000))
    points = np.column_stack([RNG.uniform(-1, 1, (4_000, 2)), 0.01 * side])
    clear = PointCloud(points, np.outer(side, [0.0, 0.0, 1.0]))
    assert clear.normals is not None
    tilted = clear.normals + 0.3 * RNG.normal(size=points.shape)
    moved = points + 0.02 * RNG.normal(size=points.shape)
    cloud = PointCloud(moved, tilted / np.linalg.norm(tilted, axis=1, keepdims=True))
    found = with_normals_of(clear, cloud)
    assert (found.points == moved).all() and found.normals is not None
    agree = (cloud.normals * clear.normals).sum(1) > 0  # type: ignore[operator]
    assert (found.normals[agree] == clear.normals[agree]).all(1).mean() > 0.9

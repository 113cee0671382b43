"""The rim of a trimmed surface is closer to the edge of what was scanned than the points to each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial import cKDTree
from test_trimming import BALL, SCAN, SPACING, grid, is_manifold, rim

from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.topology import topology
from recon.meshing.trimming import trimmed

pytestmark = pytest.mark.slow

COUNT, APART = 10_000, 0.01  # points of the whole square from 0 to 1, and their spacing
PLANE = grid(120)


def scanned(edge: Callable[[Float], Float], noise: float = 0.0, seed: int = 0) -> PointCloud:
    """Even random points of the plane z = 0 where `edge`, the signed distance, is negative; `noise` off."""
    rng = np.random.default_rng(seed)
    points = rng.random((COUNT, 2))
    points = points[edge(points) < 0]
    points = np.column_stack([points, np.zeros(len(points))]) + noise * rng.normal(size=(len(points), 3))
    return PointCloud(points, np.broadcast_to([0.0, 0, 1], points.shape))


def box(p: Float, low: float, high: float) -> Float:
    out = np.maximum(low - p, p - high)
    return np.hypot(*np.maximum(out, 0).T) + np.minimum(out.max(1), 0)


def square(p: Float) -> Float:
    return box(p, 0.2, 0.8)


def angle(p: Float) -> Float:
    """Of an L: the square without its upper right quarter; exact outside and on the edge."""
    return np.maximum(square(p), -box(p, 0.5, 1.5))


def disc(p: Float) -> Float:
    return np.linalg.norm(p - 0.5, axis=1) - 0.3


def ring(p: Float) -> Float:
    return np.abs(np.linalg.norm(p - 0.5, axis=1) - 0.3) - 0.1


def cut(scan: PointCloud) -> Mesh:
    mesh, was_open = trimmed(PLANE, scan, "auto")
    assert was_open and is_manifold(mesh)
    return mesh


@pytest.mark.parametrize("top", [0.0, 0.4, -0.4])
def test_of_a_part_of_a_sphere_it_is_within_a_spacing_and_unbiased(top: float) -> None:
    mesh, _ = trimmed(BALL, SCAN.select(SCAN.points[:, 2] < top), "auto")
    off = (np.arcsin(rim(mesh)[:, 2]) - np.arcsin(top)) / SPACING
    assert np.abs(off).mean() < 0.2 and np.abs(off.mean()) < 0.1
    assert np.percentile(np.abs(off), 99) < 0.8


@pytest.mark.parametrize(("edge", "loops"), [(square, 1), (angle, 1), (disc, 1), (ring, 2)])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_there_whatever_the_outline(edge: Callable[[Float], Float], loops: int, seed: int) -> None:
    mesh = cut(scanned(edge, seed=seed))
    off = edge(rim(mesh)[:, :2]) / APART
    assert topology(mesh).boundary_loops == loops
    assert np.abs(off).mean() < 0.22 and np.abs(off.mean()) < 0.1
    assert np.percentile(np.abs(off), 99) < 1


@pytest.mark.parametrize("edge", [square, disc])
def test_noise_hardly_pushes_it_out(edge: Callable[[Float], Float]) -> None:
    """Of points half a spacing off, the outermost lie further out than any of the rim need."""
    scan = scanned(edge, noise=0.5 * APART)
    assert edge(scan.points[:, :2]).max() > 0.7 * APART
    off = edge(rim(cut(scan))[:, :2]) / APART
    assert np.abs(off).mean() < 0.35 and np.percentile(np.abs(off), 99) < 1


def test_corners_are_not_cut_off() -> None:
    corners = np.array([[0.2, 0.2], [0.8, 0.2], [0.2, 0.8], [0.8, 0.5], [0.5, 0.8], [0.5, 0.5]])
    away = [cKDTree(rim(cut(scanned(angle, seed=seed)))[:, :2]).query(corners)[0] for seed in range(3)]
    assert np.mean(away) < 1.1 * APART and np.max(away) < 2 * APART

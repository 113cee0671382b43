"""Scan lines: thinned to the distance between them, place by place; other scans are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree
from shapes import cube, half_sphere, plate, sphere, torus

from recon.geometry import Float, PointCloud
from recon.scan.preparation.lines import on_lines
from recon.scan.preparation.prepare import prepared
from recon.scan.settings import ScanConfig

pytestmark = pytest.mark.slow


def rings(ratio: float, bend: float = 0.0, noise: float = 0.0, seed: int = 0) -> tuple[Float, Float]:
    """Points and normals of a tube of radius 1, in rings half of that apart and `ratio` times as dense."""
    rng = np.random.default_rng(seed)
    around = int(2 * np.pi * ratio / 0.5)
    angle = 2 * np.pi * (np.arange(around) + rng.random((24, 1))) / around
    along = np.broadcast_to(0.5 * np.arange(24)[:, None], angle.shape)
    normals = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1).reshape(-1, 3)
    points = normals + np.stack([bend * along**2, 0 * along, along], axis=-1).reshape(-1, 3)
    return points + noise * rng.normal(size=points.shape), normals


@pytest.mark.parametrize("ratio", [10, 20, 50])
@pytest.mark.parametrize(("bend", "noise"), [(0.0, 0.0), (0.01, 0.0), (0.0, 0.01)])
def test_lines_are_thinned_until_their_points_are_as_far_apart_as_they_are(
    ratio: float, bend: float, noise: float
) -> None:
    for seed in range(3):
        points, _ = rings(ratio, bend, noise, seed)
        kept = on_lines(points)
        assert kept is not None and (np.diff(kept) > 0).all()
        apart = cKDTree(points[kept]).query(points[kept], 2)[0][:, 1]
        assert 0.1 < np.median(apart) < 0.5  # cells are a quarter to a half of the lines' distance of 0.5
        assert cKDTree(points[kept]).query(points)[0].max() < 0.5


def test_their_normals_are_those_of_the_surface() -> None:
    points, normals = rings(30)
    found, _ = prepared(PointCloud(points), ScanConfig())
    at = cKDTree(points).query(found.points)[1]
    assert ((found.normals * normals[at]).sum(1) > 0.9).mean() > 0.95  # but for the ends


GRID = np.stack(np.meshgrid(np.arange(60.0), np.arange(60.0), 0.0), axis=-1).reshape(-1, 3)
WIRES = np.stack(np.meshgrid(np.arange(500.0), [0.0, 900.0], 0.0), axis=-1).reshape(-1, 3)
SCANS = {
    "sphere": sphere(4000),
    "torus": torus(4000, noise=0.02),
    "cube": cube(),
    "plate": plate(),
    "half a sphere": half_sphere(),
    "rings three times as dense along them": PointCloud(rings(3)[0]),
    "a grid": PointCloud(GRID),
    "wires": PointCloud(WIRES),
}


@pytest.mark.parametrize("name", SCANS)
def test_other_scans_are_left_alone(name: str) -> None:
    assert on_lines(SCANS[name].points) is None


def test_only_the_part_on_lines_is_thinned_and_each_place_for_itself() -> None:
    """Rings whose distance doubles on the way, and a ball beside them."""
    fine, coarse = rings(30)[0], 2 * rings(30, seed=1)[0] + [0, 0, 14]
    ball = sphere(3000).points + np.array([8.0, 0, 0])
    points = np.concatenate([fine, coarse, ball])
    kept = on_lines(points)
    assert kept is not None
    here = [kept < len(fine), (kept >= len(fine)) & (kept < len(points) - 3000), kept >= len(points) - 3000]
    assert here[2].sum() == 3000
    counts = here[0].sum(), here[1].sum()
    assert 0.5 < counts[0] / counts[1] < 2 and max(counts) < 0.2 * len(fine)

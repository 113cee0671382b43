"""Gaussian splats as points: colours, opacity, and the normals of flat ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement
from scipy.spatial.transform import Rotation
from shapes import sphere

from recon.scan.files import read_cloud
from recon.scan.preparation.normals import oriented
from recon.scan.settings import ScanConfig

CLOUD = sphere(1000)
HARMONIC = 0.28209479177387814


def write_splats(path: Path, opacity: np.ndarray, flatness: float = 0.01, **more: np.ndarray) -> Path:
    """A splat at each point of a sphere, along it, its colour the place's."""
    n = len(CLOUD.points)
    across = np.random.default_rng(5).normal(size=(n, 3))
    first = np.cross(CLOUD.normals, across)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    axes = np.stack([CLOUD.normals, first, np.cross(CLOUD.normals, first)], axis=2)
    turn = Rotation.from_matrix(axes).as_quat()[:, [3, 0, 1, 2]] * 7  # of any length
    columns = dict(zip("xyz", CLOUD.points.T, strict=True))
    columns |= {name: np.zeros(n) for name in ("nx", "ny", "nz")}
    columns |= {f"f_dc_{i}": (CLOUD.points[:, i] / 2) / HARMONIC for i in range(3)}
    columns |= {"f_rest_0": np.ones(n), "opacity": opacity}
    columns |= {f"scale_{i}": np.full(n, np.log(0.02 * (flatness if i == 0 else 1))) for i in range(3)}
    columns |= {f"rot_{i}": turn[:, i] for i in range(4)} | more
    rows = np.empty(n, [(name, "f4") for name in columns])
    for name, column in columns.items():
        rows[name] = column
    PlyData([PlyElement.describe(rows, "vertex")]).write(path)
    return path


def test_colours_are_the_constant_harmonic_and_faint_ones_go(tmp_path: Path) -> None:
    opacity = np.where(np.arange(1000) % 4 == 0, -4.0, 2.0)
    cloud = read_cloud(write_splats(tmp_path / "splats.ply", opacity))
    seen = opacity > 0
    np.testing.assert_allclose(cloud.points, CLOUD.points[seen], atol=1e-6)
    np.testing.assert_allclose(cloud.colors, 127.5 + 127.5 * CLOUD.points[seen], atol=0.6)
    assert cloud.values == {}


def test_flat_ones_have_their_shortest_axis_as_normal(tmp_path: Path) -> None:
    """Either way at first; turned outward like any others."""
    cloud = read_cloud(write_splats(tmp_path / "splats.ply", np.full(1000, 3.0)))
    np.testing.assert_allclose(abs((cloud.normals * CLOUD.normals).sum(1)), 1, atol=1e-5)
    found = oriented(cloud, ScanConfig()).normals
    assert ((found * CLOUD.normals).sum(1) > 0.99).mean() > 0.999


def test_round_ones_have_none(tmp_path: Path) -> None:
    assert read_cloud(write_splats(tmp_path / "splats.ply", np.full(1000, 3.0), 0.9)).normals is None
    flat = np.full(1000, np.log(0.02))
    flat[:600] -= 3
    cloud = read_cloud(write_splats(tmp_path / "some.ply", np.full(1000, 3.0), 1.0, scale_0=flat))
    assert cloud.normals[:600].any(1).all() and not cloud.normals[600:].any()


def test_what_is_damaged_in_them_is_missing(tmp_path: Path) -> None:
    broken = np.where(np.arange(1000) < 10, np.nan, 1.0)
    path = write_splats(tmp_path / "splats.ply", np.full(1000, 3.0), rot_0=broken, f_dc_1=broken)
    cloud = read_cloud(path)
    assert not cloud.normals[:10].any() and len(cloud) == 1000 and (cloud.colors[:10, 1] == 0).all()

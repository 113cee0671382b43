"""A mesh of many blocks is that of one: no seams, the same topology, whatever the field does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.made_scene import cut, meshed, normals_of, use
from scipy.spatial import cKDTree
from torch import Tensor

from recon.geometry import PointCloud
from recon.meshing.slivers import MIN_TRIANGLE_HEIGHT, heights
from recon.meshing.topology import topology
from recon.scan.preparation.context import AS_GIVEN, Context
from recon.surface.scenes.blocks import Scene, fit_block, mesh_block, read_arrays_of
from recon.surface.scenes.pieces import PIECE_FILE, finish_block
from recon.surface.scenes.plan import lattice
from recon.surface.scenes.sorting import read_sorted
from recon.surface.settings import PRESETS


def shell(count: int = 20_000) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    return 0.8 * points / np.linalg.norm(points, axis=1, keepdims=True)


def ball(x: Tensor) -> Tensor:
    return x.norm(dim=1) - 0.8


def wild(x: Tensor) -> Tensor:
    """Waves with hundreds of parts and handles, and slopes that a distance may have."""
    rng = np.random.default_rng(3)
    waves = torch.tensor(rng.normal(size=(12, 3)) * 14)
    return 0.006 * torch.sin(x @ waves.T + torch.tensor(rng.uniform(0, 6, 12))).sum(1) + 0.0012


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 8, 27])
def test_a_ball_in_blocks_is_a_ball(count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, found = shell(), {}
    for blocks in (1, count):
        folder = tmp_path / str(blocks)
        folder.mkdir()
        made = cut(points, blocks, folder)
        use(monkeypatch, lambda number: ball, points, made)
        found[blocks] = meshed(folder, made, points, 48)
    one, many = found[1], found[count]
    shape = topology(many[1])
    assert shape.watertight and shape.genus == 0 and shape.components == 1 and shape.outward
    assert (many[0].vertices, many[0].faces) == (shape.vertices, shape.faces)
    assert (many[0].components, many[0].genus, many[0].holes) == (1, 0, ())
    assert many[0].unseen == 0
    assert (shape.vertices, shape.faces) == (one[0].vertices, one[0].faces)
    assert cKDTree(one[1].vertices).query(many[1].vertices)[0].max() < 0.1 * 2.0 / 47
    assert np.abs(np.linalg.norm(many[1].vertices, axis=1) - 0.8).max() < 1e-6
    assert many[0].volume == pytest.approx(4 / 3 * np.pi * 0.8**3, rel=2e-3)
    assert many[0].area == pytest.approx(4 * np.pi * 0.8**2, rel=1e-3)


@pytest.mark.slow
def test_a_wild_field_in_blocks_has_the_topology_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = np.random.default_rng(0).uniform(-0.9, 0.9, (30_000, 3))
    shapes, lowest = [], []
    for blocks in (1, 12):
        folder = tmp_path / str(blocks)
        folder.mkdir()
        made = cut(points, blocks, folder)
        use(monkeypatch, lambda number: wild, points, made)
        joined, mesh = meshed(folder, made, points, 44)
        shapes.append(topology(mesh))
        assert (joined.components, joined.genus) == (shapes[-1].components, shapes[-1].genus)
        assert joined.watertight and shapes[-1].watertight
        cell = 2.0 / 43
        low = heights(torch.tensor(mesh.vertices), torch.tensor(mesh.faces)).min()
        lowest.append(float(low) / cell)
    assert shapes[0].components > 1 and shapes[0].genus > 50  # something to get wrong
    for name in ("vertices", "faces", "components", "genus", "boundary_edges"):
        assert getattr(shapes[0], name) == getattr(shapes[1], name), name
    assert min(lowest) > 0.99 * MIN_TRIANGLE_HEIGHT


@pytest.mark.slow
def test_surface_over_a_hole_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = shell(40_000)
    points = points[points[:, 2] < 0.5]
    made = cut(points, 3, tmp_path)
    use(monkeypatch, lambda number: ball, points, made)
    joined, _ = meshed(tmp_path, made, points, 44)
    assert 0.05 < joined.unseen < 0.2  # a lid on the scene's border is a ninth of it, by area


@pytest.mark.slow
def test_an_open_scan_in_blocks_ends_where_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = shell(60_000)
    points = points[points[:, 2] > 0.1]
    rims = []
    for blocks in (1, 6):
        folder = tmp_path / str(blocks)
        folder.mkdir()
        made = cut(points, blocks, folder)
        use(monkeypatch, lambda number: ball, points, made)
        joined, mesh = meshed(folder, made, points, 64, open=True)
        shape = topology(mesh)
        assert (shape.components, shape.boundary_loops, shape.nonmanifold_edges) == (1, 1, 0)
        assert (joined.components, len(joined.holes), joined.genus) == (1, 1, 0)
        assert joined.holes[0].length == pytest.approx(2 * np.pi * np.sqrt(0.64 - 0.01), rel=0.02)
        rims.append(mesh.vertices[:, 2].min())
    assert rims == pytest.approx([0.1, 0.1], abs=0.02)


def test_a_block_without_a_surface_is_told_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    points = np.concatenate([shell(5000), np.tile([[4.0, 0, 0]], (6000, 1))])
    made = cut(points, 2, tmp_path)
    config = PRESETS["draft"]
    context = Context(PointCloud(points, normals_of(points)), AS_GIVEN, True, 0.02)
    scene = Scene(tmp_path, made, lattice(made, config), context, config)
    far = int(made.corners[:, 1, 0].argmax())
    fit_block(scene, read_sorted(tmp_path), far)
    assert "there is no surface in it: the scene holds 1 usable points" in caplog.text
    mesh_block(scene, far)
    finish_block(scene, far, 1)
    assert not read_arrays_of(scene.of(far) / PIECE_FILE)

"""3D Tiles: the leaves are the mesh, what is above them holds what is below."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from recon.errors import OutputError
from recon.geometry import Mesh, vertex_normals
from recon.meshing import tiles
from recon.meshing.files import read_mesh
from recon.meshing.tiles import TILESET_FILE, check_tiles_folder, pieces_of, write_tiles

PLACE = np.array([5e5, 5e6, 100.0])


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Mesh, Path]:
    """A ball of 80 m, far from the origin, red in its upper half, and its tiles."""
    monkeypatch.setattr(tiles, "TILE_FACES", 800)
    monkeypatch.setattr(tiles, "LEAF_FACES", 3000)
    ball = trimesh.creation.icosphere(5, radius=80.0)
    colors = np.where(ball.vertices[:, 2:] > 0, [200, 0, 0], [0, 0, 200]).astype(np.uint8)
    mesh = Mesh(ball.vertices + PLACE, ball.faces, None, colors)
    mesh = Mesh(mesh.vertices, mesh.faces, vertex_normals(mesh), colors)
    pieces = pieces_of(mesh)
    middles = np.array([piece.vertices.mean(0) for piece in pieces])
    assert write_tiles(pieces.__getitem__, middles, tmp_path) == len(list(tmp_path.glob("*.glb")))
    return mesh, tmp_path


def walked(tile: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield tile
    for child in tile.get("children", []):
        yield from walked(child)


def content(folder: Path, tile: dict[str, Any]) -> trimesh.Trimesh:
    """The mesh of a tile as a viewer places it, without the transform of the root."""
    scene = trimesh.load(folder / tile["content"]["uri"], process=False)
    mesh = scene.to_mesh() if isinstance(scene, trimesh.Scene) else scene
    x, y, z = mesh.vertices.T
    mesh.vertices = np.stack([x, -z, y], axis=1)  # y up becomes z up
    return mesh


def test_the_leaves_are_the_mesh_where_it_was(made: tuple[Mesh, Path]) -> None:
    mesh, folder = made
    tileset = json.loads((folder / TILESET_FILE).read_text())
    assert tileset["asset"] == {"version": "1.1"}
    transform = np.reshape(tileset["root"]["transform"], (4, 4)).T
    leaves = [tile for tile in walked(tileset["root"]) if "children" not in tile]
    parts = [content(folder, tile) for tile in leaves]
    assert sum(len(part.faces) for part in parts) == len(mesh.faces)
    assert sum(part.area for part in parts) == pytest.approx(4 * np.pi * 80**2, rel=2e-3)
    for tile, part in zip(leaves, parts, strict=True):
        world = part.vertices + transform[:3, 3]
        assert np.abs(np.linalg.norm(world - PLACE, axis=1) - 80).max() < 1e-3
        colors = read_mesh(folder / tile["content"]["uri"]).colors
        assert colors is not None
        assert ((colors[:, 0] == 200) == (world[:, 2] - PLACE[2] > 1e-3)).mean() > 0.99
        assert (part.face_normals * part.triangles_center).sum(1).min() > 0  # they face outward


def test_a_tile_holds_what_is_below_it_in_fewer_triangles(made: tuple[Mesh, Path]) -> None:
    _, folder = made
    tileset = json.loads((folder / TILESET_FILE).read_text())
    for tile in walked(tileset["root"]):
        box = np.array(tile["boundingVolume"]["box"]).reshape(4, 3)
        part = content(folder, tile)
        assert (np.abs(part.vertices - box[0]) <= box[1:].diagonal() + 1e-3).all()
        below = tile.get("children", [])
        assert len(part.faces) <= (800 if below else 3000)
        assert tile["geometricError"] >= max((child["geometricError"] for child in below), default=0.0)
        assert (tile["geometricError"] == 0) == (not below)
        for child in below:
            inner = np.array(child["boundingVolume"]["box"]).reshape(4, 3)
            assert (np.abs(inner[0] - box[0]) + inner[1:].diagonal() <= box[1:].diagonal() + 1e-6).all()
    root = content(folder, tileset["root"])
    assert np.abs(np.linalg.norm(root.vertices, axis=1) - 80).max() < tileset["root"]["geometricError"] + 1


def test_tiles_go_to_a_new_folder_or_an_empty_one(tmp_path: Path) -> None:
    assert check_tiles_folder(tmp_path / "new").is_dir()
    (tmp_path / "new" / "notes.txt").write_text("precious")
    with pytest.raises(OutputError, match=r"holds files, as notes\.txt"):
        check_tiles_folder(tmp_path / "new")
    with pytest.raises(OutputError, match="cannot write the tiles"):
        check_tiles_folder(tmp_path / "new" / "notes.txt")

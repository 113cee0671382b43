"""What we write is the same surface in the programs that read it, in any unit and at any offset."""

from __future__ import annotations

import logging
from itertools import product
from pathlib import Path

import meshio
import numpy as np
import open3d
import pytest
import torch
import trimesh
from torch import Tensor

from recon.geometry import Float, Int, Mesh
from recon.meshing.extraction import Grid, extract
from recon.meshing.files import WRITERS, read_mesh, write_mesh
from recon.meshing.simplification import simplify
from recon.meshing.slivers import MIN_TRIANGLE_HEIGHT, without_slivers
from recon.meshing.topology import topology

pytestmark = pytest.mark.slow

BOX, RESOLUTION = [[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]], 40
Arrays = tuple[Float, Int]


def rings(x: Tensor) -> Tensor:
    """Three rings of which two are linked, and a pinhead: 4 parts, genus 3."""
    found = [(x - x.new_tensor([-0.8, -0.8, -0.8])).norm(dim=1) - 0.06]
    for axis, place in enumerate(([-0.25, 0.0, 0.0], [0.2, 0.0, 0.0], [0.85, 0.0, 0.0])):
        y = (x - x.new_tensor(place)).roll(axis, dims=1)
        found.append(((y[:, :2].norm(dim=1) - 0.4).square() + y[:, 2].square()).sqrt() - 0.09)
    return torch.stack(found).amin(0)


def meshes() -> dict[str, Mesh]:
    raw = extract(rings, BOX, RESOLUTION)
    floor = MIN_TRIANGLE_HEIGHT * Grid.over(BOX, RESOLUTION).cell
    return {"raw": raw, "simplified": without_slivers(simplify(raw, 2500), floor)}


MESHES = meshes()


def by_trimesh(path: Path) -> Arrays:
    loaded = trimesh.load(path)
    loaded = loaded.to_geometry() if isinstance(loaded, trimesh.Scene) else loaded
    vertices, faces = np.asarray(loaded.vertices), np.asarray(loaded.faces)
    shape = topology(Mesh(vertices, faces))
    assert (loaded.is_watertight, loaded.body_count) == (shape.watertight, shape.components)
    assert loaded.euler_number == euler(vertices, faces)
    return vertices, faces


def by_open3d(path: Path) -> Arrays:
    """It leaves the triangles of an STL apart, as the file has them; equal corners are one vertex."""
    loaded = open3d.io.read_triangle_mesh(str(path))
    if path.suffix == ".stl":
        loaded.remove_duplicated_vertices()
    assert loaded.is_edge_manifold(allow_boundary_edges=False) and loaded.is_vertex_manifold()
    return np.asarray(loaded.vertices), np.asarray(loaded.triangles)


def by_meshio(path: Path) -> Arrays:
    """The colours of an OBJ come as three more coordinates."""
    loaded = meshio.read(path)
    return loaded.points[:, :3].astype(float), loaded.cells_dict["triangle"]


def by_us(path: Path) -> Arrays:
    mesh = read_mesh(path)
    return mesh.vertices, mesh.faces


READERS = {"trimesh": by_trimesh, "open3d": by_open3d, "meshio": by_meshio, "recon": by_us}
UNREAD = {("meshio", ".glb"), ("meshio", ".3mf"), ("open3d", ".3mf")}  # which they do not know
# Assimp, by which Open3D reads these, rounds coordinates and offset to single precision and joins what is
# equal then: where that is too coarse, it is said when they are written.
SINGLE = {("open3d", ".obj"), ("open3d", ".glb")}


def euler(vertices: Float, faces: Int) -> int:
    edges = np.unique(np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])), axis=0)
    return len(np.unique(faces)) - len(np.unique(edges, axis=0)) + len(faces)


def kind(vertices: Float, faces: Int) -> tuple[int, bool, bool | None, int, int | None]:
    shape = topology(Mesh(vertices, faces))
    return euler(vertices, faces), shape.watertight, shape.consistent, shape.components, shape.genus


@pytest.mark.parametrize(
    ("reader", "ending"), [pair for pair in product(READERS, WRITERS) if pair not in UNREAD]
)
@pytest.mark.parametrize("finish", MESHES)
def test_every_reader_finds_the_surface_that_we_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, finish: str, ending: str, reader: str
) -> None:
    mesh, read = MESHES[finish], READERS[reader]
    told = topology(mesh)
    assert (told.watertight, told.components, told.genus) == (True, 4, 3)
    for unit in (1e-3, 1.0, 1e3):
        for offset in (0.0, 1e3, 5e6):
            placed = Mesh(
                unit * mesh.vertices + offset * np.array([1.0, -1.0, 0.1]), mesh.faces, mesh.normals
            )
            caplog.clear()
            with caplog.at_level(logging.INFO, "recon"):
                write_mesh(placed, tmp_path / f"m{ending}", overwrite=True)
            assert "so near" not in caplog.text
            if (reader, ending) in SINGLE and "single precision (Open3D)" in caplog.text:
                assert offset > 100 * unit
                continue
            assert kind(*read(tmp_path / f"m{ending}")) == (2, True, True, 4, 3), (unit, offset)


@pytest.mark.parametrize("ending", [".ply", ".obj", ".stl", ".glb"])
def test_colours_cut_no_surface(tmp_path: Path, ending: str) -> None:
    mesh = MESHES["raw"]
    colors = np.random.default_rng(0).integers(0, 256, (len(mesh.vertices), 3))
    write_mesh(Mesh(mesh.vertices, mesh.faces, mesh.normals, colors), tmp_path / f"m{ending}")
    for name, read in READERS.items():
        if (name, ending) not in UNREAD:
            assert kind(*read(tmp_path / f"m{ending}")) == (2, True, True, 4, 3), name


def test_a_statue_in_metres_of_fine_cells_stays_closed(tmp_path: Path) -> None:
    """Cells of 3e-6: slivers of a thousandth of that are what readers merge."""
    mesh = extract(rings, BOX, 300)
    placed = Mesh(4.5e-4 * mesh.vertices, mesh.faces)
    write_mesh(placed, tmp_path / "m.ply")
    assert kind(*by_trimesh(tmp_path / "m.ply")) == (2, True, True, 4, 3)


@pytest.mark.parametrize("ending", WRITERS)
def test_a_unit_too_large_for_readers_is_said(
    tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    mesh = MESHES["raw"]
    write_mesh(Mesh(1e-7 * mesh.vertices, mesh.faces), tmp_path / f"m{ending}")
    merged = len(mesh.vertices) - len(np.unique((10 * mesh.vertices).round(), axis=0))
    assert merged > 100 and "so near to others" in caplog.text and "smaller unit" in caplog.text
    assert f"{merged} vertices" in caplog.text


def test_an_stl_far_from_the_origin_is_brought_near_and_says_by_what(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mesh, offset = MESHES["raw"], np.array([431250.0, 5411873.0, 212.0])
    with caplog.at_level(logging.WARNING, "recon"):
        write_mesh(mesh, tmp_path / "near.stl")
        assert caplog.records == []
        write_mesh(Mesh(mesh.vertices + offset + 0.25, mesh.faces), tmp_path / "far.stl")
    words = (tmp_path / "far.stl").read_bytes()[:80].decode().split("less")[1]
    taken = np.array(words.split(), float)
    assert " ".join(words.split()) in caplog.text
    assert np.abs(taken - offset).max() <= 1 and (taken == taken.round()).all()
    vertices, _ = by_trimesh(tmp_path / "far.stl")
    assert np.abs(vertices.min(0) + taken - mesh.vertices.min(0) - offset - 0.25).max() < 1e-6

"""Fewer triangles, the same surface."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import trimesh

from recon.errors import UsageError
from recon.geometry import Mesh
from recon.meshing.simplification import simplify
from recon.meshing.topology import measures, topology
from recon.meshing.triangles import distance_to_mesh
from recon.surface.settings import Config

SURVEY = np.array([5e6, -5e6, 5e6])


def mesh_of(shape: trimesh.Trimesh) -> Mesh:
    return Mesh(shape.vertices, shape.faces)


def grid(count: int, hole: np.ndarray | None = None) -> Mesh:
    """The square from 0 to 1 of `count` x `count` cells in the plane z = 0, without those of `hole`."""
    i, j = np.meshgrid(range(count), range(count), indexing="ij")
    corner = ((count + 1) * i + j)[np.ones_like(i, bool) if hole is None else ~hole]
    faces = [
        np.c_[corner, corner + count + 1, corner + count + 2],
        np.c_[corner, corner + count + 2, corner + 1],
    ]
    line = np.linspace(0, 1, count + 1)
    return Mesh(
        np.stack(np.meshgrid(line, line, [0], indexing="ij"), -1).reshape(-1, 3), np.concatenate(faces)
    )


BALL = mesh_of(trimesh.creation.icosphere(5))
TORUS = mesh_of(trimesh.creation.torus(1.0, 0.3, 96, 48))


@pytest.mark.parametrize(("mesh", "genus"), [(BALL, 0), (TORUS, 1)])
@pytest.mark.parametrize(("faces", "loss"), [(2000, 0.008), (500, 0.03)])
def test_closed_surfaces_keep_their_topology_and_volume(
    mesh: Mesh, genus: int, faces: int, loss: float
) -> None:
    small = simplify(mesh, faces)
    shape = topology(small)
    assert len(small.faces) in (faces, faces - 1)
    assert shape.watertight and shape.outward and (shape.components, shape.genus) == (1, genus)
    assert measures(small, shape).volume == pytest.approx(measures(mesh, topology(mesh)).volume, rel=loss)
    assert distance_to_mesh(small.vertices, mesh).max() < loss


def test_flat_faces_and_sharp_edges_cost_nothing() -> None:
    cube = trimesh.creation.box()
    for _ in range(5):
        cube = cube.subdivide()
    small = simplify(mesh_of(cube), 12)
    assert len(small.faces) == 12
    corners = np.array(np.meshgrid(*3 * [[-0.5, 0.5]])).reshape(3, 8).T
    assert np.abs(small.vertices[:, None] - corners).max(2).min(1).max() < 1e-6


def test_the_rim_of_an_open_surface_stays_where_it_is() -> None:
    small = simplify(grid(40), 50)
    shape = topology(small)
    assert len(small.faces) <= 50 and (shape.components, shape.genus, shape.boundary_loops) == (1, 0, 1)
    assert measures(small, shape).area == pytest.approx(1, abs=1e-6)
    assert measures(small, shape).holes[0].length == pytest.approx(4, abs=1e-6)

    cap = BALL.select(BALL.vertices[:, 2] > 0.2)
    small = simplify(cap, 400)
    before, after = (measures(mesh, topology(mesh)).holes for mesh in (cap, small))
    assert len(after) == 1 and after[0].edges < before[0].edges
    assert after[0].size[:2] == pytest.approx(before[0].size[:2], rel=0.01)
    assert after[0].center == pytest.approx(before[0].center, abs=0.02)


def test_an_offset_costs_no_precision() -> None:
    """The grid at the survey's offset has steps of 1e-9; the rest is the same mesh, face by face."""
    exact = Mesh(BALL.vertices.astype(np.float16).astype(float), BALL.faces)  # which an offset leaves whole
    here, there = simplify(exact, 700), simplify(Mesh(exact.vertices + SURVEY, exact.faces), 700)
    assert np.array_equal(here.faces, there.faces)
    assert np.abs(there.vertices - SURVEY - here.vertices).max() < 2e-9


def test_what_touches_in_a_vertex_is_taken_apart_first() -> None:
    i, j = np.meshgrid(range(20), range(20), indexing="ij")
    pinched = grid(20, ((i == 10) & (j == 10)) | ((i == 11) & (j == 11)))
    shape = topology(simplify(pinched, 300))
    assert shape.faces <= 300 and (shape.genus, shape.boundary_loops) == (0, 2)


def test_the_fewest_triangles_of_a_topology_are_left_and_said(caplog: pytest.LogCaptureFixture) -> None:
    small = simplify(TORUS, 4)
    assert len(small.faces) >= 14 and topology(small).genus == 1  # no torus has fewer (Möbius 1886)
    assert "the minimum for this topology; 4 were requested" in caplog.text


@pytest.mark.parametrize(
    "faces",
    [
        np.r_[BALL.faces, [[BALL.faces[0, 0], BALL.faces[0, 1], 99]]],  # a third face at an edge
        np.r_[BALL.faces[1:], BALL.faces[:1, ::-1]],  # one face turned
    ],
)
def test_no_manifold_stays_and_that_is_said(faces: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    broken = Mesh(BALL.vertices, faces)
    with caplog.at_level(logging.WARNING, "recon"):
        assert simplify(broken, 100) is broken
    assert "not simplified" in caplog.text


def test_no_fewer_wanted_than_there_are() -> None:
    assert simplify(BALL, len(BALL.faces)) is BALL
    assert simplify(BALL, 10**6) is BALL


@pytest.mark.parametrize("faces", [3, 0, -5])
def test_no_solid_has_fewer_than_four_faces(faces: int) -> None:
    with pytest.raises(UsageError, match=rf"mesh\.faces is {faces}, expected between 4"):
        Config().with_(mesh={"faces": faces})

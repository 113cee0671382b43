"""Surfaces at a distance: closed forms of volume and shape, and every vertex where it should be."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import trimesh

from recon.errors import UsageError
from recon.geometry import Frame, Mesh
from recon.meshing.offset import hollowed, moved
from recon.meshing.topology import measures, topology
from recon.meshing.triangles import Triangles, distance_to_mesh


def as_mesh(t: trimesh.Trimesh) -> Mesh:
    return Mesh(t.vertices, t.faces)


CUBE = as_mesh(trimesh.creation.box((2, 2, 2)))
BALL = as_mesh(trimesh.creation.icosphere(3))
RING = as_mesh(trimesh.creation.torus(1.0, 0.3))
BOWL = BALL.select(BALL.vertices[:, 2] < 0.3)


def volume(mesh: Mesh) -> float:
    found = measures(mesh, topology(mesh)).volume
    assert found is not None, "closed and facing outward"
    return found


def grown_cube(d: float) -> float:
    """Steiner's formula: faces, quarter cylinders along the edges, and a ball's worth of corners."""
    return 8 + 24 * d + 6 * np.pi * d**2 + 4 / 3 * np.pi * d**3


@pytest.mark.parametrize(("distance", "wanted"), [(0.3, grown_cube(0.3)), (-0.3, 1.4**3)])
def test_the_volume_of_a_moved_cube_is_steiners(distance: float, wanted: float) -> None:
    """With an error that falls with the square of the cell: a quarter for half of it."""
    errors = [abs(volume(moved(CUBE, distance, cell)) - wanted) for cell in (0.08, 0.04)]
    assert errors[0] < 0.015 * wanted and errors[1] < 0.35 * errors[0]


@pytest.mark.parametrize("distance", [0.1, -0.1])
def test_every_vertex_is_at_the_distance(distance: float) -> None:
    found = moved(RING, distance, 0.04)
    away = distance_to_mesh(found.vertices, RING)
    assert np.abs(away - 0.1).max() < 1e-3 * 0.1
    center = found.vertices[:, :2] / np.linalg.norm(found.vertices[:, :2], axis=1, keepdims=True)
    from_core = np.linalg.norm(found.vertices - np.column_stack([center, np.zeros(len(center))]), axis=1)
    assert np.abs(from_core - 0.3 - distance).max() < 0.02  # a torus of 32 sides
    assert found.normals is not None and np.abs(np.linalg.norm(found.normals, axis=1) - 1).max() < 1e-6
    assert topology(found).genus == 1


def test_what_would_cross_itself_merges() -> None:
    assert topology(moved(RING, 0.8, 0.08)).genus == 0  # its hole has closed
    two = Mesh(
        np.concatenate([BALL.vertices, np.add(BALL.vertices, (2.5, 0, 0))]),
        np.concatenate([BALL.faces, BALL.faces + len(BALL.vertices)]),
    )
    shape = topology(moved(two, 0.4, 0.08))
    assert (shape.components, shape.genus, shape.watertight) == (1, 0, True)


def test_a_hollow_cube_has_walls_of_the_thickness(caplog: pytest.LogCaptureFixture) -> None:
    found = hollowed(CUBE, 0.1, 0.05)
    shape = topology(found)
    assert shape.watertight and shape.outward and shape.components == 2
    assert volume(found) == pytest.approx(8 - 1.8**3, rel=2e-3)
    assert np.array_equal(found.vertices[: len(CUBE.vertices)], CUBE.vertices)  # the outside as it was
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert hollowed(CUBE, 1.2, 0.05) is CUBE
        hollowed(CUBE, 0.02, 0.05)
    assert "stays solid" in caplog.text and "walls of 0.02 are thinner than a cell, 0.05" in caplog.text


def test_a_sheet_becomes_thick_on_both_sides_and_closed() -> None:
    """As the formula of the area and the rim's half tube says."""
    found = hollowed(BOWL, 0.1, 1.0)  # thin: the cells follow the thickness
    shape = topology(found)
    assert shape.watertight and shape.outward and (shape.components, shape.genus) == (1, 0)
    size = measures(BOWL, topology(BOWL))
    wanted = 0.1 * size.area + 0.5 * np.pi * 0.05**2 * size.holes[0].length
    assert volume(found) == pytest.approx(wanted, rel=0.01)
    assert np.abs(distance_to_mesh(found.vertices, BOWL) - 0.05).max() < 1e-3


@pytest.mark.parametrize(("scale", "shift"), [(1e-3, 0.0), (1e3, 5e6)])
def test_in_any_unit_and_anywhere(scale: float, shift: float) -> None:
    there = Mesh(scale * CUBE.vertices + shift, CUBE.faces)
    plain, found = moved(CUBE, 0.2, 0.1), moved(there, 0.2 * scale, 0.1 * scale)
    assert np.array_equal(found.faces, plain.faces)
    assert np.abs((found.vertices - shift) / scale - plain.vertices).max() < 1e-9 + 1e-9 * shift / scale


def test_colours_and_values_are_the_nearest_vertices() -> None:
    colors = (255 * (BALL.vertices[:, :1] > 0) * [1, 0, 0]).astype(np.uint8)
    mesh = Mesh(BALL.vertices, BALL.faces, None, colors, {"x": BALL.vertices[:, 0]})
    found = hollowed(mesh, 0.2, 0.1)
    assert found.colors is not None
    side = np.abs(found.vertices[:, 0]) > 0.2
    assert np.array_equal(found.colors[side, 0] > 0, found.vertices[side, 0] > 0)
    far = np.linalg.norm(found.vertices, axis=1)
    assert np.abs(found.values["x"] - found.vertices[:, 0] / far).max() < 0.15


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(UsageError, match="only a closed mesh can be moved"):
        moved(BOWL, 0.1, 0.1)
    with pytest.raises(UsageError, match=r"nothing of the mesh is left at an offset of -1\.2"):
        moved(CUBE, -1.2, 0.1)
    for thickness in (1e-3, 1e-300):
        with pytest.raises(UsageError, match=r"cells of .* a side, 2,048 are the most: give a coarser"):
            hollowed(BOWL, thickness, 0.1)
    with pytest.raises(UsageError, match="or a smaller offset"):
        moved(CUBE, 1e300, 0.1)
    with pytest.raises(UsageError, match="nothing of the mesh is left"):
        moved(CUBE, -1e300, 0.1)


def test_signed_distances_have_the_gradient_of_their_differences() -> None:
    surface = Triangles(RING, Frame(np.zeros(3), 1.0), "the mesh")
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (2000, 3)) * [1, 1, 0.4]
    value, gradient = surface.signed(points)
    step = 1e-6 * np.eye(3)
    slopes = [(surface.signed(points + h)[0] - surface.signed(points - h)[0]) / 2e-6 for h in step]
    smooth = np.abs(np.linalg.norm(np.stack(slopes), axis=0) - 1) < 1e-3  # not where two places are as near
    assert smooth.mean() > 0.98
    assert np.abs(np.stack(slopes, axis=1) - gradient)[smooth].max() < 1e-3
    on_it = RING.vertices[RING.faces].mean(1)
    value, gradient = surface.signed(on_it)
    assert np.abs(value).max() < 1e-12
    assert np.abs(np.linalg.norm(gradient, axis=1) - 1).max() < 1e-9

"""What is said of meshes that are not what their scan shows, and nothing of those that are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import shapes
import trimesh
from skimage.measure import marching_cubes

from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.topology import measures, topology
from recon.surface.plausibility import plausibility_warnings

pytestmark = pytest.mark.slow

GRID = np.stack(np.meshgrid(*[np.linspace(-1.3, 1.3, 80)] * 3, indexing="ij"), axis=-1)
RADIUS = np.linalg.norm(GRID, axis=-1)
BALL = RADIUS - 1


def surface(values: Float) -> Mesh:
    """Where `values` on `GRID` are zero."""
    vertices, faces, _, _ = marching_cubes(values, 0.0)
    return Mesh(vertices * (2.6 / 79) - 1.3, faces)


def said(scan: PointCloud, mesh: Mesh) -> list[str]:
    shape = topology(mesh)
    return plausibility_warnings(scan, mesh, shape, measures(mesh, shape))


def part(mesh: Mesh, keep: Callable[[Float], Float]) -> Mesh:
    return mesh.select(keep(mesh.vertices) > 0)


def plate() -> Mesh:
    box = trimesh.creation.box((2, 2, 0.01)).subdivide_to_size(0.1)
    return Mesh(box.vertices, box.faces)


def nested(inner: float) -> tuple[PointCloud, Mesh]:
    """A sphere within a sphere, its faces outward (1) or inward (-1), and points of both without normals."""
    outside, cavity = surface(BALL), surface(BALL + 0.5)
    faces = cavity.faces[:, :: int(inner)]
    both = Mesh(
        np.concatenate([outside.vertices, cavity.vertices]),
        np.concatenate([outside.faces, faces + len(outside.vertices)]),
    )
    points = shapes.sphere(4000).points
    return PointCloud(np.concatenate([points[1000:], points[:1000] / 2])), both


def beads() -> tuple[PointCloud, Mesh]:
    """Forty spheres in a row, a hundred of their diameters from one end to the other."""
    ball = trimesh.creation.icosphere(3, 0.5)
    row = trimesh.util.concatenate([ball.copy().apply_translation([2.5 * i, 0, 0]) for i in range(40)])
    points = np.concatenate([0.5 * shapes.sphere(1000, seed=i).points + [2.5 * i, 0, 0] for i in range(40)])
    return PointCloud(points), Mesh(row.vertices, row.faces)


RING = np.hypot(np.hypot(GRID[..., 0], GRID[..., 1]) - 0.6, GRID[..., 2]) - 0.2
RIGHT = {
    "sphere": (shapes.sphere(3000), surface(BALL)),
    "noisy": (shapes.sphere(3000, noise=0.02), surface(BALL)),
    "very sparse": (shapes.sphere(100), surface(BALL)),
    "torus": (shapes.torus(2000), surface(RING)),
    "thinner than a spacing, both sides near each point": (shapes.plate(6000, thickness=0.01), plate()),
    "open": (shapes.half_sphere(3000), part(surface(BALL), lambda x: x[:, 2] + 0.1)),
    "a hollow sphere": nested(-1),
    "many small things far apart": beads(),
}


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_said_of_a_mesh_that_is_what_the_scan_shows(name: str) -> None:
    assert said(*RIGHT[name]) == []


def gyroid() -> Float:
    x, y, z = np.moveaxis(25 * GRID, -1, 0)
    return np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)


def ball(count: int = 6000) -> PointCloud:
    """Points that fill the unit sphere."""
    return PointCloud(shapes.sphere(count).points * np.random.default_rng(1).random((count, 1)) ** (1 / 3))


def inside_out(mesh: Mesh) -> Mesh:
    return Mesh(mesh.vertices, mesh.faces[:, ::-1])


WRONG = {
    "handles, holes and further": (shapes.sphere(3000), surface(np.maximum(np.abs(BALL) - 0.06, gyroid()))),
    "the surface of one sheet": (shapes.sphere(3000), surface(np.abs(np.abs(BALL) - 0.08) - 0.04)),
    "of the points have no surface": (shapes.sphere(3000), part(surface(BALL), lambda x: 0.2 - x[:, 2])),
    "of the surface has no points": (shapes.half_sphere(3000), surface(BALL)),
    "7% of the points have no surface": (shapes.sphere(3000), part(surface(BALL), lambda x: 0.75 - x[:, 2])),
    "the surface faces away from the normals": (shapes.sphere(3000), inside_out(surface(BALL))),
    "20% of the surface faces the wrong way": nested(1),
    "100% of the surface faces the wrong way": (
        PointCloud(shapes.sphere(3000).points),
        inside_out(surface(BALL)),
    ),
    "the points fill space": (ball(), surface(BALL)),
}


@pytest.mark.parametrize("words", WRONG)
def test_a_mesh_that_is_something_else_is_told_by_what_is_wrong(words: str) -> None:
    assert any(words in doubt for doubt in said(*WRONG[words]))


def test_units_and_places_change_nothing() -> None:
    scan, mesh = shapes.half_sphere(3000), surface(BALL)
    moved = PointCloud(1e-3 * scan.points + 5e3), Mesh(1e-3 * mesh.vertices + 5e3, mesh.faces)
    assert said(*moved) == said(scan, mesh) != []


def flat() -> tuple[Mesh, Float]:
    """A square in the plane z = 0, and 10,000 places in it, 0.02 apart."""
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], dtype=float)
    mesh = Mesh(*trimesh.remesh.subdivide_to_size(corners, np.array([[0, 1, 2], [0, 2, 3]]), 0.1))
    return mesh, np.pad(np.random.default_rng(0).uniform(-1, 1, (10_000, 2)), ((0, 0), (0, 1)))


@pytest.mark.parametrize("thickness", [0.005, 0.01, 0.02])
def test_a_sheet_between_the_sides_of_a_thin_wall_is_said(thickness: float) -> None:
    mesh, places = flat()
    rng, up = np.random.default_rng(1), np.array([0, 0, 1.0])
    wall = places + thickness / 2 * rng.choice([-1, 1], (len(places), 1)) * up
    (warning,) = said(PointCloud(wall), mesh)
    assert "between two sheets" in warning and "--sensor" in warning
    sides = [mesh.vertices + side * thickness / 2 * up for side in (-1, 1)]
    both = Mesh(np.concatenate(sides), np.concatenate([mesh.faces[:, ::-1], mesh.faces + len(mesh.vertices)]))
    assert said(PointCloud(wall), both) == []
    scattered = places + thickness / 2 * rng.normal(size=(len(places), 1)) * up
    assert said(PointCloud(scattered), mesh) == []

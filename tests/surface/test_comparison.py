"""Where a mesh and its reference differ, with the right sign."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import trimesh

from recon.errors import OutputError
from recon.geometry import Mesh, PointCloud
from recon.meshing.triangles import surface_points
from recon.surface.comparison import compare
from recon.surface.evaluation import evaluate


def as_mesh(t: trimesh.Trimesh) -> Mesh:
    return Mesh(t.vertices, t.faces)


SPHERE = as_mesh(trimesh.creation.icosphere(4))
FAR = np.array([5e5, 5.4e6, 100.0])
BUMP = np.array([0.6, 0.0, 0.8])


def bumpy(height: float) -> Mesh:
    """The sphere, higher around `BUMP`."""
    away = np.linalg.norm(SPHERE.vertices - BUMP, axis=1)
    return Mesh(SPHERE.vertices * (1 + height * np.exp(-((away / 0.1) ** 2)))[:, None], SPHERE.faces)


def wedge(angle: float) -> Mesh:
    """A closed wedge whose edge along z is as sharp as `angle`, in radians."""
    t = np.tan(angle / 2)
    corners = [[x, y, z] for z in (0, 1) for x, y in ((0, 0), (1, -t), (1, t))]
    return as_mesh(trimesh.convex.convex_hull(np.array(corners, float)))


@pytest.mark.parametrize("shift", [0.0, FAR])
def test_what_is_too_large_lies_outside_and_what_is_too_small_inside(shift: object) -> None:
    """Similar inscribed polyhedra: every distance is between 0.1 h and 0.1, h > 0.995 the inradius."""
    reference = Mesh(SPHERE.vertices + shift, SPHERE.faces)
    for size in (0.9, 1.1):
        found = compare(Mesh(size * SPHERE.vertices + shift, SPHERE.faces), reference, samples=5000)
        outward = np.sign(size - 1) * found.on_mesh.distances
        assert (outward > 0.0994).all() and (outward < 0.1001).all()
        inward = -np.sign(size - 1) * found.on_reference.distances  # the other one's: it is on the other side
        assert (inward > 0.0994 * min(size, 1)).all() and (inward < 0.1001).all()
        assert found.signed and found.on_mesh.points.shape == (5000, 3)


def test_they_are_the_distances_of_the_evaluation() -> None:
    mesh = bumpy(0.2)
    found, alone = compare(mesh, SPHERE, samples=4000, seed=3), evaluate(mesh, SPHERE, samples=4000, seed=3)
    assert found.evaluation == alone
    assert np.abs(found.on_mesh.distances).mean() == pytest.approx(
        alone.mesh_to_reference.mean * alone.unit, rel=1e-9
    )


@pytest.mark.parametrize("degrees", [5, 30, 90, 150])
def test_sides_are_right_beside_sharp_edges(degrees: float) -> None:
    """Also where the nearest face alone would say otherwise: beyond an edge sharper than a right angle."""
    shape = wedge(np.radians(degrees))
    points = np.random.default_rng(0).uniform((-0.3, -0.8, -0.3), (1.3, 0.8, 1.3), (4000, 3))
    half = points[:, 0] * np.tan(np.radians(degrees) / 2) - np.abs(points[:, 1])
    inside = (half > 0) & (points[:, 0] < 1) & (points[:, 2] > 0) & (points[:, 2] < 1)
    found = compare(shape, shape, samples=100).to_reference(Mesh(points, np.zeros((0, 3), np.int64)))
    assert inside.sum() > 20 and np.array_equal(found < 0, inside)


def test_a_cloud_has_sides_if_it_has_normals() -> None:
    points = SPHERE.vertices
    larger = Mesh(1.05 * points, SPHERE.faces)
    sided, bare = (compare(larger, PointCloud(points, normals), samples=3000) for normals in (points, None))
    assert sided.signed and (np.abs(sided.on_mesh.distances - 0.05) < 0.005).all()  # to planes
    assert not bare.signed and (bare.on_mesh.distances > 0.04).all()
    smaller = compare(Mesh(0.95 * points, SPHERE.faces), PointCloud(points, points), samples=3000)
    assert (smaller.on_mesh.distances < -0.04).all() and (smaller.on_reference.distances > 0.04).all()


def test_a_thin_wall_is_measured_to_its_own_side() -> None:
    """A plate a tenth as thick as its points are apart: nothing of it is off its planes."""
    plate = trimesh.creation.box((2, 2, 0.01)).subdivide_to_size(0.1)
    mesh = Mesh(plate.vertices, plate.faces)
    points, corners = surface_points(mesh, 1000, np.random.default_rng(0))
    a, b, c = (mesh.vertices[corners[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    cloud = PointCloud(points, across / np.linalg.norm(across, axis=1, keepdims=True))
    found = compare(mesh, cloud, samples=5000).on_mesh
    inner = (np.abs(found.points[:, :2]) < 0.9).all(1)  # beside the rim other planes are near
    assert np.abs(found.distances[inner]).max() < 1e-9


def test_the_worst_places_are_a_bump_and_a_hole() -> None:
    mesh = bumpy(0.2)
    hole = SPHERE.vertices[:, 2] < -0.95
    found = compare(mesh.select(~hole), SPHERE, samples=50_000).worst_places()
    first = found[0]
    assert not first.is_mesh  # what is missing at the pole is 0.3 from the rim
    assert np.linalg.norm(first.point - [0, 0, -1]) < 0.06 and 0.25 < abs(first.distance) < 0.35
    bump = next(place for place in found if place.is_mesh)
    assert np.linalg.norm(bump.point / 1.2 - BUMP) < 0.04 and 0.15 < bump.distance < 0.2
    assert bump.distance == pytest.approx(np.linalg.norm(bump.point) - 1, abs=0.003)
    assert [abs(place.distance) for place in found] == sorted((abs(p.distance) for p in found), reverse=True)
    for a, b in combinations(found, 2):
        assert np.linalg.norm(a.point - b.point) > 0.05 * 12**0.5 * 0.99  # a twentieth of the diagonal
    assert compare(SPHERE, SPHERE, samples=1000).worst_places()[0].distance == pytest.approx(0, abs=1e-12)


def test_the_table_holds_every_sample(tmp_path: Path) -> None:
    found = compare(bumpy(0.2), SPHERE, samples=300)
    found.write_csv(tmp_path / "d.csv")
    lines = (tmp_path / "d.csv").read_text().splitlines()
    assert lines[0] == "surface,x,y,z,distance" and len(lines) == 601
    for name, samples in (("mesh", found.on_mesh), ("reference", found.on_reference)):
        rows = np.array([line.split(",")[1:] for line in lines if line.startswith(f"{name},")], float)
        np.testing.assert_allclose(rows[:, :3], samples.points, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(rows[:, 3], samples.distances, rtol=1e-5, atol=1e-12)
    with pytest.raises(OutputError, match="exists"):
        found.write_csv(tmp_path / "d.csv")

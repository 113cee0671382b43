"""Surface without points goes, holes stay filled, rims are where the points end."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree
from shapes import sphere

from recon.errors import ExtractError
from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.topology import measures, topology
from recon.meshing.trimming import cut, filled, trimmed

pytestmark = pytest.mark.slow

COUNT = 20_000
SPACING = np.sqrt(4 * np.pi / COUNT)  # 0.025
SCAN = sphere(COUNT)


def ball(subdivisions: int = 6) -> Mesh:
    """The unit sphere with normals; its edges are 0.02 long, or twice that for each subdivision less."""
    shape = trimesh.creation.icosphere(subdivisions)
    return Mesh(shape.vertices, shape.faces, shape.vertices)


BALL = ball()


def grid(count: int = 40) -> Mesh:
    """The square from 0 to 1 in the plane z = 0, of `count` x `count` cells."""
    i, j = (a.ravel() for a in np.meshgrid(range(count), range(count), indexing="ij"))
    corner = (count + 1) * i + j
    faces = [
        np.c_[corner, corner + count + 1, corner + count + 2],
        np.c_[corner, corner + count + 2, corner + 1],
    ]
    line = np.linspace(0, 1, count + 1)
    vertices = np.stack(np.meshgrid(line, line, [0], indexing="ij"), -1).reshape(-1, 3)
    return Mesh(vertices, np.concatenate(faces), np.broadcast_to([0.0, 0, 1], vertices.shape))


def rim(mesh: Mesh) -> Float:
    """(n, 3) the vertices on the boundary."""
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]))
    edges, count = np.unique(edges, axis=0, return_counts=True)
    return mesh.vertices[np.unique(edges[count == 1])]


def area(mesh: Mesh) -> float:
    return measures(mesh, topology(mesh)).area


def without_cap(radius: float) -> PointCloud:
    """The scan with a round hole of that radius at the top."""
    return SCAN.select(np.linalg.norm(SCAN.points - [0, 0, 1], axis=1) > radius)


def is_manifold(mesh: Mesh) -> bool:
    shape = topology(mesh)
    return shape.nonmanifold_edges == 0 and shape.consistent


@pytest.mark.parametrize("top", [0.0, 0.5, -0.6])
def test_the_rim_is_where_the_points_end(top: float) -> None:
    scan = SCAN.select(SCAN.points[:, 2] < top)
    mesh, was_open = trimmed(BALL, scan, "auto")
    shape = topology(mesh)
    assert was_open and (shape.components, shape.boundary_loops) == (1, 1) and is_manifold(mesh)
    assert np.abs(rim(mesh)[:, 2] - top).mean() < SPACING
    assert area(mesh) == pytest.approx(2 * np.pi * (1 + top), rel=0.02)
    assert cKDTree(scan.points).query(mesh.vertices)[0].max() < 3 * SPACING
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-12)
    assert (mesh.normals * mesh.vertices).sum(1).min() > 0.99


def test_a_closed_scan_leaves_the_mesh_as_it_is() -> None:
    mesh, was_open = trimmed(BALL, SCAN, "auto")
    assert mesh is BALL and not was_open


@pytest.mark.parametrize("radius", [0.5, 1.5])
def test_what_is_invented_inside_or_around_a_closed_scan_is_cut_out_and_said(
    radius: float, caplog: pytest.LogCaptureFixture
) -> None:
    """As by a field that has hardly trained: a void, or a shell, on a neck that ends at the surface."""
    near = np.linalg.norm(BALL.vertices - [0, 0, 1], axis=1) < 6 * SPACING
    moved = np.where(near[:, None], BALL.vertices, radius * BALL.vertices)
    both = np.concatenate([BALL.vertices, moved])
    mesh = Mesh(both, np.concatenate([BALL.faces, BALL.faces[:, ::-1] + len(moved)]))
    kept, was_cut = trimmed(mesh, SCAN, "auto")
    assert was_cut
    assert (abs(np.linalg.norm(kept.vertices, axis=1) - 1) > 0.1).mean() < 0.01  # stubs of the neck
    assert "train longer" in caplog.text


def test_of_a_closed_scan_a_surface_that_is_nowhere_near_stays_and_this_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    mesh = Mesh(0.5 * BALL.vertices, BALL.faces)
    kept, was_cut = trimmed(mesh, SCAN, "auto")
    assert kept is mesh and not was_cut
    assert "train longer" in caplog.text


@pytest.mark.parametrize("trim", ["off", "auto"])
def test_a_small_hole_stays_filled(trim: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "recon"):
        mesh, was_open = trimmed(BALL, without_cap(7 * SPACING), trim)
    assert mesh is BALL and not was_open
    assert ("fills holes" in caplog.text) is (trim == "auto")


@pytest.mark.parametrize("hole", [3.5, 7.0, 16.0])
def test_where_there_is_an_opening_holes_go_by_their_size(hole: float) -> None:
    """Beside the large opening below, a hole above is cut where its radius is well beyond four spacings."""
    scan = without_cap(hole * SPACING)
    mesh, was_open = trimmed(BALL, scan.select(scan.points[:, 2] > -0.5), "auto")
    shape = topology(mesh)
    assert was_open and is_manifold(mesh)
    assert shape.boundary_loops == (1 if hole < 4 else 2)
    if hole > 4:
        upper = rim(mesh)
        radius = np.linalg.norm(upper[upper[:, 2] > 0] - [0, 0, 1], axis=1)
        assert np.abs(radius - hole * SPACING).mean() < SPACING


def test_off_keeps_all() -> None:
    scan = SCAN.select(SCAN.points[:, 2] < 0)
    assert trimmed(BALL, scan, "off") == (BALL, False)


@pytest.mark.parametrize("radius", [0.1, 0.3])
def test_a_distance_decides_which_holes_are_cut(radius: float) -> None:
    small, large = without_cap(0.8 * radius), without_cap(1.7 * radius)
    kept, _ = trimmed(BALL, small, "auto", radius)
    opened, _ = trimmed(BALL, large, "auto", radius)
    assert topology(kept).watertight and area(kept) == pytest.approx(area(BALL), rel=1e-9)
    assert topology(opened).boundary_loops == 1 and is_manifold(opened)
    away = np.linalg.norm(rim(opened) - [0, 0, 1], axis=1)
    assert np.abs(away - 1.7 * radius).mean() < SPACING + 0.1 * radius


def test_a_sheet_behind_the_surface_is_cut() -> None:
    """What the field invents at the back of an open scan: as near to the points, but facing away."""
    scan = SCAN.select(SCAN.points[:, 2] > 0.2)
    front = BALL.select(BALL.vertices[:, 2] > -0.3)
    back = BALL.select(BALL.vertices[:, 2] > -0.3)
    back = Mesh((1 - 2 * SPACING) * back.vertices, back.faces[:, ::-1], -back.normals)
    vertices = np.concatenate([front.vertices, back.vertices])
    faces = np.concatenate([front.faces, back.faces + len(front.vertices)])
    both = Mesh(vertices, faces, np.concatenate([front.normals, back.normals]))
    mesh, was_open = trimmed(both, scan, "auto")
    assert was_open and topology(mesh).components == 1 and topology(mesh).boundary_loops == 1
    assert np.linalg.norm(mesh.vertices, axis=1).min() > 1 - SPACING
    blind, _ = trimmed(replace(both, normals=None), scan, "auto")
    assert topology(blind).components == 2  # nothing tells the back without normals


def test_dense_and_sparse_parts_are_kept_alike() -> None:
    sparse = SCAN.select((SCAN.points[:, 0] > 0) | (np.arange(COUNT) % 10 == 0))
    mesh, was_open = trimmed(BALL, sparse, "auto")
    assert mesh is BALL and not was_open
    half = sparse.select(sparse.points[:, 2] < 0)
    mesh, _ = trimmed(BALL, half, "auto")
    assert topology(mesh).boundary_loops == 1
    assert np.abs(rim(mesh)[:, 2]).mean() < np.sqrt(10) * SPACING


def test_a_scan_without_normals_trims_too() -> None:
    scan = PointCloud(SCAN.select(SCAN.points[:, 2] < 0).points)
    mesh, was_open = trimmed(BALL, scan, "auto")
    assert was_open and topology(mesh).boundary_loops == 1


def test_nothing_left_is_an_error() -> None:
    far = PointCloud(SCAN.points + 100, SCAN.normals)
    with pytest.raises(ExtractError, match="nothing is left after trimming"):
        trimmed(BALL, far, "auto", 0.1)


@pytest.mark.parametrize("at", [0.3123, 0.5123, 0.8456])
def test_a_plane_is_cut_in_proportion(at: float) -> None:
    mesh = grid()
    level = at - mesh.vertices[:, 0] - 0.2 * mesh.vertices[:, 1] + 0.1
    out = cut(mesh, level)
    assert area(out) == pytest.approx(at, rel=1e-12)
    assert is_manifold(out) and topology(out).boundary_loops == 1
    new = ~(cKDTree(mesh.vertices).query(out.vertices)[0] < 1e-12)
    there = at - out.vertices[:, 0] - 0.2 * out.vertices[:, 1] + 0.1
    assert np.abs(there[new]).max() < 1e-12 and there.min() > -1e-12
    assert len(np.unique(out.vertices.round(12), axis=0)) == len(out.vertices)
    assert (out.normals == [0, 0, 1]).all()


def test_a_random_level_leaves_a_manifold_of_both_sides() -> None:
    level = np.random.default_rng(0).normal(size=len(BALL.vertices))
    one, other = cut(BALL, level), cut(BALL, -level)
    assert is_manifold(one) and is_manifold(other)
    assert area(one) + area(other) == pytest.approx(area(BALL), rel=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_level_of_one_sign_keeps_all_or_nothing(sign: int) -> None:
    out = cut(BALL, np.full(len(BALL.vertices), float(sign)))
    assert len(out.faces) == (len(BALL.faces) if sign > 0 else 0)


def test_a_level_that_is_zero_at_vertices_makes_no_double_points() -> None:
    mesh = grid(10)
    out = cut(mesh, 0.5 - mesh.vertices[:, 0])
    assert area(out) == pytest.approx(0.5, rel=1e-12) and is_manifold(out)


def test_a_small_fold_of_a_rough_surface_is_no_hole() -> None:
    """Where noise folds a surface over, its middle layer turns its back to the points."""
    plane = grid(240)
    x, y = plane.vertices[:, 0], plane.vertices[:, 1]
    bump = np.exp(-((np.hypot(x - 0.5, y - 0.5) / 0.06) ** 2))
    folded = np.column_stack([x + 0.06 * bump * np.sin((0.5 - x) * 2 * np.pi / 0.1), y, 0.01 * bump])
    normals = trimesh.Trimesh(folded, plane.faces, process=False).vertex_normals
    assert (normals[:, 2] < -0.5).sum() > 100
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.random((10_000, 2)), np.zeros(10_000)])
    points = points[points[:, 0] < 0.8]
    scan = PointCloud(points, np.broadcast_to([0.0, 0, 1], points.shape))
    out, was_open = trimmed(Mesh(folded, plane.faces, normals), scan, "auto")
    assert was_open and topology(out).boundary_loops == 1


def test_the_holes_that_a_closed_mesh_fills_are_told() -> None:
    """Two caps without points: rims on circles of sin(angle), but for what the reach of the points adds."""
    points = SCAN.points
    seen = (points[:, 2] > np.cos(np.pi - 0.6)) & (points[:, 0] < np.cos(0.35))
    found = filled(BALL, PointCloud(points[seen], points[seen]))
    assert len(found) == 2
    for hole, angle, way in zip(found, (0.6, 0.35), ((0, 0, -1), (1, 0, 0)), strict=True):
        assert hole.length == pytest.approx(2 * np.pi * np.sin(angle), rel=0.15)
        assert np.linalg.norm(np.subtract(hole.center, np.cos(angle) * np.array(way))) < 0.06
    assert filled(BALL, PointCloud(points, points)) == ()

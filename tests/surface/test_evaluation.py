import json

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

import recon.meshing.triangles
from recon.errors import ReconError, ScanError, UsageError
from recon.geometry import Mesh, PointCloud
from recon.meshing.triangles import distance_to_mesh
from recon.surface.evaluation import Evaluation, evaluate


def as_mesh(t: trimesh.Trimesh) -> Mesh:
    return Mesh(t.vertices, t.faces)


SPHERE = as_mesh(trimesh.creation.icosphere(4))
CUBE = as_mesh(trimesh.creation.box((2, 2, 2)))
BUMPY = Mesh(SPHERE.vertices * (1 + 0.05 * np.sin(9 * SPHERE.vertices[:, :1])), SPHERE.faces)


def moved(mesh: Mesh, shift: object = 0.0, scale: float = 1.0, turn: object = None) -> Mesh:
    turned = mesh.vertices if turn is None else mesh.vertices @ np.asarray(turn).T
    return Mesh(turned * scale + shift, mesh.faces)


def point_triangle_distance(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """(n, m) distances by the textbook: the foot on the plane where it is inside, else the nearest side."""

    def to_side(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        t = ((p[:, None] - u) * (v - u)).sum(-1) / ((v - u) ** 2).sum(-1)
        return np.linalg.norm(p[:, None] - (u + t.clip(0, 1)[..., None] * (v - u)), axis=-1)

    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    height = ((p[:, None] - a) * normal).sum(-1)
    foot = p[:, None] - height[..., None] * normal
    inside = np.ones(height.shape, bool)
    for u, v in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(v - u, foot - u) * normal).sum(-1) >= 0
    sides = np.minimum(np.minimum(to_side(a, b), to_side(b, c)), to_side(c, a))
    return np.where(inside, np.abs(height), sides)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-2, 0.0), (1e3, 5e6)])
def test_distance_is_that_of_the_formula(scale: float, shift: float) -> None:
    rng = np.random.default_rng(1)
    soup = Mesh(rng.normal(size=(120, 3)), np.arange(120).reshape(-1, 3))
    points = rng.normal(size=(500, 3)) * 2
    a, b, c = soup.vertices[soup.faces.T]
    expected = point_triangle_distance(points, a, b, c).min(1)
    found = distance_to_mesh(points * scale + shift, moved(soup, shift, scale))
    np.testing.assert_allclose(found / scale, expected, atol=1e-10 + 1e-15 * shift / scale, rtol=1e-10)


def test_distance_does_not_depend_on_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    points = np.random.default_rng(0).normal(size=(100, 3))
    whole = distance_to_mesh(points, SPHERE)
    monkeypatch.setattr(recon.meshing.triangles, "CHUNK_POINTS", 7)
    np.testing.assert_array_equal(distance_to_mesh(points, SPHERE), whole)
    assert distance_to_mesh(points[:0], SPHERE).shape == (0,)


def test_concentric_spheres_are_the_difference_of_radii_apart_from_below() -> None:
    """Similar inscribed polyhedra of radii 1 and 1.1: every distance lies in [0.1 h, 0.1], h the inradius."""
    triangles = SPHERE.vertices[SPHERE.faces]
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.linalg.norm(normals, axis=1)[:, None]
    h = (triangles[:, 0] * normals).sum(1).min()
    e = evaluate(moved(SPHERE, scale=1.1), SPHERE, samples=20_000)
    assert e.both is not None
    for d in (e.mesh_to_reference, e.reference_to_mesh, e.both):
        assert 0.1 * h <= d.mean * e.unit < 0.1
        assert 0.1 * h <= d.median * e.unit <= d.p95 * e.unit <= d.p99 * e.unit <= d.largest * e.unit < 0.1
        assert d.rms == pytest.approx(d.mean, rel=1e-3)
    assert h > 0.995
    assert e.f_score == {1: 0.0, 2: 0.0, 5: 0.0}
    assert e.cosine == pytest.approx(1.0, abs=2e-3)


def test_a_cube_moved_along_an_axis() -> None:
    """Side 2, shift 0.01: the face behind is 0.01 away; the one in front is too, less 0.0001 for its rim; the
    strips of the four others bring 0.000025 each: mean 0.02 / 6. At most 0.01."""
    e = evaluate(moved(CUBE, (0.01, 0, 0)), CUBE)
    assert e.unit == pytest.approx(1e-3, rel=1e-12)
    assert e.both is not None and e.f_score is not None
    assert e.both.mean == pytest.approx(20 / 6, rel=5e-3)
    assert e.both.largest == pytest.approx(10, rel=1e-9)
    assert e.both.median == pytest.approx(0, abs=1e-9)
    assert e.both.mean == pytest.approx((e.mesh_to_reference.mean + e.reference_to_mesh.mean) / 2)
    assert e.f_score[5] == pytest.approx(4 / 6, abs=0.01)


def test_samples_are_uniform_by_area() -> None:
    """Half the area in 2,000 faces on the plane, half in 2 faces at height 0.01: mean distance 0.005."""
    fine = trimesh.creation.box((1, 2, 0.5)).subdivide().subdivide().subdivide().subdivide()
    top = fine.triangles_center[:, 2] > 0.2499
    left = Mesh(fine.vertices - [0.5, 0, 0.25], fine.faces[top])
    n = len(left.vertices)
    right = [[0, -1, 0.01], [1, -1, 0.01], [1, 1, 0.01], [0, 1, 0.01]]
    halves = Mesh(np.r_[left.vertices, right], np.r_[left.faces, [[n, n + 1, n + 2], [n, n + 2, n + 3]]])
    plane = Mesh(np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 1.5, [[0, 1, 2], [0, 2, 3]])
    d = evaluate(halves, plane, samples=10_000).mesh_to_reference
    assert d.mean * 1.5e-3 == pytest.approx(0.005, rel=1e-3)
    assert d.rms * 1.5e-3 == pytest.approx(0.01 / np.sqrt(2), rel=1e-3)


@pytest.mark.parametrize("corner", [0, 1, 2])
def test_samples_are_uniform_in_a_triangle(corner: int) -> None:
    """One corner raised by h over a plane: heights are h times a barycentric coordinate, whose mean over the
    triangle is 1/3 and mean square 1/6."""
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]])
    plane = Mesh(points * 4 - [1, 1, 0], [[0, 1, 2]])
    points[corner, 2] = 0.01
    d = evaluate(Mesh(points, [[0, 1, 2]]), plane, samples=50_000).mesh_to_reference
    assert d.mean * 2e-3 == pytest.approx(0.01 / 3, rel=0.01)
    assert d.rms * 2e-3 == pytest.approx(0.01 / np.sqrt(6), rel=0.01)
    assert d.largest * 2e-3 == pytest.approx(0.01, rel=0.02)


def test_a_surface_is_at_distance_zero_of_itself() -> None:
    e = evaluate(BUMPY, BUMPY, samples=20_000)
    assert e.both is not None and e.both.largest < 1e-9
    assert e.f_score == {1: 1.0, 2: 1.0, 5: 1.0}
    assert e.cosine == pytest.approx(1.0, abs=1e-3)
    assert e.mesh == e.reference


def test_inside_out_shows() -> None:
    e = evaluate(Mesh(SPHERE.vertices, SPHERE.faces[:, ::-1]), SPHERE, samples=20_000)
    assert e.both is not None and e.both.largest < 1e-9
    assert e.cosine == pytest.approx(-1.0, abs=1e-3)
    assert e.mesh.outward is False and e.reference is not None and e.reference.outward is True


def test_a_ghost_shows_in_one_direction_only() -> None:
    ghost = moved(SPHERE, (3, 0, 0), 0.1)
    both = Mesh(
        np.r_[SPHERE.vertices, ghost.vertices], np.r_[SPHERE.faces, ghost.faces + len(SPHERE.vertices)]
    )
    e = evaluate(both, SPHERE, samples=20_000)
    assert e.mesh_to_reference.largest * e.unit == pytest.approx(2.1, abs=0.01)
    assert e.reference_to_mesh.largest < 1e-9
    assert e.mesh.components == 2


def numbers(e: Evaluation) -> np.ndarray:
    assert e.both is not None and e.f_score is not None and e.cosine is not None
    parts = [vars(d).values() for d in (e.mesh_to_reference, e.reference_to_mesh, e.both)]
    return np.array([x for p in parts for x in p] + [*e.f_score.values(), e.cosine])


@pytest.mark.parametrize(("scale", "shift"), [(1e-2, 0.0), (1.0, 5e6), (1e3, -5e6)])
def test_numbers_do_not_change_with_unit_and_offset(scale: float, shift: float) -> None:
    e = evaluate(BUMPY, SPHERE, samples=20_000)
    f = evaluate(moved(BUMPY, shift, scale), moved(SPHERE, shift, scale), samples=20_000)
    assert f.unit == pytest.approx(scale * e.unit, rel=1e-8)
    np.testing.assert_allclose(numbers(f), numbers(e), rtol=1e-4, atol=1e-4)
    assert (f.mesh, f.reference) == (e.mesh, e.reference)


def test_world_distances_do_not_change_with_a_turn() -> None:
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix()
    e = evaluate(BUMPY, SPHERE, samples=20_000)
    f = evaluate(moved(BUMPY, 7.0, turn=turn), moved(SPHERE, 7.0, turn=turn), samples=20_000)
    assert e.both is not None and f.both is not None
    world = [list(vars(x.both.times(x.unit)).values()) for x in (e, f)]  # type: ignore[union-attr]
    np.testing.assert_allclose(world[1], world[0], rtol=1e-4)


def test_same_seed_same_numbers_other_seed_others() -> None:
    first, again, other = (evaluate(BUMPY, SPHERE, samples=5_000, seed=s) for s in (0, 0, 1))
    assert first.as_dict() == again.as_dict()
    assert first.both != other.both


def test_vertices_without_faces_do_not_set_the_unit() -> None:
    stray = Mesh(np.r_[SPHERE.vertices, [[99, 0, 0]]], SPHERE.faces)
    assert evaluate(BUMPY, stray, samples=100).unit == evaluate(BUMPY, SPHERE, samples=100).unit


def test_faces_without_area_change_nothing() -> None:
    n = len(SPHERE.vertices)
    flat = Mesh(np.r_[SPHERE.vertices, SPHERE.vertices[:1]], np.r_[[[0, 0, 1], [0, n, 1]], SPHERE.faces])
    e, f = evaluate(flat, SPHERE, samples=20_000), evaluate(SPHERE, SPHERE, samples=20_000)
    np.testing.assert_allclose(numbers(e), numbers(f), atol=1e-9)


def test_cloud_as_reference() -> None:
    """Points of the surface itself: exact one way; the other way no farther than the points are apart."""
    cloud = PointCloud(SPHERE.vertices, SPHERE.vertices)
    e = evaluate(SPHERE, cloud, samples=20_000)
    edges = np.linalg.norm(np.diff(SPHERE.vertices[SPHERE.faces], axis=1), axis=-1)
    assert e.reference_to_mesh.largest < 1e-9
    assert 0 < e.mesh_to_reference.largest * e.unit < edges.max()
    assert (e.both, e.f_score, e.reference) == (None, None, None)
    assert e.cosine == pytest.approx(1.0, abs=5e-3)
    bare = evaluate(SPHERE, PointCloud(SPHERE.vertices), samples=20_000)
    assert bare.cosine is None and bare.mesh_to_reference == e.mesh_to_reference
    few = evaluate(moved(SPHERE, scale=0.5), cloud, samples=100)
    assert few.reference_to_mesh.mean * few.unit == pytest.approx(0.5, abs=2e-3)
    flipped = evaluate(SPHERE, PointCloud(SPHERE.vertices, -SPHERE.vertices), samples=20_000)
    assert flipped.cosine == pytest.approx(-1.0, abs=5e-3)


@pytest.mark.parametrize("reference", [SPHERE, PointCloud(SPHERE.vertices)])
def test_dict_is_json_and_lines_say_the_same(reference: Mesh | PointCloud) -> None:
    e = evaluate(BUMPY, reference, samples=1_000)
    d = json.loads(json.dumps(e.as_dict(), allow_nan=False))
    assert d["distance"]["mesh_to_reference"]["mean"] == e.mesh_to_reference.mean
    world = d["distance_world"]["reference_to_mesh"]["largest"]
    assert world == pytest.approx(e.reference_to_mesh.largest * e.unit)
    assert d["mesh"]["genus"] == 0 and d["mesh"]["watertight"] is True
    text = "\n".join(e.lines())
    assert f"{e.mesh_to_reference.mean:.3f}" in text and f"{world:.4g}" in text
    assert ("both ways" in text) == isinstance(reference, Mesh) == ("F-score" in text)


EMPTY = Mesh(np.zeros((3, 3)), np.zeros((0, 3)))
NAN = Mesh(np.where(np.arange(24).reshape(8, 3) == 5, np.nan, CUBE.vertices), CUBE.faces)
LINE = Mesh([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1, 2]])
POINT = Mesh(np.ones((3, 3)), [[0, 1, 2]])


@pytest.mark.parametrize("broken", [EMPTY, NAN, LINE, POINT])
def test_meshes_without_a_surface_are_refused(broken: Mesh) -> None:
    for mesh, reference in ((broken, SPHERE), (SPHERE, broken)):
        with pytest.raises(ScanError, match="the mesh" if mesh is broken else "the reference"):
            evaluate(mesh, reference, samples=10)
    with pytest.raises(ScanError, match="the mesh"):
        distance_to_mesh(SPHERE.vertices, broken)


@pytest.mark.parametrize("points", [np.zeros((0, 3)), np.full((4, 3), np.inf), np.ones((4, 3))])
def test_clouds_without_extent_are_refused(points: np.ndarray) -> None:
    with pytest.raises(ScanError, match="the reference"):
        evaluate(SPHERE, PointCloud(points), samples=10)


def test_errors_are_one_line() -> None:
    with pytest.raises(UsageError, match="samples is 0"):
        evaluate(SPHERE, SPHERE, samples=0)
    with pytest.raises(ReconError) as caught:
        evaluate(EMPTY, SPHERE)
    assert "\n" not in str(caught.value)

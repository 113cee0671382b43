import numpy as np
import pytest
import trimesh

from recon.geometry import Mesh
from recon.meshing.topology import measures, pulled_apart, topology


def as_mesh(t: trimesh.Trimesh) -> Mesh:
    return Mesh(t.vertices, t.faces)


def joined(*meshes: Mesh) -> Mesh:
    offsets = np.cumsum([0] + [len(m.vertices) for m in meshes[:-1]])
    faces = [m.faces + o for m, o in zip(meshes, offsets, strict=True)]
    return Mesh(np.concatenate([m.vertices for m in meshes]), np.concatenate(faces))


SPHERE = as_mesh(trimesh.creation.icosphere(3))
TORUS = as_mesh(trimesh.creation.torus(1.0, 0.3))
TETRAHEDRON = Mesh(np.eye(4, 3), [[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])


def strip(n: int, twist: bool) -> Mesh:
    """A band of 2n faces, closed to a ring, with half a turn where `twist`; topology only."""
    low, high = 2 * np.arange(n), 2 * np.arange(n) + 1
    next_low, next_high = np.roll(low, -1), np.roll(high, -1)
    if twist:
        next_low[-1], next_high[-1] = next_high[-1], next_low[-1]
    faces = np.concatenate([np.c_[low, next_low, high], np.c_[high, next_low, next_high]])
    return Mesh(np.random.default_rng(0).random((2 * n, 3)), faces)


@pytest.mark.parametrize(
    ("mesh", "components", "genus"),
    [
        (SPHERE, 1, 0),
        (TORUS, 1, 1),
        (TETRAHEDRON, 1, 0),
        (joined(SPHERE, TORUS), 2, 1),
        (joined(TORUS, TORUS, SPHERE), 3, 2),
    ],
)
def test_closed_surfaces(mesh: Mesh, components: int, genus: int) -> None:
    t = topology(mesh)
    assert t.watertight and t.consistent and t.outward
    assert (t.components, t.genus, t.boundary_edges, t.boundary_loops) == (components, genus, 0, 0)
    assert (t.vertices, t.faces) == (len(mesh.vertices), len(mesh.faces))


def test_inside_out_is_not_outward() -> None:
    t = topology(Mesh(TORUS.vertices, TORUS.faces[:, ::-1]))
    assert t.outward is False
    assert t.watertight and t.consistent and t.genus == 1


def test_outward_holds_far_from_the_origin() -> None:
    far = SPHERE.vertices * 1e-2 + [4.3e5, 5.4e6, -2e3]
    assert topology(Mesh(far, SPHERE.faces)).outward is True
    assert topology(Mesh(far, SPHERE.faces[:, ::-1])).outward is False


@pytest.mark.parametrize(("mesh", "genus"), [(SPHERE, 0), (TORUS, 1)])
def test_holes_have_boundary_and_keep_the_genus(mesh: Mesh, genus: int) -> None:
    """Two vertices and their fans taken out: two loops, each as long as its vertex had faces."""
    other = len(mesh.vertices) // 2
    cut = (mesh.faces == 0).any(1) | (mesh.faces == other).any(1)
    t = topology(Mesh(mesh.vertices, mesh.faces[~cut]))
    assert (t.boundary_edges, t.boundary_loops, t.components, t.genus) == (cut.sum(), 2, 1, genus)
    assert not t.watertight and t.consistent and t.outward is None


def test_ring_and_moebius_band() -> None:
    ring, moebius = topology(strip(12, False)), topology(strip(12, True))
    assert (ring.genus, ring.boundary_loops, ring.boundary_edges, ring.consistent) == (0, 2, 24, True)
    assert (moebius.genus, moebius.boundary_loops, moebius.consistent) == (None, None, False)
    assert moebius.boundary_edges == 24 and moebius.nonmanifold_edges == 0


def test_one_turned_face_is_inconsistent() -> None:
    faces = SPHERE.faces.copy()
    faces[17] = faces[17, ::-1]
    t = topology(Mesh(SPHERE.vertices, faces))
    assert t.watertight and not t.consistent and t.outward is None and t.genus is None


def test_third_face_at_an_edge_is_nonmanifold() -> None:
    a, b, _ = SPHERE.faces[0]
    extra = Mesh(np.r_[SPHERE.vertices, [[0, 0, 2]]], np.r_[SPHERE.faces, [[a, b, len(SPHERE.vertices)]]])
    t = topology(extra)
    assert (t.nonmanifold_edges, t.boundary_edges, t.components, t.genus) == (1, 2, 1, None)
    assert not t.watertight


def test_bodies_that_touch_in_a_vertex_are_two() -> None:
    two = joined(TETRAHEDRON, TETRAHEDRON)
    faces = np.where(two.faces == 4, 0, two.faces)
    t = topology(Mesh(two.vertices, faces))
    assert t.watertight and (t.components, t.genus) == (2, 0)


def test_a_pinched_sphere_is_a_sphere() -> None:
    """Two opposite vertices made one: V - E + F alone would give a genus of one half."""
    opposite = int(np.argmin(SPHERE.vertices @ SPHERE.vertices[0]))
    t = topology(Mesh(SPHERE.vertices, np.where(SPHERE.faces == opposite, 0, SPHERE.faces)))
    assert t.watertight and (t.components, t.genus) == (1, 0)


def test_holes_that_touch_in_a_vertex_are_one() -> None:
    """A flat 4 x 4 grid without two squares that share only the middle vertex, where it comes apart."""
    i, j = np.meshgrid(range(4), range(4), indexing="ij")
    hole = ((i == 1) & (j == 1)) | ((i == 2) & (j == 2))
    corner = (5 * i + j)[~hole]
    faces = np.concatenate([np.c_[corner, corner + 5, corner + 6], np.c_[corner, corner + 6, corner + 1]])
    points = np.stack(np.meshgrid(range(5), range(5), [0], indexing="ij"), -1).reshape(-1, 3)
    t = topology(Mesh(points, faces))
    assert (t.boundary_edges, t.components, t.genus) == (16 + 8, 1, 0)
    assert t.boundary_loops == 2


def test_faces_that_name_a_vertex_twice_do_not_count() -> None:
    faces = np.r_[SPHERE.faces, [[0, 0, 1], [5, 5, 5]]]
    t = topology(Mesh(SPHERE.vertices, faces))
    assert t.watertight and t.outward and (t.components, t.genus, t.faces) == (1, 0, len(faces))


def test_vertices_without_faces_are_no_components() -> None:
    t = topology(Mesh(np.r_[SPHERE.vertices, np.ones((9, 3))], SPHERE.faces))
    assert (t.components, t.genus) == (1, 0)


def test_no_faces_is_no_surface() -> None:
    t = topology(Mesh(np.zeros((5, 3)), np.zeros((0, 3))))
    assert (t.components, t.watertight, t.outward, t.boundary_edges) == (0, False, None, 0)


def test_agrees_with_trimesh_on_a_random_soup() -> None:
    """Random faces over few vertices: every fault at once, against an independent count of edges."""
    rng = np.random.default_rng(3)
    faces = rng.permuted(np.tile(np.arange(30), (200, 1)), axis=1)[:, :3]
    mesh = trimesh.Trimesh(rng.random((30, 3)), faces, process=False)
    _, count = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    t = topology(as_mesh(mesh))
    assert (t.boundary_edges, t.nonmanifold_edges) == ((count == 1).sum(), (count > 2).sum())
    assert t.nonmanifold_edges > 0 and t.boundary_edges > 0


@pytest.mark.parametrize("offset", [0.0, 5e6])
def test_area_and_volume_of_a_box(offset: float) -> None:
    box = as_mesh(trimesh.creation.box((1.0, 2.0, 3.0)))
    box = Mesh(box.vertices + offset, box.faces)
    size = measures(box, topology(box))
    assert (size.area, size.volume) == pytest.approx((22, 6), rel=1e-12)
    assert size.holes == () and size.line("metre") == "area 22 metre², volume 6 metre³"


def test_only_closed_outward_surfaces_have_a_volume() -> None:
    turned = Mesh(SPHERE.vertices, SPHERE.faces[:, ::-1])
    opened = Mesh(SPHERE.vertices, SPHERE.faces[1:])
    assert measures(turned, topology(turned)).volume is None
    assert measures(opened, topology(opened)).volume is None
    assert measures(turned, topology(turned)).area == pytest.approx(4 * np.pi, rel=0.01)


def test_holes_are_told_from_the_longest_to_the_shortest() -> None:
    """A sphere without its poles, one hole twice as wide as the other, far from the origin."""
    sphere = as_mesh(trimesh.creation.icosphere(6))
    shift = np.array([5e6, 0, -5e6])
    open_ = Mesh(sphere.vertices + shift, sphere.faces).select(
        (sphere.vertices[:, 2] < np.cos(0.2)) & (sphere.vertices[:, 2] > -np.cos(0.4))
    )
    size = measures(open_, topology(open_))
    assert size.volume is None and len(size.holes) == 2
    for hole, angle, side in zip(size.holes, (0.4, 0.2), (-1, 1), strict=True):
        assert hole.size[:2] == pytest.approx([2 * np.sin(angle)] * 2, rel=0.1)
        assert hole.length > 2 * np.pi * np.sin(angle)  # a zigzag around the circle
        assert hole.center == pytest.approx(shift + np.eye(3)[2] * side * np.cos(angle), abs=0.05)
    assert sum(hole.edges for hole in size.holes) == topology(open_).boundary_edges
    assert "; 2 holes, their rims " in size.line() and size.line().count(" x ") == 4
    assert size.line("inch").count(" inch (") == 2 and "inch²; 2 holes, their rims " in size.line("inch")


def test_fans_that_meet_in_a_vertex_are_pulled_apart() -> None:
    opposite = int(np.argmin(SPHERE.vertices @ SPHERE.vertices[0]))
    pinched = Mesh(
        SPHERE.vertices,
        np.where(SPHERE.faces == opposite, 0, SPHERE.faces),
        values={"z": SPHERE.vertices[:, 2]},
    )
    apart = pulled_apart(pinched)
    assert len(apart.vertices) == len(SPHERE.vertices)
    assert np.array_equal(apart.vertices[apart.faces], pinched.vertices[pinched.faces])
    assert np.array_equal(apart.values["z"], apart.vertices[:, 2])
    assert pulled_apart(SPHERE) is SPHERE

"""Which parts of a mesh stay."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from recon.geometry import Mesh
from recon.meshing import components
from recon.meshing.components import keep_parts
from recon.meshing.topology import topology


def balls(*spheres: tuple[float, float]) -> Mesh:
    """Spheres of (x of the centre, radius) in one mesh."""
    parts = [trimesh.creation.icosphere(3, radius) for _, radius in spheres]
    for part, (x, _) in zip(parts, spheres, strict=True):
        part.apply_translation((x, 0, 0))
    whole = trimesh.util.concatenate(parts)
    return Mesh(whole.vertices, whole.faces, whole.vertices)


def scan_of(mesh: Mesh) -> np.ndarray:
    generator = np.random.default_rng(0)
    corner = mesh.vertices[mesh.faces[generator.integers(len(mesh.faces), size=5000)]]
    return (corner * generator.dirichlet(np.ones(3), 5000)[..., None]).sum(1)


def test_auto_drops_ghosts_and_crumbs_and_keeps_what_was_scanned() -> None:
    mesh = balls((0, 1.0), (2.2, 0.3), (5, 0.8), (-1.2, 0.02))
    kept, dropped = keep_parts(mesh, "auto", scan_of(balls((0, 1.0), (2.2, 0.3))))
    assert dropped == 2
    assert topology(kept).components == 2
    assert kept.vertices[:, 0].max() == pytest.approx(2.5, abs=1e-2)
    assert np.array_equal(kept.vertices, kept.normals)  # attributes go with their vertices


def test_auto_keeps_a_part_that_was_scanned_from_one_side_only() -> None:
    """A tenth of a ball has points, and no other part is near them; a ghost beside the other ball has none
    to itself."""
    mesh = balls((0, 1.0), (4, 1.0), (1.5, 0.4))
    scan = scan_of(balls((0, 1.0), (4, 1.0)))
    scan = scan[(scan[:, 0] < 2) | (scan[:, 0] > 4.8)]
    kept, dropped = keep_parts(mesh, "auto", scan)
    assert dropped == 1
    assert kept.vertices[:, 0].max() == pytest.approx(5, abs=1e-2)
    assert topology(kept).components == 2


@pytest.mark.parametrize("radius", [0.95, 1.05])
def test_auto_drops_a_ghost_along_the_surface(radius: float) -> None:
    """It is within two spacings of points everywhere, but none has it for the nearest surface."""
    mesh, scan = balls((0, 1.0), (0, radius)), scan_of(balls((0, 1.0)))
    kept, dropped = keep_parts(mesh, "auto", scan)
    assert dropped == 1
    assert np.linalg.norm(kept.vertices, axis=1) == pytest.approx(1.0)


def test_auto_keeps_both_sides_of_a_thin_wall() -> None:
    mesh = balls((0, 1.0), (0, 0.95))
    kept, dropped = keep_parts(mesh, "auto", scan_of(mesh))
    assert dropped == 0 and topology(kept).components == 2


def test_parts_are_the_same_however_many_faces_are_joined_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = balls((0, 0.1), (2, 1.0), (5, 0.5))
    shuffled = Mesh(mesh.vertices, np.random.default_rng(0).permutation(mesh.faces))
    whole, _ = keep_parts(shuffled, "largest", np.zeros((0, 3)))
    monkeypatch.setattr(components, "LABEL_CHUNK_FACES", 100)
    pieces, dropped = keep_parts(shuffled, "largest", np.zeros((0, 3)))
    assert dropped == 2
    assert np.array_equal(pieces.vertices, whole.vertices) and np.array_equal(pieces.faces, whole.faces)


@pytest.mark.parametrize(("parts", "left"), [("all", 3), ("largest", 1), ("2", 2), ("9", 3)])
def test_parts_are_counted_from_the_largest(parts: str, left: int) -> None:
    mesh = balls((0, 0.1), (2, 1.0), (5, 0.5))
    kept, dropped = keep_parts(mesh, parts, mesh.vertices)
    assert topology(kept).components == left and dropped == 3 - left
    if left < 3:
        assert kept.vertices[:, 0].min() == pytest.approx(1.0, abs=1e-2)


def test_a_single_part_stays_even_where_no_point_supports_it() -> None:
    mesh = balls((0, 1.0))
    kept, dropped = keep_parts(mesh, "auto", mesh.vertices + 100)
    assert dropped == 0 and len(kept.faces) == len(mesh.faces)

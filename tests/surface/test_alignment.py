"""A mesh in another frame is moved onto its reference."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import recon
from recon.errors import MissingLibraryError, ScanError
from recon.geometry import Mesh, PointCloud
from recon.meshing.triangles import surface_points
from recon.surface import alignment
from recon.surface.alignment import aligned


@pytest.fixture(scope="module")
def reference(data: Path) -> Mesh:
    """A machine part that looks like itself from no other side, 1 large."""
    return recon.read_mesh(data / "coupling_reference.ply")


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "offset", "scale"), [(0, 0.0, 1.0), (1, 5e6, 1e3), (2, 3.0, 1e-3)])
def test_a_turned_and_shifted_mesh_comes_back(
    seed: int, offset: float, scale: float, reference: Mesh
) -> None:
    """To a millionth of its size, in any unit and from anywhere."""
    turn = Rotation.random(random_state=seed).as_matrix()
    here = Mesh(scale * reference.vertices, reference.faces)
    normals = np.tile(turn[:, 0], (len(here.vertices), 1))
    there = Mesh(here.vertices @ turn.T + offset, here.faces, normals)
    back, how = aligned(there, here, seed)
    assert np.abs(back.vertices - here.vertices).max() < 1e-6 * scale + 1e-9 * offset
    assert back.normals is not None and np.abs(back.normals - [1, 0, 0]).max() < 1e-4
    moved = there.vertices @ how.matrix[:3, :3].T + how.matrix[:3, 3]
    np.testing.assert_allclose(moved, back.vertices, atol=1e-7 * scale + 1e-8 * offset)
    np.testing.assert_allclose(how.matrix[:3, :3] @ how.matrix[:3, :3].T, np.eye(3), atol=1e-9)
    assert how.met > 0.999 and "turned by" in how.line()


@pytest.mark.slow
def test_onto_points_without_normals_too(reference: Mesh) -> None:
    turn = Rotation.from_euler("xyz", [20, -35, 60], degrees=True).as_matrix()
    points, _ = surface_points(reference, 20_000, np.random.default_rng(0))
    back, _ = aligned(Mesh(reference.vertices @ turn.T + 2, reference.faces), PointCloud(points))
    assert np.abs(back.vertices - reference.vertices).max() < 2e-3


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 40])
def test_a_handful_of_points_is_refused(count: int, reference: Mesh) -> None:
    points, _ = surface_points(reference, count, np.random.default_rng(0))
    with pytest.raises(ScanError, match="do not fit"):
        aligned(reference, PointCloud(points))


@pytest.mark.slow
def test_what_is_something_else_or_of_another_size_is_refused(
    reference: Mesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alignment, "SAMPLES", 10_000)  # in vain, so it takes all the tries there are
    larger = Mesh(1.5 * reference.vertices, reference.faces)
    with pytest.raises(ScanError, match=r"do not fit: at best .* does not scale"):
        aligned(larger, reference)


def test_without_open3d_it_says_how_to_get_it(reference: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(MissingLibraryError, match="bash tools/setup view"):
        aligned(reference, reference)

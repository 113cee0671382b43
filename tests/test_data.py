"""What data/README.md says of the files beside it is so."""

from __future__ import annotations

import re
from pathlib import Path

import igl
import numpy as np
import pytest
from numpy.typing import NDArray
from plyfile import PlyData
from scipy.spatial import cKDTree

CLOSED = ["kitten.ply", "oni.ply", "elephant.ply", "coupling.ply"]
SCANS = [*CLOSED, "hippo.ply", "three_peaks.ply"]


def rows(path: Path) -> NDArray[np.float32]:
    vertex = PlyData.read(path)["vertex"]
    names = [prop.name for prop in vertex.properties]
    assert names == ["x", "y", "z", "nx", "ny", "nz"][: len(names)]
    return np.stack([vertex[name] for name in names], axis=1)


def test_readme_names_every_file_with_its_count(data: Path) -> None:
    table = re.findall(
        r"^\| `(\S+)` \| ([\d,]+) \|", (data / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    stated = {name: int(count.replace(",", "")) for name, count in table}
    counted = {path.name: len(rows(path)) for path in data.iterdir() if path.name != "README.md"}
    assert stated == counted


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_is_finite_float32_and_its_normals_are_unit(data: Path, name: str) -> None:
    table = rows(data / name)
    assert table.dtype == np.float32 and table.shape[1] == 6
    assert np.isfinite(table).all()
    np.testing.assert_allclose(np.linalg.norm(table[:, 3:].astype(float), axis=1), 1, atol=2e-6)
    assert len(np.unique(table[:, :3], axis=0)) == len(table)


@pytest.mark.parametrize("name", CLOSED)
def test_normals_of_a_closed_shape_point_outward(data: Path, name: str) -> None:
    """The winding number of the oriented points is 1 a step behind the surface and 0 a step before it."""
    points, normals = np.split(rows(data / name).astype(float), 2, axis=1)
    neighbours = 12
    reach = cKDTree(points).query(points, neighbours + 1)[0][:, -1]
    areas = np.pi * reach**2 / neighbours  # the disc around a point that holds 12 others
    step = 0.02 * np.ptp(points, axis=0).max() * normals
    winding = [igl.fast_winding_number(points, normals, areas, points + s * step) for s in (-1, 1)]
    assert np.median(winding, axis=1) == pytest.approx([1, 0], abs=0.15)


def test_hippo_is_one_view(data: Path) -> None:
    """Every normal turns to a viewer on the +z side, so one side of the animal is all there is."""
    assert rows(data / "hippo.ply")[:, 5].min() > 0


def test_coupling_lies_on_its_reference(data: Path) -> None:
    mesh = PlyData.read(data / "coupling_reference.ply")
    faces = np.stack(mesh["face"]["vertex_indices"]).astype(np.int64)
    points = rows(data / "coupling.ply")[:, :3].astype(float)
    vertices = rows(data / "coupling_reference.ply").astype(float)
    squared, _, _ = igl.point_mesh_squared_distance(points, vertices, faces)
    assert np.sqrt(squared.max()) < 1e-6

"""The same points in whatever people hold them are the same cloud, and a mesh goes where they want it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import open3d
import pytest
import torch
import trimesh
from shapes import sphere

import recon
from recon.errors import MissingLibraryError, ReconError, ShapeError
from recon.geometry import Mesh, PointCloud
from recon.scan.in_memory import as_cloud, content_of

BALL = sphere(200)
POINTS, NORMALS = BALL.points, BALL.normals
COLORS = np.random.default_rng(0).integers(0, 256, (200, 3)).astype(np.uint8)
SOLID = trimesh.creation.icosphere(2)


def legacy() -> Any:
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(POINTS.copy()))
    cloud.normals = open3d.utility.Vector3dVector(NORMALS.copy())
    cloud.colors = open3d.utility.Vector3dVector(COLORS / 255)
    return cloud


class PolyData(SimpleNamespace):
    """As much of pyvista.PolyData as is asked for, under its name."""

    def triangulate(self) -> PolyData:
        return self


PolyData.__module__ = "pyvista.core.pointset"
OF_PYVISTA = PolyData(
    points=POINTS.astype(np.float32),
    faces=np.zeros(0, int),
    regular_faces=np.zeros((0, 3), int),
    point_data={"Normals": NORMALS, "RGB": COLORS, "intensity": np.arange(200)},
)
HELD: dict[str, tuple[Any, bool, bool]] = {  # and whether it has normals and colours
    "cloud": (PointCloud(POINTS, NORMALS, COLORS), True, True),
    "array": (POINTS, False, False),
    "lists": (POINTS.tolist(), False, False),
    "array of six columns": (np.hstack([POINTS, NORMALS]), True, False),
    "tensor": (torch.tensor(POINTS, requires_grad=True), False, False),
    "open3d": (legacy(), True, True),
    "open3d.t": (open3d.t.geometry.PointCloud.from_legacy(legacy()), True, True),
    "trimesh": (trimesh.PointCloud(POINTS, colors=COLORS), False, True),
    "pyvista": (OF_PYVISTA, True, True),
}


@pytest.mark.parametrize("name", HELD)
def test_points_normals_and_colours_are_found(name: str) -> None:
    given, has_normals, has_colors = HELD[name]
    cloud = as_cloud(given)
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-6)
    assert (cloud.normals is not None, cloud.colors is not None) == (has_normals, has_colors)
    if cloud.normals is not None:
        np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-6)
    if cloud.colors is not None:
        np.testing.assert_array_equal(cloud.colors, COLORS)


def test_what_is_given_beside_counts() -> None:
    for colors in (COLORS, COLORS / 255, COLORS.astype(float), torch.tensor(COLORS)):
        cloud = as_cloud(torch.tensor(POINTS), normals=torch.tensor(-NORMALS), colors=colors)
        np.testing.assert_array_equal(cloud.normals, -NORMALS)
        np.testing.assert_array_equal(cloud.colors, COLORS)
    np.testing.assert_array_equal(as_cloud(BALL, normals=-NORMALS).normals, -NORMALS)
    opaque = np.hstack([COLORS, np.full((200, 1), 9, np.uint8)])
    np.testing.assert_array_equal(as_cloud(POINTS, colors=opaque).colors, COLORS)


def test_meshes_are_sampled_and_stay_meshes_where_they_can(tmp_path: Path) -> None:
    mesh = Mesh(SOLID.vertices, SOLID.faces, colors=np.full((len(SOLID.vertices), 3), 7))
    of_pyvista = PolyData(
        points=SOLID.vertices, faces=np.zeros(9, int), regular_faces=SOLID.faces, point_data={}
    )
    recon.write_mesh(mesh, tmp_path / "m.ply")
    for given in (mesh, mesh.to_trimesh(), mesh.to_open3d(), of_pyvista, tmp_path / "m.ply"):
        content, cloud = content_of(given), as_cloud(given)
        assert isinstance(content, Mesh) and len(content.faces) == len(SOLID.faces)
        assert np.linalg.norm(cloud.points, axis=1) == pytest.approx(1, abs=0.03)
        assert recon.inspect(given).topology == recon.inspect(mesh).topology
    assert recon.inspect(POINTS).points == 200 and recon.inspect(legacy()).has_normals


def test_a_mesh_becomes_that_of_other_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh = Mesh(
        SOLID.vertices,
        SOLID.faces,
        SOLID.vertices,
        np.arange(3 * len(SOLID.vertices)).reshape(-1, 3) % 256,
        {"height": SOLID.vertices[:, 2]},
    )
    made, other = mesh.to_trimesh(), mesh.to_open3d()
    assert made.is_watertight and made.volume == pytest.approx(SOLID.volume)
    np.testing.assert_array_equal(made.visual.vertex_colors[:, :3], mesh.colors)
    np.testing.assert_allclose(made.vertex_normals, mesh.normals)
    np.testing.assert_array_equal(made.vertex_attributes["height"], mesh.values["height"])
    assert other.is_watertight() and other.get_volume() == pytest.approx(SOLID.volume)
    np.testing.assert_allclose(np.asarray(other.vertex_colors), mesh.colors / 255.0)
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(MissingLibraryError, match="PyVista is not installed: pip install pyvista"):
        mesh.to_pyvista()
    built = SimpleNamespace(point_data={})
    fake = SimpleNamespace(PolyData=SimpleNamespace(from_regular_faces=lambda vertices, faces: built))
    monkeypatch.setitem(sys.modules, "pyvista", fake)  # type: ignore[arg-type]
    assert set(mesh.to_pyvista().point_data) == {"Normals", "RGB", "height"}


@pytest.mark.parametrize(
    "wrong",
    [None, 3, b"x", {}, object(), np.zeros(3), np.zeros((3, 2)), np.zeros((3, 3), complex), [[1, 2], [3]]],
)
def test_other_things_are_told_from_clouds(wrong: Any) -> None:
    for function in (as_cloud, recon.reconstruct, recon.inspect):
        with pytest.raises(ReconError, match=r"the cloud is .* expected"):
            function(wrong)
    with pytest.raises(ReconError, match="columns are of text files"):
        recon.inspect(POINTS, columns="x,y,z")
    with pytest.raises(ShapeError, match="colors"):
        as_cloud(POINTS, colors=np.zeros((200, 2)))


# Slow: it trains a field.
@pytest.mark.slow
def test_the_page_of_the_documentation_runs(root: Path) -> None:
    text = (root / "docs" / "usage.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/usage.md", "exec"), names)
    result, points = names["result"], names["points"]
    assert names["mesh"].is_watertight and names["mesh"].euler_number == 2
    assert -0.13 < result.distance([0.0, 0.0, 0.9]) < -0.05  # so few steps are not enough for more
    assert result.distance(result.project(1.05 * points)) == pytest.approx(0.0, abs=1e-5)
    x = torch.tensor(1.1 * points, requires_grad=True)
    result.distance(x).square().sum().backward()
    d, slope = result.distance_and_gradient(1.1 * points)
    np.testing.assert_allclose(x.grad, 2 * d[:, None] * slope, rtol=1e-5, atol=1e-7)

"""Meshes come back from files as they went in."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import igl
import numpy as np
import pytest
import trimesh

from recon.errors import OutputError, ScanError, UsageError
from recon.geometry import Mesh
from recon.meshing.files import WRITERS, check_mesh_path, read_mesh, write_mesh
from recon.meshing.topology import topology
from recon.scan.files import read_cloud

SURVEY = np.array([431250.25, 5411873.5, 212.75])


def ball(radius: float = 1.0, center: float | np.ndarray = 0.0, *, bare: bool = False) -> Mesh:
    sphere = trimesh.creation.icosphere(3)
    normals = np.asarray(sphere.vertices)
    vertices = radius * normals + center
    if bare:
        return Mesh(vertices, sphere.faces)
    return Mesh(vertices, sphere.faces, normals, np.rint(127.5 + 127.5 * normals))


def as_set(mesh: Mesh) -> np.ndarray:
    """Its triangles' corners in an order that does not depend on how they are numbered."""
    triangles = mesh.vertices[mesh.faces].astype(np.float32)
    turned = np.stack([np.roll(triangles, k, axis=1).reshape(-1, 9) for k in range(3)], axis=1)
    least = [min(map(tuple, rotations)) for rotations in turned.tolist()]
    return np.array(sorted(least))


@pytest.mark.parametrize("ending", [".ply", ".obj", ".off"])
@pytest.mark.parametrize("bare", [True, False])
def test_full_precision_formats_are_exact(tmp_path: Path, ending: str, bare: bool) -> None:
    mesh = ball(37.3, SURVEY, bare=bare)
    write_mesh(mesh, tmp_path / f"m{ending}")
    back = read_mesh(tmp_path / f"m{ending}")
    np.testing.assert_array_equal(back.vertices, mesh.vertices)
    np.testing.assert_array_equal(back.faces, mesh.faces)
    assert (back.colors is None) is bare
    if not bare:
        np.testing.assert_array_equal(back.colors, mesh.colors)
    assert (back.normals is None) is (bare or ending == ".off")
    if back.normals is not None:
        np.testing.assert_allclose(back.normals, mesh.normals, atol=2e-7)


def test_scalars_go_into_ply_under_their_names_and_come_back(tmp_path: Path) -> None:
    n = len(ball().vertices)
    values = {"intensity": np.linspace(0, 1, n), "gps time": 1e9 + np.arange(n) / 3, "x": np.full(n, np.nan)}
    mesh = dataclasses.replace(ball(), values=values)
    write_mesh(mesh, tmp_path / "m.ply")
    back = read_mesh(tmp_path / "m.ply")
    assert list(back.values) == ["intensity", "gps_time", "x_"]  # one word each, none of them a coordinate's
    for found, column in zip(back.values.values(), values.values(), strict=True):
        np.testing.assert_array_equal(found, column)
    np.testing.assert_array_equal(back.colors, mesh.colors)


def test_glb_holds_finite_scalars_as_attributes_of_its_own(tmp_path: Path) -> None:
    n = len(ball().vertices)
    values = {"intensity": np.arange(n) / 4, "gaps": np.full(n, np.nan), "huge": np.full(n, 1e300)}
    write_mesh(dataclasses.replace(ball(), values=values), tmp_path / "m.glb")
    raw = (tmp_path / "m.glb").read_bytes()
    part = json.loads(raw[20 : 20 + int.from_bytes(raw[12:16], "little")])["meshes"][0]["primitives"][0]
    assert set(part["attributes"]) == {"POSITION", "NORMAL", "COLOR_0", "_INTENSITY"}
    loaded = trimesh.load(tmp_path / "m.glb", process=False)
    column = loaded.geometry["geometry_0"].vertex_attributes["_INTENSITY"]
    np.testing.assert_array_equal(column.ravel(), values["intensity"])


def test_glb_says_what_viewers_need_to_show_it_as_it_is(tmp_path: Path) -> None:
    """Without a material it would be metal, and of an open surface one side be missing; colours are light."""
    mesh = ball()
    write_mesh(mesh, tmp_path / "m.glb")
    raw = (tmp_path / "m.glb").read_bytes()
    tree = json.loads(raw[20 : 20 + int.from_bytes(raw[12:16], "little")])
    (part,) = tree["meshes"][0]["primitives"]
    material = tree["materials"][part["material"]]
    assert material["pbrMetallicRoughness"] == {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    assert material["doubleSided"] and "extensionsUsed" not in tree
    (loaded,) = trimesh.load(tmp_path / "m.glb", process=False).geometry.values()
    light = np.asarray(loaded.visual.vertex_attributes["color"])
    assert mesh.colors is not None
    for shade, wanted in ((0, 0.0), (10, 10 / 255 / 12.92), (128, 0.21586), (255, 1.0)):  # IEC 61966-2-1
        assert light[mesh.colors == shade] == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_colors_of_other_programs_glbs_are_light_too(kind: type, tmp_path: Path) -> None:
    light = np.array([0.0, 0.21586, 0.5, 1.0])
    most = 1 if kind is np.float32 else np.iinfo(kind).max
    column = np.rint(most * light) if most > 1 else light
    rows = np.repeat(column[:, None], 4, axis=1).astype(kind)
    shape = trimesh.creation.icosahedron()
    shape = trimesh.Trimesh(shape.vertices[:4], [[0, 1, 2], [0, 2, 3]], process=False)
    shape.vertex_attributes["_LIGHT"] = rows
    shape.visual = trimesh.visual.TextureVisuals(material=trimesh.visual.material.PBRMaterial())

    def rename(tree: dict[str, Any]) -> None:
        attributes = tree["meshes"][0]["primitives"][0]["attributes"]
        attributes["COLOR_0"] = attributes.pop("_LIGHT")

    scene = trimesh.Scene([shape])
    (tmp_path / "m.glb").write_bytes(scene.export(file_type="glb", tree_postprocessor=rename))
    found = read_mesh(tmp_path / "m.glb").colors
    assert found is not None
    np.testing.assert_allclose(found, np.repeat([[0], [128], [188], [255]], 3, axis=1), atol=1)


@pytest.mark.parametrize("bare", [True, False])
def test_glb_keeps_single_precision_of_the_extent_at_any_offset(tmp_path: Path, bare: bool) -> None:
    mesh = ball(37.3, SURVEY, bare=bare)
    write_mesh(mesh, tmp_path / "m.glb")
    back = read_mesh(tmp_path / "m.glb")
    assert np.abs(back.vertices - mesh.vertices).max() < 37.3 * 2.0**-23
    np.testing.assert_array_equal(back.faces, mesh.faces)
    if not bare:
        np.testing.assert_array_equal(back.colors, mesh.colors)
        np.testing.assert_allclose(back.normals, mesh.normals, atol=2e-7)


def test_stl_keeps_every_triangle_and_its_side(tmp_path: Path) -> None:
    mesh = ball()
    write_mesh(mesh, tmp_path / "m.stl")
    back = read_mesh(tmp_path / "m.stl")
    assert len(back.vertices) == len(mesh.vertices)  # the corners are one vertex again
    np.testing.assert_array_equal(as_set(back), as_set(mesh))
    assert topology(back).watertight and topology(back).outward
    raw = np.frombuffer((tmp_path / "m.stl").read_bytes()[84:], np.dtype("<f4").newbyteorder("<"), 3)
    a, b, c = mesh.vertices[mesh.faces[0]]
    cross = np.cross(b - a, c - a)
    np.testing.assert_allclose(raw, cross / np.linalg.norm(cross), atol=1e-6)


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("radius", [1e-6, 1e9])
def test_any_unit_goes(tmp_path: Path, ending: str, radius: float) -> None:
    write_mesh(ball(radius, bare=True), tmp_path / f"m{ending}")
    back = read_mesh(tmp_path / f"m{ending}")
    assert topology(back).watertight and topology(back).outward
    np.testing.assert_allclose(np.linalg.norm(back.vertices, axis=1), radius, rtol=1e-6)


def test_endings_in_capitals_and_unknown_ones(tmp_path: Path) -> None:
    write_mesh(ball(), tmp_path / "m.PLY")
    assert len(read_mesh(tmp_path / "m.PLY").faces) == len(ball().faces)
    for name in ("m.vrml", "m", "m.xyz"):
        with pytest.raises(UsageError, match=r"not one of .ply .obj .stl .glb .off .3mf"):
            check_mesh_path(tmp_path / name)
        with pytest.raises(UsageError):
            write_mesh(ball(), tmp_path / name)


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    write_mesh(ball(), tmp_path / "m.ply")
    with pytest.raises(OutputError, match="exists"):
        write_mesh(ball(2), tmp_path / "m.ply")
    write_mesh(ball(2), tmp_path / "m.ply", overwrite=True)
    assert read_mesh(tmp_path / "m.ply").vertices.max() == pytest.approx(2)


def test_nothing_is_no_mesh(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no faces"):
        write_mesh(Mesh(np.zeros((3, 3)), np.zeros((0, 3))), tmp_path / "m.ply")
    assert list(tmp_path.iterdir()) == []


def test_points_are_no_mesh(data: Path) -> None:
    with pytest.raises(ScanError, match="points without faces"):
        read_mesh(data / "kitten.ply")


@pytest.mark.parametrize("ending", WRITERS)
def test_a_mesh_is_a_scan_with_its_faces_normals(tmp_path: Path, ending: str) -> None:
    mesh = ball(2.0, bare=True)
    write_mesh(mesh, tmp_path / f"m{ending}")
    cloud = read_cloud(tmp_path / f"m{ending}", samples=3000, seed=1)
    squared, face, _ = igl.point_mesh_squared_distance(cloud.points, mesh.vertices, mesh.faces)
    assert len(cloud) == 3000 and np.sqrt(squared.max()) < 1e-6
    a, b, c = mesh.vertices[mesh.faces[face]].transpose(1, 0, 2)
    cross = np.cross(b - a, c - a)
    cosine = (cloud.normals * cross).sum(1) / np.linalg.norm(cross, axis=1)
    assert np.quantile(cosine, 0.01) > 1 - 1e-6  # points on an edge may name the face beside it


def test_names_of_values_stay_in_any_language(tmp_path: Path) -> None:
    mesh = ball()
    named = Mesh(
        mesh.vertices, mesh.faces, values={"größe": mesh.vertices[:, 0], "高さ": mesh.vertices[:, 1]}
    )
    write_mesh(named, tmp_path / "m.ply")
    assert set(read_mesh(tmp_path / "m.ply").values) == {"größe", "高さ"}

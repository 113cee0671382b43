"""Charts of a mesh: all of it is in the picture, once, and each texel knows its place."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.spatial import cKDTree

from recon.errors import MissingLibraryError, OutputError, ShapeError, UsageError
from recon.geometry import Float, Mesh
from recon.meshing import atlas as module
from recon.meshing.atlas import Atlas, Texture, unwrapped
from recon.meshing.files import check_mesh_path, read_mesh, write_mesh
from recon.meshing.texture_files import files_beside
from recon.meshing.topology import topology

SIZE = 256


def ball(offset: float = 0.0) -> Mesh:
    made = trimesh.creation.icosphere(3)
    return Mesh(np.asarray(made.vertices) + offset, np.asarray(made.faces), np.asarray(made.vertices))


@pytest.fixture(scope="module")
def charts() -> Atlas:
    return unwrapped(ball(), SIZE)


def places(atlas: Atlas, mesh: Mesh) -> tuple[np.ndarray, Float, np.ndarray]:
    """The faces (n,), places (n, 3) and barycentric coordinates (n, 3) of the texels with a face."""
    rows, columns = np.nonzero(atlas.texels >= 0)
    face, weights = atlas.texels[rows, columns], atlas.weights(rows, columns)
    return face, np.einsum("nc,nci->ni", weights, mesh.vertices[mesh.faces[face]]), weights


def test_the_faces_are_the_meshs_in_its_order(charts: Atlas) -> None:
    assert (charts.vertices[charts.faces] == ball().faces).all()
    assert charts.uv.min() >= 0 and charts.uv.max() <= 1 and max(charts.size) == SIZE


def test_every_face_has_its_share_of_the_picture(charts: Atlas) -> None:
    corners = charts.uv[charts.faces] * charts.size
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = 0.5 * np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    face, _, weights = places(charts, ball())
    inside = (weights > 0).all(1)
    found = np.bincount(face[inside], minlength=len(charts.faces))
    assert found.sum() == pytest.approx(area.sum(), rel=0.02)
    assert np.abs(found - area).max() < 4 * np.sqrt(area.max())  # texels on its rim


def test_texels_lie_on_their_face_and_those_between_two_are_next_to_it(charts: Atlas) -> None:
    _, where, weights = places(charts, ball())
    inside = (weights >= 0).all(1)
    radius = np.linalg.norm(where, axis=1)
    assert radius[inside].min() > 0.98 and radius[inside].max() <= 1 + 1e-12
    assert np.abs(radius[~inside] - 1).max() < 0.05
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)


def test_tangents_are_how_places_change_along_the_picture(charts: Atlas) -> None:
    along_u, along_v = charts.tangents(ball().vertices)
    face = np.flatnonzero(np.linalg.norm(along_u, axis=1) > 1e-9)
    corners, uv = ball().vertices[charts.vertices[charts.faces]], charts.uv[charts.faces] * charts.size
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    for edge, way in ((a, uv[:, 1] - uv[:, 0]), (b, uv[:, 2] - uv[:, 0])):
        (ax, ay), (bx, by) = (uv[:, 1] - uv[:, 0]).T, (uv[:, 2] - uv[:, 0]).T
        area = np.abs(ax * by - ay * bx)[:, None]
        found = (along_u * way[:, :1] + along_v * way[:, 1:]) / np.maximum(area, 1e-300)
        np.testing.assert_allclose(found[face], edge[face], atol=1e-9)


def test_no_two_charts_meet_and_what_is_between_is_the_nearests(charts: Atlas) -> None:
    picture = np.zeros((*charts.texels.shape, 3), np.uint8)
    picture[charts.texels >= 0] = 200
    assert (charts.filled(picture) == 200).all()


def test_the_place_of_the_mesh_does_not_matter() -> None:
    here, far = unwrapped(ball(), SIZE), unwrapped(ball(5e6), SIZE)
    assert here.size == far.size and np.abs(here.uv - far.uv).max() < 1e-3


def test_it_is_said_where_there_are_too_many_triangles(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unwrapped(ball(), SIZE)
    assert not caplog.text
    monkeypatch.setattr(module, "SLOW_FACES", 1000)
    unwrapped(ball(), SIZE)
    assert "1,280 triangles take xatlas minutes and more: --faces" in caplog.text


def test_without_xatlas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(module, "importlib", type("", (), {"import_module": staticmethod(missing)}))
    with pytest.raises(MissingLibraryError, match=r"neural-recon\[texture\]"):
        unwrapped(ball(), SIZE)
    with pytest.raises(MissingLibraryError, match="xatlas"):  # before anything is trained
        check_mesh_path("ball.glb", texture=True)
    assert importlib.import_module("xatlas")


@pytest.fixture
def texture(charts: Atlas) -> Texture:
    shape = (*charts.texels.shape, 3)
    rng = np.random.default_rng(0)
    return Texture(
        charts, rng.integers(0, 255, shape).astype(np.uint8), rng.integers(0, 255, shape).astype(np.uint8)
    )


def test_glb_holds_the_pictures_and_their_places(texture: Texture, tmp_path: Path) -> None:
    write_mesh(ball(), tmp_path / "ball.glb", texture=texture)
    (part,) = trimesh.load(tmp_path / "ball.glb", process=False).geometry.values()
    material = part.visual.material
    assert (np.asarray(material.baseColorTexture.convert("RGB")) == texture.color).all()
    assert (np.asarray(material.normalTexture.convert("RGB")) == texture.normal).all()
    np.testing.assert_allclose(part.visual.uv, texture.atlas.uv, atol=1e-6)
    assert (np.asarray(part.faces) == texture.atlas.faces).all() and material.metallicFactor == 0


def test_the_colors_of_a_glbs_texture_are_read_to_its_vertices(texture: Texture, tmp_path: Path) -> None:
    u, v = np.meshgrid(np.linspace(0, 255, texture.atlas.size[0]), np.linspace(255, 0, texture.atlas.size[1]))
    ramp = np.rint(np.stack([u, v, 0 * u], axis=2)).astype(np.uint8)
    write_mesh(ball(), tmp_path / "ball.glb", texture=Texture(texture.atlas, ramp, texture.normal))
    found = read_mesh(tmp_path / "ball.glb")
    assert found.colors is not None
    _, nearest = cKDTree(ball().vertices).query(found.vertices)
    for vertex, color in zip(nearest, found.colors.astype(int), strict=True):
        uv = 255 * texture.atlas.uv[texture.atlas.vertices == vertex]  # several on a seam
        assert np.abs(uv - color[:2]).max(1).min() < 3 and color[2] == 0


def test_a_texture_far_larger_than_its_file_is_not_read(
    texture: Texture, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = np.zeros((3100, 3100, 3), np.uint8)
    write_mesh(ball(), tmp_path / "ball.glb", texture=Texture(texture.atlas, plain, texture.normal))
    assert (tmp_path / "ball.glb").stat().st_size < 3e5
    assert read_mesh(tmp_path / "ball.glb").colors is None
    assert "a texture is not read: it would take 0.0769 GB" in caplog.text


def test_pictures_of_several_parts_have_their_room_together(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = trimesh.Scene()
    for shade in (10, 20):
        part = trimesh.creation.icosphere(1)
        picture = Image.new("RGB", (2500, 2500), (shade, 0, 0))
        part.visual = trimesh.visual.TextureVisuals(uv=np.zeros((42, 2)), image=picture)
        part.apply_translation([shade, 0, 0])
        scene.add_geometry(part)
        path = tmp_path / f"{shade}.glb"
        path.write_bytes(scene.export(file_type="glb"))
    one, both = (read_mesh(tmp_path / f"{shade}.glb") for shade in (10, 20))
    assert one.colors is not None and (one.colors == [10, 0, 0]).all()
    assert both.colors is None and len(both.vertices) == 2 * len(one.vertices)
    assert caplog.text.count("a texture is not read") == 1


def test_parts_that_share_a_picture_unpack_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene, picture = trimesh.Scene(), Image.new("RGB", (4, 4), (1, 2, 3))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=picture)
    for place in range(5):
        part = trimesh.creation.icosphere(1)
        part.visual = trimesh.visual.TextureVisuals(uv=np.full((42, 2), place), material=material)
        part.apply_translation([3 * place, 0, 0])
        scene.add_geometry(part)
    (tmp_path / "five.glb").write_bytes(scene.export(file_type="glb"))
    unpacked, convert = [], Image.Image.convert
    monkeypatch.setattr(Image.Image, "convert", lambda *given: unpacked.append(0) or convert(*given))
    assert (read_mesh(tmp_path / "five.glb").colors == [1, 2, 3]).all()
    assert len(unpacked) == 1


def test_obj_holds_them_as_files_beside_it(texture: Texture, tmp_path: Path) -> None:
    path = tmp_path / "ball.obj"
    write_mesh(ball(), path, texture=texture)
    assert set(tmp_path.iterdir()) == {path, *files_beside(path)}
    part = trimesh.load(path, process=False, force="mesh")
    assert (np.asarray(part.visual.material.image.convert("RGB")) == texture.color).all()
    with Image.open(tmp_path / "ball.normal.png") as picture:
        assert (np.asarray(picture) == texture.normal).all()
    assert "norm ball.normal.png" in (tmp_path / "ball.mtl").read_text()


@pytest.mark.parametrize("ending", ["glb", "obj"])
def test_seams_of_charts_do_not_open_the_mesh(texture: Texture, tmp_path: Path, ending: str) -> None:
    write_mesh(ball(), tmp_path / f"ball.{ending}", texture=texture)
    assert topology(read_mesh(tmp_path / f"ball.{ending}")).watertight


def test_files_beside_it_are_not_overwritten_silently(texture: Texture, tmp_path: Path) -> None:
    (tmp_path / "ball.normal.png").write_text("mine")
    with pytest.raises(OutputError, match=r"ball\.normal\.png exists"):
        write_mesh(ball(), tmp_path / "ball.obj", texture=texture)
    assert [path.name for path in tmp_path.iterdir()] == ["ball.normal.png"]
    write_mesh(ball(), tmp_path / "ball.obj", texture=texture, overwrite=True)
    with Image.open(tmp_path / "ball.normal.png") as picture:
        assert picture.size == texture.atlas.size


def test_another_meshs_texture_is_refused(texture: Texture, tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="of a mesh of 1,280 faces, this has 1,279"):
        write_mesh(Mesh(ball().vertices, ball().faces[1:]), tmp_path / "ball.glb", texture=texture)
    assert not list(tmp_path.iterdir())


def test_other_formats_hold_none(texture: Texture, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.ply holds no texture: that needs \.glb or \.obj"):
        write_mesh(ball(), tmp_path / "ball.ply", texture=texture)

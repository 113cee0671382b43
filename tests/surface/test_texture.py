"""Textures: a light mesh with pictures looks like the heavy one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import recon
from recon.errors import ShapeError, UsageError
from recon.geometry import Float, Mesh, PointCloud, unit_vectors
from recon.meshing.atlas import Texture
from recon.meshing.attributes import with_attributes
from recon.render.camera import Camera
from recon.render.ray_casting import camera_for, cast
from recon.scan.preparation.spacing import point_spacing
from recon.surface.colors import color_field, colors_at
from recon.surface.reconstruction import Reconstruction
from recon.surface.settings import PRESETS, STANDARD

pytestmark = pytest.mark.slow
SHORT = PRESETS["draft"].with_(
    field={"width": 48, "hidden": 2}, surface={"prior_samples": 8000}, fit={"steps": 500}
)
LIGHT = np.array([0.3, -0.5, 0.8])
OFFSET = 1e5


def radius(directions: Float) -> Float:
    """Of a ball with bumps."""
    return 1 + 0.04 * np.sin(9 * directions).prod(1)


def colors_of(points: Float) -> np.ndarray:
    """Stripes, waves and a ramp, the finest a tenth of the ball wide."""
    x, y, z = points.T
    waves = np.stack([np.sin(12 * x + 5 * y), np.sin(30 * z), np.cos(4 * y) * np.sin(9 * x)], axis=1)
    return np.rint(127.5 + 100 * waves).astype(np.uint8)


def bumpy(count: int = 20_000, seed: int = 0) -> PointCloud:
    directions = unit_vectors(np.random.default_rng(seed).normal(size=(count, 3)))
    h, axes = 1e-5, np.eye(3)
    above = lambda p: np.linalg.norm(p, axis=1) - radius(unit_vectors(p))  # noqa: E731
    points = radius(directions)[:, None] * directions
    slope = np.stack([(above(points + h * e) - above(points - h * e)) / (2 * h) for e in axes], axis=1)
    return PointCloud(points + OFFSET, unit_vectors(slope), colors_of(points))


@pytest.fixture(scope="module")
def result() -> Reconstruction:
    return recon.reconstruct(bumpy(), SHORT, device="cpu")


@pytest.fixture(scope="module")
def full(result: Reconstruction) -> Mesh:
    return result.mesh(128)


@pytest.fixture(scope="module")
def light(result: Reconstruction, full: Mesh) -> Mesh:
    return result.mesh(128, faces=len(full.faces) // 50)


@pytest.fixture(scope="module")
def texture(result: Reconstruction, light: Mesh) -> Texture:
    return result.texture(light, 768)


def lit(colors: Float, normals: Float) -> Float:
    return colors * (0.3 + 0.7 * np.maximum(0, unit_vectors(normals) @ unit_vectors(LIGHT[None])[0]))[:, None]


def seen(mesh: Mesh, camera: Camera, texture: Texture | None = None) -> tuple[np.ndarray, Float]:
    """Which pixels (h, w) show the mesh, and the picture (h, w, 3) of it, from 0 to 255."""
    assert mesh.normals is not None and mesh.colors is not None
    hits = cast(mesh, camera)
    corners = mesh.faces[hits.face]
    blend = lambda values: np.einsum("kc,kci->ki", hits.weights, values)  # noqa: E731
    normals, colors = unit_vectors(blend(mesh.normals[corners])), blend(mesh.colors[corners].astype(float))
    if texture is not None:
        assert texture.color is not None
        atlas = texture.atlas
        uv = np.einsum("kc,kci->ki", hits.weights, atlas.uv[atlas.faces[hits.face]])
        colors, local = (filtered(picture, uv) for picture in (texture.color, texture.normal))
        along_u, along_v = (along[hits.face] for along in atlas.tangents(mesh.vertices))
        u = unit_vectors(along_u - (along_u * normals).sum(1, keepdims=True) * normals)
        v = np.cross(normals, u) * np.sign((np.cross(normals, u) * along_v).sum(1))[:, None]
        x, y, z = (local / 127.5 - 1).T[:, :, None]
        normals = x * u + y * v + z * normals
    picture = np.zeros((*hits.found.shape, 3))
    picture[hits.found] = lit(colors, normals)
    return hits.found, picture


def filtered(picture: np.ndarray, uv: Float) -> Float:
    """`picture` (h, w, 3) at `uv` (n, 2), between four texels."""
    height, width, _ = picture.shape
    place = uv * [width, -height] + [-0.5, height - 0.5]
    low = np.floor(place).astype(int)
    share = place - low
    total = np.zeros((len(uv), 3))
    for i in (0, 1):
        for j in (0, 1):
            weight = (share[:, 0] if i else 1 - share[:, 0]) * (share[:, 1] if j else 1 - share[:, 1])
            column, row = (low[:, 0] + i).clip(0, width - 1), (low[:, 1] + j).clip(0, height - 1)
            total += weight[:, None] * picture[row, column]
    return total


@pytest.mark.parametrize("direction", [(1, 0.2, 0.3), (-0.3, 1, -0.5), (0.1, -0.4, 1)])
def test_it_looks_like_the_mesh_with_fifty_times_the_triangles(
    full: Mesh, light: Mesh, texture: Texture, direction: tuple[float, float, float]
) -> None:
    camera = camera_for(full, (400, 400), direction)
    shown, wanted = seen(full, camera)

    def quality(of: tuple[np.ndarray, Float]) -> float:
        """The peak signal-to-noise ratio in decibels, where both show something."""
        both = shown & of[0]
        return float(-10 * np.log10(np.square((of[1] - wanted)[both] / 255).mean()))

    assert quality(seen(light, camera, texture)) > 35
    assert quality(seen(light, camera, texture)) > quality(seen(light, camera)) + 6


def test_texels_have_the_color_of_their_place(light: Mesh, texture: Texture) -> None:
    atlas = texture.atlas
    rows, columns = np.nonzero(atlas.texels >= 0)
    corners = light.faces[atlas.texels[rows, columns]]
    places = np.einsum("nc,nci->ni", atlas.weights(rows, columns), light.vertices[corners]) - OFFSET
    places = radius(unit_vectors(places))[:, None] * unit_vectors(places)
    assert texture.color is not None
    error = texture.color[rows, columns].astype(float) - colors_of(places)
    assert np.sqrt(np.square(error).mean()) < 4


def test_without_colors_there_are_normals_alone(result: Reconstruction, light: Mesh) -> None:
    plain = replace(result, config=result.config.with_(mesh={"color": "off"}))
    made = plain.texture(light, 128)
    assert made.color is None and made.normal.shape[2] == 3


def test_the_field_of_colors_keeps_detail_that_means_of_neighbours_lose(result: Reconstruction) -> None:
    cloud, asked = bumpy(), bumpy(4000, seed=9)
    points, places = (result.frame.to_unit(some.points) for some in (cloud, asked))
    x = lambda p: (p - OFFSET)[:, 0]  # noqa: E731
    wanted = lambda p: np.rint(127.5 + 100 * np.sin(80 * x(p)))[:, None].repeat(3, 1).astype(np.uint8)  # noqa: E731
    given = wanted(cloud.points)
    field = color_field(result.field.trunk, result.config.field, points, given, point_spacing(points), seed=0)
    found = colors_at(field, torch.tensor(places).float()).numpy()
    carried = with_attributes(
        Mesh(places, np.zeros((0, 3)), asked.normals), PointCloud(points, cloud.normals, given)
    )
    assert carried.colors is not None
    error = lambda colors: np.sqrt(np.square(colors - wanted(asked.points).astype(float)).mean())  # noqa: E731
    assert error(found) < 0.5 * error(carried.colors)


def test_colors_that_are_all_the_same_stay_so(result: Reconstruction) -> None:
    cloud = bumpy(3000)
    points = result.frame.to_unit(cloud.points)
    given = np.tile(np.array([[10, 200, 255]], np.uint8), (3000, 1))
    field = color_field(result.field.trunk, result.config.field, points, given, point_spacing(points))
    found = colors_at(field, torch.tensor(points).float()).numpy()
    assert (found == given).all()


def test_what_cannot_have_a_texture_is_refused(result: Reconstruction, full: Mesh) -> None:
    with pytest.raises(ShapeError, match="no normals"):
        result.texture(Mesh(full.vertices, full.faces), 256)
    with pytest.raises(UsageError, match="size is 12"):
        result.texture(full, 12)
    with pytest.raises(UsageError, match="a texture is of the scan's surface"):
        STANDARD.with_(mesh={"texture": 512, "hollow": 0.1}).check()

"""Ray-cast pictures against closed forms: areas, places, colours, sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image
from shapes import half_sphere, sphere

from recon.errors import OutputError
from recon.geometry import Mesh, PointCloud
from recon.render import ray_casting
from recon.render.camera import PICTURE_MARGIN, Camera
from recon.render.files import sheet, write_png
from recon.render.ray_casting import camera_for, drawn, mask, picture

FRONT, UP = (0.0, -1.0, 0.0), (0.0, 0.0, 1.0)


def ball(**attributes: np.ndarray) -> Mesh:
    shape = trimesh.creation.icosphere(4)
    return Mesh(shape.vertices, shape.faces, **attributes)


def cone() -> Mesh:
    shape = trimesh.creation.cone(radius=1.0, height=2.0)
    return Mesh(shape.vertices, shape.faces)


def shown(image: np.ndarray) -> np.ndarray:
    return (image < 250).any(2)


def test_a_sphere_has_the_area_of_a_disc() -> None:
    size = (300, 200)
    image = picture(ball(), size, FRONT, UP)
    diameter = (1 - 2 * PICTURE_MARGIN) * 200
    found = shown(image)
    assert image.shape == (200, 300, 3)
    assert found.sum() == pytest.approx(np.pi / 4 * diameter**2, rel=0.02)
    assert mask(ball(), camera_for(ball(), size, FRONT, UP)).sum() == pytest.approx(found.sum(), rel=0.03)
    rows, columns = np.nonzero(found)
    assert rows.mean() == pytest.approx(99.5, abs=0.5)
    assert columns.mean() == pytest.approx(149.5, abs=0.5)


def test_a_cone_stands_on_its_base() -> None:
    widths = shown(picture(cone(), (120, 120), FRONT, UP)).sum(1)
    widths = widths[widths > 0]
    assert len(widths) > 90
    assert (np.diff(widths[:-15]) >= -1).all()  # narrow above, wide below
    assert widths[-10] > 8 * widths[5]


def test_colours_are_where_they_belong() -> None:
    vertices = ball().vertices
    colors = np.where(vertices[:, :1] > 0, [[220, 30, 30]], [[30, 30, 220]]).astype(np.uint8)
    for thing in (ball(colors=colors), PointCloud(vertices, vertices, colors)):
        image = picture(thing, (100, 100), FRONT, UP).astype(int)
        found = shown(image)
        redder = image[..., 0] > image[..., 2]
        assert redder[:, 55:][found[:, 55:]].mean() > 0.99  # from -y, +x is right
        assert redder[:, :45][found[:, :45]].mean() < 0.01


def test_insides_are_told_from_outsides() -> None:
    shape = trimesh.creation.icosphere(4)
    upper = Mesh(shape.vertices, shape.faces).select(shape.vertices[:, 2] > -1e-9)
    for thing in (upper, half_sphere()):
        outside = picture(thing, (80, 80), (0, 0, 1), (0, 1, 0))[40, 40].astype(int)
        inside = picture(thing, (80, 80), (0, 0, -1), (0, 1, 0))[40, 40].astype(int)
        assert np.abs(outside - inside).max() > 40


def test_faces_are_lit_from_above_and_flat_where_they_meet_in_an_edge() -> None:
    box = trimesh.creation.box()
    image = picture(Mesh(box.vertices, box.faces), (100, 100), (0, -1, 1), UP).astype(int)
    top, front = image[30:45, 40:60], image[65:75, 40:60]
    assert top.mean() > front.mean() + 5
    assert np.ptp(top, axis=(0, 1)).max() <= 2
    assert np.ptp(front, axis=(0, 1)).max() <= 2


def test_smooth_shading_does_not_show_the_triangles() -> None:
    coarse = trimesh.creation.icosphere(2)
    image = picture(Mesh(coarse.vertices, coarse.faces), (200, 200), FRONT, UP).astype(float)
    column = image[60:140, 100].mean(1)
    assert np.abs(np.diff(column, 2)).max() < 4


@pytest.mark.parametrize(("scale", "offset"), [(1e-4, 0.0), (1.0, 5e6), (1e4, 1e8)])
def test_unit_and_offset_make_no_difference(scale: float, offset: float) -> None:
    plain = picture(cone(), (100, 100), None, None).astype(int)
    moved = Mesh(cone().vertices * scale + offset, cone().faces)
    assert (np.abs(picture(moved, (100, 100)).astype(int) - plain).max(2) > 8).mean() < 0.005


def test_discs_cover_a_scan_of_a_sphere() -> None:
    cloud = sphere(20_000)
    camera = camera_for(cloud, (120, 120), FRONT, UP)
    both = mask(cloud, camera), mask(ball(), camera)
    assert (both[0] & both[1]).sum() / (both[0] | both[1]).sum() > 0.95


def test_points_without_normals_or_places_are_drawn_and_left_out() -> None:
    points = sphere(5000).points.copy()
    points[::7] = np.nan
    image = picture(PointCloud(points), (80, 80))
    assert 0.3 < shown(image).mean() < 0.8
    assert np.unique(image[shown(image)]).size > 10  # it has relief


def test_one_point_is_a_dot() -> None:
    assert 0 < shown(picture(PointCloud(np.ones((1, 3))), (80, 80))).sum() < 60


def test_pictures_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    image = sheet([[np.full((4, 6, 3), value, np.uint8) for value in row] for row in ((0, 50), (100, 150))])
    write_png(image, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as back:
        assert np.array_equal(np.asarray(back), image)
    assert image[5, 7, 0] == 150
    with pytest.raises(OutputError, match="exists"):
        write_png(image, tmp_path / "a.png")
    with pytest.raises(OutputError, match="no folder"):
        write_png(image, tmp_path / "none" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("nearer", [0.0, 0.6, 1.3])  # the last camera is inside
@pytest.mark.parametrize("thing", [ball(), cone(), half_sphere(3000), PointCloud(sphere(500).points)])
def test_no_ray_is_left_out_that_meets_something(
    thing: Mesh | PointCloud, nearer: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = camera_for(thing, (120, 80))
    camera = replace(camera, eye=camera.eye + nearer * camera.focus * camera.forward)
    few = drawn(thing, camera)
    asked = []

    def everywhere(surface: Mesh, camera: Camera) -> np.ndarray:
        asked.append(near(surface, camera).mean())
        return np.ones(camera.size[::-1], bool)

    near = ray_casting._near
    monkeypatch.setattr(ray_casting, "_near", everywhere)
    assert np.array_equal(few, drawn(thing, camera))
    assert nearer or len(asked) == (1 if thing.normals is None and isinstance(thing, PointCloud) else 2)
    if isinstance(thing, Mesh) and len(thing.faces) > 1000 and not nearer:
        assert asked[0] < 0.8  # it leaves out what it can


@pytest.mark.parametrize("thing", ["plain", "colored", "points"])
def test_one_ray_is_enough_where_its_neighbours_say_the_same(
    thing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against several rays for every pixel."""
    shape = trimesh.creation.icosphere(5)
    bumpy = shape.vertices * (1 + 0.05 * np.sin(9 * shape.vertices).sum(1, keepdims=True))
    colors = np.rint(127.5 + 127.5 * np.sign(np.sin(20 * shape.vertices))) if thing == "colored" else None
    drawn_of = sphere(3000) if thing == "points" else Mesh(bumpy, shape.faces, None, colors)
    rays, cast = list[int](), ray_casting.cast

    def counted(surface: Mesh, camera: Camera, pixels: NDArray[np.bool_] | None = None) -> ray_casting.Hits:
        hits = cast(surface, camera, pixels)
        rays.append(len(hits.rays))
        return hits

    monkeypatch.setattr(ray_casting, "cast", counted)
    few = picture(drawn_of, (300, 300)).astype(int)
    some = sum(rays)
    rays.clear()
    monkeypatch.setattr(ray_casting, "EVEN_COLORS", -1.0)
    off = np.abs(few - picture(drawn_of, (300, 300)).astype(int)).max(2)
    assert off.max() <= 6 and off.mean() < 0.1
    assert thing != "plain" or some < 0.85 * sum(rays)

"""`recon view --screenshot` and `--turntable`, with the real off-screen renderer and without it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import trimesh
from PIL import Image
from shapes import half_sphere

import recon.viewer.screenshot as module
from recon.cli.main import main
from recon.geometry import Mesh, PointCloud
from recon.meshing.files import write_mesh
from recon.render.palette import SEQUENTIAL
from recon.render.ray_casting import camera_for, mask
from recon.viewer.offscreen import Offscreen, OffscreenError, painted
from recon.viewer.scene import Scene
from recon.viewer.screenshot import Shot, screenshot, turntable


def cone() -> Mesh:
    shape = trimesh.creation.cone(radius=1.0, height=2.0)
    return Mesh(shape.vertices, shape.faces)


def bowl() -> Mesh:
    shape = trimesh.creation.icosphere(3)
    return Mesh(shape.vertices, shape.faces).select(shape.vertices[:, 2] > -1e-9)


def shown(image: np.ndarray) -> np.ndarray:
    return (image < 250).any(2)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.fixture
def no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine where the renderer's process ends before it has drawn anything."""
    monkeypatch.setattr(sys, "executable", "/bin/true")


@pytest.mark.slow
def test_the_renderer_draws_what_rays_meet() -> None:
    kitten = Scene([Path(__file__).parents[2] / "data" / "kitten.ply"]).page(0).layers[0].thing
    with Offscreen() as offscreen:
        for thing in (cone(), kitten, bowl()):
            camera = camera_for(thing, (480, 400))
            image = offscreen.draw(thing, camera)
            assert image.shape == (400, 480, 3)
            assert overlap(shown(image), mask(thing, camera)) >= 0.97
            assert image[shown(image)].std() > 5  # it has light and shade


@pytest.mark.slow
def test_the_renderer_keeps_up_up_and_colours_apart_at_any_offset() -> None:
    vertices = cone().vertices
    colors = np.where(vertices[:, :1] > 0, [[200, 40, 40]], [[40, 40, 200]]).astype(np.uint8)
    far = Mesh(1e-3 * vertices + [4e5, 5e6, 300.0], cone().faces, None, colors)
    with Offscreen() as offscreen:
        image = offscreen.draw(far, camera_for(far, (160, 160), (0, -1, 0), (0, 0, 1))).astype(int)
    widths = shown(image).sum(1)
    assert widths[120] > 3 * widths[40] > 0
    redder = image[..., 0] > image[..., 2]
    assert redder[120, 90:130].all()
    assert not redder[120, 30:70].any()


@pytest.mark.slow
def test_an_open_surface_has_another_inside() -> None:
    with Offscreen() as offscreen:
        outside = offscreen.draw(bowl(), camera_for(bowl(), (80, 80), (0, 0, 1), (0, 1, 0)))[40, 40]
        inside = offscreen.draw(bowl(), camera_for(bowl(), (80, 80), (0, 0, -1), (0, 1, 0)))[40, 40]
    assert outside[2] > outside[0]
    assert inside[0] > inside[2]
    closed = trimesh.creation.icosphere(2)
    plain = Mesh(closed.vertices, closed.faces, closed.vertices)
    assert len(painted(plain).faces) == len(plain.faces)


@pytest.mark.slow
def test_a_renderer_that_dies_is_seen_to_have_died(no_renderer: None) -> None:
    with Offscreen() as offscreen, pytest.raises(OffscreenError):
        offscreen.draw(cone(), camera_for(cone(), (64, 64)))


@pytest.mark.slow
def test_where_the_renderer_dies_rays_are_cast(
    no_renderer: None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_mesh(cone(), tmp_path / "cone.ply")
    with caplog.at_level(logging.INFO, "recon"):
        turntable(Scene([tmp_path / "cone.ply"]), tmp_path / "a.gif", Shot((32, 32)))
    with Image.open(tmp_path / "a.gif") as film:
        assert 0.1 < shown(np.asarray(film.convert("RGB"))).mean() < 0.9
    assert [record.message for record in caplog.records] == [
        "drawn by ray casting: Open3D's off-screen renderer does not start "
        "(Debian, Ubuntu: apt-get install libgl1 libegl1 libusb-1.0-0 libvulkan1 mesa-vulkan-drivers)"
    ]


def test_pictures_need_no_renderer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "Offscreen", None)
    write_mesh(cone(), tmp_path / "cone.ply")
    with caplog.at_level(logging.INFO, "recon"):
        image = screenshot(Scene([tmp_path / "cone.ply"]), tmp_path / "a.png", Shot((120, 120), views=2))
    assert image.shape == (120, 240, 3) and caplog.messages == []
    assert 0.1 < shown(image).mean() < 0.9


def test_without_open3d_films_are_ray_cast(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(module, "TURNTABLE_FRAMES", 2)
    write_mesh(cone(), tmp_path / "cone.ply")
    with caplog.at_level(logging.INFO, "recon"):
        turntable(Scene([tmp_path / "cone.ply"]), tmp_path / "a.gif", Shot((64, 64)))
    assert caplog.messages == ["drawn by ray casting: Open3D is not installed (bash tools/setup view)"]


@pytest.mark.slow
def test_the_command_writes_a_column_a_file_and_a_row_a_view(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mesh(cone(), tmp_path / "cone.ply")
    out = tmp_path / "out.png"
    files = [str(tmp_path / "cone.ply"), str(data / "kitten.ply")]
    assert main(["view", *files, "--screenshot", str(out), "--views", "3", "--size", "90x60", "--json"]) == 0
    with Image.open(out) as image:
        picture = np.asarray(image)
    assert picture.shape == (180, 180, 3)
    panels = picture.reshape(3, 60, 2, 90, 3).swapaxes(1, 2).reshape(6, 60, 90, 3)
    assert all(0.05 < shown(panel).mean() < 0.9 for panel in panels)
    assert capsys.readouterr().out == f'{{"screenshot": "{out}"}}\n'
    assert main(["view", *files, "--screenshot", str(out)]) == 1
    assert "exists: choose another name, or give --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--size", "5x5"], 2, "a size of 5x5, expected 16 to 8192 pixels a side"),
        (["--views", "0"], 2, "from 1 to 64"),
        (["--color", "fame"], 2, "cannot colour by 'fame'"),
        (["--color", "distance"], 2, "needs the scan"),
        (["--from=0,0,1", "--up=0,0,1"], 2, "no view from 0,0,1 has 0,0,1 up"),
    ],
)
def test_what_cannot_be_drawn_is_one_line_and_no_file(
    arguments: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mesh(cone(), tmp_path / "cone.ply")
    out = tmp_path / "out.png"
    assert main(["view", str(tmp_path / "cone.ply"), "--screenshot", str(out), *arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.slow
def test_the_legend_is_in_the_picture_and_the_picture_keeps_its_size(tmp_path: Path) -> None:
    write_mesh(bowl(), tmp_path / "bowl.ply")
    scene = Scene([tmp_path / "bowl.ply"])
    image = screenshot(scene, tmp_path / "a.png", Shot((500, 300), color="height"))
    assert image.shape == (300, 500, 3)
    assert {SEQUENTIAL[0], SEQUENTIAL[-1]} <= {tuple(pixel) for pixel in image[:, 350:].reshape(-1, 3)}


@pytest.mark.slow
def test_a_film_goes_round_once(no_renderer: None, tmp_path: Path) -> None:
    write_mesh(cone().select(np.ones(len(cone().vertices), bool)), tmp_path / "cone.ply")
    box = trimesh.creation.box((2, 1, 1))
    write_mesh(Mesh(box.vertices, box.faces), tmp_path / "box.ply")
    shares: list[float] = []
    film = tmp_path / "film.mp4"
    turntable(Scene([tmp_path / "box.ply"]), film, Shot((63, 48)), progress=shares.append)
    with av.open(str(film)) as stream:
        frames = [frame.to_ndarray(format="rgb24") for frame in stream.decode(video=0)]
    assert len(frames) == 96
    assert frames[0].shape == (48, 64, 3)  # sizes are even
    # By brightness: films hold colour at half the resolution, which then runs over the outline.
    areas = np.array([(frame.mean(2) < 220).sum() for frame in frames])
    assert np.abs(areas - np.roll(areas, 48)).max() < 0.1 * areas.max()  # half a turn of a box
    assert areas.max() > 1.2 * areas.min()
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


@pytest.mark.slow
def test_points_without_normals_have_relief(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "bare.xyz", PointCloud(half_sphere().points).points)
    image = screenshot(Scene([tmp_path / "bare.xyz"]), tmp_path / "a.png", Shot((100, 100)))
    assert np.unique(image[shown(image)]).size > 10

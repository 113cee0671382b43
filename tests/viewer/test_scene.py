"""What is shown for the paths that are given: pages, layers, and from where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from shapes import half_sphere, sphere

from recon.errors import ScanError
from recon.geometry import Mesh, PointCloud
from recon.meshing.files import write_mesh
from recon.surface.pipeline import reconstruct
from recon.surface.settings import PRESETS
from recon.training.trainer import Progress
from recon.viewer.scene import Layer, Page, Scene, below


def ball(radius: float = 1.0) -> Mesh:
    shape = trimesh.creation.icosphere(2, radius)
    return Mesh(shape.vertices, shape.faces)


def write_scan(path: Path) -> None:
    np.savetxt(path, sphere(500).points)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.ply", "a.stl", "deep/er/c.obj", ".hidden.ply"):
        write_mesh(ball(), tmp_path / name)
    write_scan(tmp_path / "deep" / "scan.xyz")
    for name in ("notes.md", "summary.csv"):
        (tmp_path / name).write_text("not to be seen")
    return tmp_path


def test_files_are_shown_together_meshes_first(folder: Path) -> None:
    scene = Scene([folder / "deep" / "scan.xyz", folder / "b.ply"])
    page = scene.page(0)
    assert len(scene) == 1
    assert [layer.name for layer in page.layers] == ["b.ply", "scan.xyz"]
    assert len(page.meshes) == len(page.clouds) == 1
    assert np.allclose(page.box, [[-1, -1, -1], [1, 1, 1]], atol=0.02)


def test_a_folder_has_a_page_for_each_of_what_is_below_it(folder: Path) -> None:
    scene = Scene([folder])
    names = [page.layers[0].name for page in map(scene.page, range(len(scene)))]
    assert names == ["a.stl", "b.ply", "c.obj", "scan.xyz"]
    assert scene.page(4).title == scene.page(0).title
    assert scene.page(-1).title == scene.page(3).title


def test_a_file_beside_a_folder_is_on_all_its_pages(folder: Path) -> None:
    scene = Scene([folder / "deep", folder / "b.ply"])
    assert [len(scene.page(k).layers) for k in range(len(scene))] == [2, 2]
    assert scene.page(0).meshes[1] is scene.page(1).meshes[0]  # read once


def test_what_cannot_be_shown_is_refused_when_the_scene_is_made(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="there is no file"):
        Scene([folder / "none.ply"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScanError, match="empty holds no mesh, scan or run folder"):
        Scene([tmp_path / "empty"])


@pytest.mark.slow
def test_a_run_folder_has_its_scan_its_field_and_a_mesh_where_none_is_given(tmp_path: Path) -> None:
    config = PRESETS["draft"].with_(fit={"steps": 60}, field={"width": 16}, mesh={"resolution": 24})
    reconstruct(sphere(800), config, run=tmp_path / "run")
    write_mesh(ball(), tmp_path / "mesh.ply")
    page = Scene([tmp_path / "run"]).page(0)
    assert [layer.name for layer in page.layers] == ["run: mesh", "run: scan"]
    assert page.run is not None
    assert page.run.distance(np.zeros((1, 3)))[0] < 0
    page = Scene([tmp_path / "run", tmp_path / "mesh.ply"]).page(0)
    assert [layer.name for layer in page.layers] == ["mesh.ply", "run: scan"]
    assert [path.name for path in below(tmp_path)] == ["mesh.ply", "run"]
    (tmp_path / "runs").mkdir()
    (tmp_path / "run").rename(tmp_path / "runs" / "run")
    page = Scene([tmp_path / "runs", tmp_path / "mesh.ply"]).page(0)  # one of several is itself looked at
    assert [layer.name for layer in page.layers] == ["mesh.ply", "run: mesh", "run: scan"] and not page.points


def test_a_file_that_is_replaced_is_read_again(folder: Path) -> None:
    scene = Scene([folder / "deep", folder / "b.ply"])
    stamp, page = scene.stamp(1), scene.page(1)
    assert scene.stamp(1) == stamp
    write_mesh(ball(2.0), folder / "b.ply", overwrite=True)
    assert scene.stamp(1) != stamp
    layers = {layer.name: layer.thing for layer in scene.page(1).layers}
    assert layers["scan.xyz"] is not page.clouds[0]
    b = layers["b.ply"]
    assert isinstance(b, Mesh) and np.isclose(np.abs(b.vertices).max(), 2.0)
    (folder / "b.ply").unlink()
    scene.stamp(1)  # nothing to see is no error, until it is looked at
    with pytest.raises(ScanError):
        scene.page(1)


@pytest.mark.slow
def test_a_run_that_is_training_shows_what_it_shows_of_itself(tmp_path: Path) -> None:
    config = PRESETS["draft"].with_(fit={"steps": 200}, field={"width": 32}, mesh={"resolution": 24})
    seen: list[tuple[int, ...]] = []
    scene = None

    def look(progress: Progress) -> None:
        nonlocal scene
        if (tmp_path / "checkpoint.pt").exists() and not progress.is_last:
            scene = scene or Scene([tmp_path])
            seen.append(scene.stamp(0))
            assert len(scene.page(0).clouds) == 1

    reconstruct(sphere(800), config, run=tmp_path, callbacks=[look])
    assert scene is not None and len(seen) == 3  # from the first window on
    write_mesh(ball(3.0), tmp_path / "preview.ply")
    assert scene.stamp(0) != seen[-1]
    assert np.abs(scene.page(0).meshes[0].vertices).max() < 2  # done: the field's own mesh

    def stop(progress: Progress) -> None:
        if not progress.is_last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruct(sphere(800), config, run=tmp_path / "stopped", callbacks=[stop])
    write_mesh(ball(3.0), tmp_path / "stopped" / "preview.ply")
    assert np.isclose(np.abs(Scene([tmp_path / "stopped"]).page(0).meshes[0].vertices).max(), 3.0)


def test_a_scan_is_seen_from_where_its_mesh_is() -> None:
    front = half_sphere()
    mesh = ball().select(ball().vertices[:, 2] > -0.01)
    bare = PointCloud(front.points)
    page = Page("", (Layer("mesh", mesh), Layer("scan", bare)))
    assert np.array_equal(page.view_of(bare)[1], page.view_of(mesh)[1])
    assert not np.array_equal(page.view_of(bare)[1], Page("", (Layer("", bare),)).view_of(bare)[1])
    elsewhere = PointCloud(front.points + 10)
    assert not np.array_equal(page.view_of(elsewhere)[1], page.view_of(mesh)[1])

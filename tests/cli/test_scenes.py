"""`recon mesh` in blocks, as users start it: whoever is killed, the mesh is the same."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from shapes import sphere

from recon.base.children import python_command
from recon.cli.main import main
from recon.geometry import Mesh, PointCloud
from recon.meshing.files import read_mesh
from recon.meshing.topology import topology
from recon.surface.scenes.reconstruction import load_scene

FIT = ["--blocks=3", "--preset=draft", "--set=heads.fewest_steps=300", "--resolution=48"]
WAIT_SECONDS = 120.0


def scan(path: Path, count: int = 30_000) -> Path:
    """A ball of 2 m, 5000 km away, with colours and intensities, as a PLY file."""
    ball = sphere(count)
    rows = np.zeros(
        count,
        [
            *((name, "<f8") for name in ("x", "y", "z", "nx", "ny", "nz", "intensity")),
            *((name, "u1") for name in ("red", "green", "blue")),
        ],
    )
    assert ball.normals is not None
    for axis, name in enumerate("xyz"):
        rows[name], rows[f"n{name}"] = ball.points[:, axis] + 5e6, ball.normals[:, axis]
    rows["intensity"], rows["red"] = ball.points[:, 2], 200
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    kinds = {"<f8": "double", "|u1": "uchar"}
    header += [f"property {kinds[rows.dtype[name].str]} {name}" for name in rows.dtype.names or ()]
    path.write_bytes("\n".join([*header, "end_header", ""]).encode() + rows.tobytes())
    return path


def finished(command: list[str], then: Callable[[subprocess.Popen[bytes]], None] | None = None) -> int:
    """Runs `recon` in a process of its own, to which something may be done meanwhile."""
    process = subprocess.Popen(python_command("recon", *command), stderr=None)
    if then is not None:
        then(process)
    return process.wait(WAIT_SECONDS)


def until(there: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not there():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a scan and its mesh in blocks."""
    folder = tmp_path_factory.mktemp("scene")
    scan(folder / "ball.ply")
    command = ["mesh", str(folder / "ball.ply"), "-o", str(folder / "mesh.ply"), "--threads=1"]
    assert finished([*command, "--run", str(folder / "run"), *FIT]) == 0
    return folder


@pytest.mark.slow
def test_a_scan_in_blocks_is_closed_colored_and_can_be_asked_for_distances(place: Path) -> None:
    mesh = read_mesh(place / "mesh.ply")
    shape = topology(mesh)
    result = json.loads((place / "run" / "result.json").read_text())
    assert shape.watertight and shape.genus == 0 and shape.outward
    assert [result[name] for name in ("vertices", "faces", "watertight", "genus", "blocks")] == [
        *(shape.vertices, shape.faces, True, 0, 3)
    ]
    assert result["volume"] == pytest.approx(4 / 3 * np.pi, rel=0.05)
    assert mesh.colors is not None and (mesh.colors == [200, 0, 0]).all()
    assert np.abs(mesh.values["intensity"] - (mesh.vertices[:, 2] - 5e6)).max() < 0.1
    found = load_scene(place / "run")
    distance = found.distance(
        np.array([[5e6 + 0.75, 5e6, 5e6], [5e6 + 1.1, 5e6, 5e6], [5e6 + 3.0, 5e6, 5e6]])
    )
    assert distance == pytest.approx([-0.25, 0.1, 2], abs=0.1)
    assert np.linalg.norm(found.project(mesh.vertices[:50] + 0.03) - 5e6, axis=1) == pytest.approx(1, abs=0.1)
    assert found.curvature(mesh.vertices[:50]) == pytest.approx(1, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("whose", ["its own", "a worker's", "by Ctrl-C"])
def test_whoever_is_killed_the_mesh_is_the_same(whose: str, place: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "mesh.ply"
    command = ["mesh", str(place / "ball.ply"), "-o", str(out), "--run", str(run), "--threads=2", *FIT]

    def kill(process: subprocess.Popen[bytes]) -> None:
        until(lambda: len(list(run.glob("blocks/*/fitted.json"))) >= 1)
        if whose == "its own":
            process.kill()
        elif whose == "by Ctrl-C":
            process.send_signal(signal.SIGINT)
        else:
            psutil.Process(process.pid).children()[0].kill()

    code = finished(command, kill)
    if whose == "a worker's":
        assert code == 0
    else:
        assert code == (130 if whose == "by Ctrl-C" else -signal.SIGKILL) and not out.exists()
        fitted = len(list(run.glob("blocks/*/fitted.json")))
        assert fitted < 3, "it went on with a block that nobody wanted"
        assert finished(command) == 0
    assert out.read_bytes() == (place / "mesh.ply").read_bytes()


@pytest.mark.slow
def test_workers_of_a_cluster_make_the_same_mesh(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "mesh.ply"
    assert finished(["mesh", str(place / "ball.ply"), "-o", str(out), "--cluster=local:2", *FIT]) == 0
    assert out.read_bytes() == (place / "mesh.ply").read_bytes()


@pytest.mark.slow
def test_another_resolution_needs_no_other_fields(place: Path, tmp_path: Path) -> None:
    fitted = {path: path.stat().st_mtime_ns for path in place.glob("run/blocks/*/fitted.json")}
    command = ["mesh", str(place / "ball.ply"), "-o", str(tmp_path / "fine.ply"), "--run", str(place / "run")]
    assert main([*command, *FIT, "--resolution=70", "--quiet"]) == 0
    assert {path: path.stat().st_mtime_ns for path in place.glob("run/blocks/*/fitted.json")} == fitted
    assert len(read_mesh(tmp_path / "fine.ply").faces) > 1.8 * len(read_mesh(place / "mesh.ply").faces)


@pytest.mark.slow
def test_a_folder_is_one_scene_and_any_format_is_written(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    ball = sphere(30_000)
    assert ball.normals is not None
    for name, half in (("a", ball.points[:, 0] < 0), ("b", ball.points[:, 0] >= 0)):
        np.savetxt(folder / f"{name}.xyz", np.hstack([ball.points, ball.normals])[half])
    (folder / "notes.md").write_text("not a scan")
    out = tmp_path / "scene.stl"
    assert main(["mesh", str(folder), "-o", str(out), *FIT, "--faces=2000", "--quiet"]) == 0
    mesh: Mesh = read_mesh(out)
    assert len(mesh.faces) <= 2000 and np.abs(np.linalg.norm(mesh.vertices, axis=1) - 1).max() < 0.2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--blocks=0"], "blocks is '0', expected auto, off or a number from 1"),
        (["--blocks=4", "--uncertainty"], "a scene in blocks has no error bars: give --blocks off for them"),
        (["--blocks=4", "--normals=none"], "without normals a scene cannot be cut into blocks"),
        (["--blocks=9000"], "9000 blocks are too many for 30,000 points"),
    ],
)
def test_what_blocks_cannot_do_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan(tmp_path / "ball.ply")
    assert (
        main(["mesh", str(tmp_path / "ball.ply"), "-o", str(tmp_path / "mesh.ply"), *words, "--quiet"]) == 2
    )
    error = capsys.readouterr().err
    assert error.startswith("recon: error: ") and said in error and error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ball.ply"]


def test_a_memory_that_is_too_small_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    points = PointCloud(np.random.default_rng(0).normal(size=(300, 3)))
    np.save(tmp_path / "few.npy", points.points)
    words = ["--set=scan.most=200", "--memory=200M", "-o", str(tmp_path / "m.ply"), "--quiet"]
    assert main(["mesh", str(tmp_path / "few.npy"), *words]) in (1, 2)
    assert capsys.readouterr().err.startswith("recon: error: ")

"""`recon mesh` in blocks, as users start it: whoever is killed, the mesh is the same."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from shapes import sphere

from recon.base.children import python_command
from recon.cli.main import main
from recon.geometry import Float, PointCloud
from recon.meshing.files import read_mesh
from recon.meshing.topology import topology
from recon.report.run_page import write_report
from recon.surface.scenes.reconstruction import load_scene
from recon.viewer.scene import Scene

FIT = ["--blocks=3", "--preset=draft", "--resolution=40", "--set=fit.steps=650", "--set=field.width=48"]
FIT += ["--set=surface.prior_samples=10000"]
LONGER = ["--set=fit.steps=900", "--set=field.width=64", "--set=surface.prior_samples=15000"]
WAIT_SECONDS = 120.0
Wanted = TypeVar("Wanted")


def scan(path: Path, some: Callable[[Float], NDArray[np.bool_]] | None = None) -> Path:
    """A ball of 2 m, 5000 km away, or `some` of its points, with colours and intensities, as a PLY file."""
    ball = sphere(30_000)
    ball = ball if some is None else ball.select(some(ball.points))
    rows = np.zeros(
        len(ball),
        [
            *((name, "<f8") for name in ("x", "y", "z", "nx", "ny", "nz", "intensity")),
            *((name, "u1") for name in ("red", "green", "blue")),
        ],
    )
    assert ball.normals is not None
    for axis, name in enumerate("xyz"):
        rows[name], rows[f"n{name}"] = ball.points[:, axis] + 5e6, ball.normals[:, axis]
    rows["intensity"], rows["red"] = ball.points[:, 2], 200
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(ball)}"]
    kinds = {"<f8": "double", "|u1": "uchar"}
    header += [f"property {kinds[rows.dtype[name].str]} {name}" for name in rows.dtype.names or ()]
    path.write_bytes("\n".join([*header, "end_header", ""]).encode() + rows.tobytes())
    return path


def finished(command: list[str], then: Callable[[subprocess.Popen[bytes]], None] | None = None) -> int:
    """Runs `recon` in a process of its own, to which something may be done meanwhile."""
    with subprocess.Popen(python_command("recon", *command), stderr=None) as process:
        try:
            if then is not None:
                then(process)
            return process.wait(WAIT_SECONDS)
        finally:
            process.kill()


def until(there: Callable[[], Wanted]) -> Wanted:
    """Waits for it, and returns it."""
    end = time.monotonic() + WAIT_SECONDS
    while not (found := there()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two scans of a ball, and their mesh in blocks."""
    folder = tmp_path_factory.mktemp("scene")
    (folder / "ball").mkdir()
    scan(folder / "ball" / "west.ply", lambda points: points[:, 0] < 0)
    scan(folder / "ball" / "east.ply", lambda points: points[:, 0] >= 0)
    (folder / "ball" / "notes.md").write_text("not a scan")
    command = ["mesh", str(folder / "ball"), "-o", str(folder / "mesh.ply"), "--threads=1"]
    assert finished([*command, "--run", str(folder / "run"), *FIT]) == 0
    return folder


@pytest.mark.slow
def test_scans_in_blocks_are_closed_colored_and_can_be_asked_for_distances(place: Path) -> None:
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
    distance = found.distance(5e6 + np.array([[0.75, 0, 0], [1.1, 0, 0], [3, 0, 0]]))
    assert distance == pytest.approx([-0.25, 0.1, 2], abs=0.1)
    assert np.linalg.norm(found.project(mesh.vertices[:50] + 0.03) - 5e6, axis=1) == pytest.approx(1, abs=0.1)
    assert found.curvature(mesh.vertices[:50]) == pytest.approx(1, abs=0.5)


@pytest.mark.slow
def test_whoever_is_killed_the_mesh_is_the_same(place: Path, tmp_path: Path) -> None:
    """The command; the command again, by Ctrl-C; then a process that works on a block."""
    run, out = tmp_path / "run", tmp_path / "mesh.ply"
    command = ["mesh", str(place / "ball"), "-o", str(out), "--run", str(run), "--threads=2", *FIT]

    def fitted() -> int:
        return len(list(run.glob("blocks/*/fitted.json")))

    def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(process.pid).children():
            with suppress(psutil.NoSuchProcess):  # some end at once
                found += [child] if "recon.surface.scenes.worker" in child.cmdline() else []
        return found

    def kill(process: subprocess.Popen[bytes]) -> None:
        until(lambda: fitted() > 0)
        process.kill()

    def stop(process: subprocess.Popen[bytes]) -> None:
        until(lambda: workers(process))
        process.send_signal(signal.SIGINT)

    def kill_worker(process: subprocess.Popen[bytes]) -> None:
        until(lambda: workers(process))[0].kill()

    assert finished(command, kill) == -signal.SIGKILL
    assert fitted() < 3, "it went on with a block that nobody wanted"
    assert finished(command, stop) == 130
    assert not out.exists()
    assert finished(command, kill_worker) == 0
    assert out.read_bytes() == (place / "mesh.ply").read_bytes()


@pytest.mark.slow
def test_workers_of_a_cluster_make_the_same_mesh(place: Path, tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "mesh.ply"
    shutil.copytree(place / "run", run)
    shutil.rmtree(run / "blocks" / "000001")
    for path in [*run.glob("blocks/*/surface.npz"), *run.glob("blocks/*/piece.npz")]:
        path.unlink()
    command = ["mesh", str(place / "ball"), "-o", str(out), "--run", str(run), "--cluster=local:2", *FIT]
    assert finished(command) == 0
    assert out.read_bytes() == (place / "mesh.ply").read_bytes()


@pytest.mark.slow
def test_another_mesh_needs_no_other_fields(place: Path, tmp_path: Path) -> None:
    run = shutil.copytree(place / "run", tmp_path / "run")
    fitted = {path: path.stat().st_mtime_ns for path in run.glob("blocks/*/fitted.json")}
    command = ["mesh", str(place / "ball"), "--run", str(run), *FIT, "--faces=2000", "--quiet"]
    assert main([*command, "-o", str(tmp_path / "coarse.stl")]) == 0
    assert {path: path.stat().st_mtime_ns for path in fitted} == fitted
    mesh = read_mesh(tmp_path / "coarse.stl")
    assert len(mesh.faces) <= 2000
    assert np.abs(np.linalg.norm(mesh.vertices - mesh.vertices.mean(0), axis=1) - 1).max() < 0.2


@pytest.mark.slow
def test_its_run_folder_is_shown_and_reported(place: Path, tmp_path: Path) -> None:
    result = json.loads((place / "run" / "result.json").read_text())
    page = Scene([place / "run"]).page(0)
    (mesh,), (cloud,) = page.meshes, page.clouds
    assert len(mesh.faces) == result["faces"] and len(cloud) == 30_000
    assert mesh.colors is not None and (mesh.colors == [200, 0, 0]).all() and "intensity" in mesh.values
    found = load_scene(place / "run")
    assert 1500 < len(found.mesh(2000).faces) <= 2000
    distances = found.distances_to_mesh(cloud.points)
    assert distances.mean() == pytest.approx(result["scan_to_mesh"]["mean"], rel=0.2)
    text = write_report(place / "run", tmp_path / "report.html").read_text()
    assert f"{result['faces']:,} triangles" in text and f"{result['steps']:,} steps" in text


@pytest.mark.slow
def test_a_large_opening_stays_open(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The scan counts as closed until its blocks are meshed; its hole is not filled, as in one field."""
    scan(tmp_path / "jar.ply", lambda points: points[:, 2] < 0.8)
    command = ["mesh", str(tmp_path / "jar.ply"), "-o", str(tmp_path / "mesh.ply")]
    command += [*FIT, *LONGER, "--threads=1"]
    faces = []
    for more in ([], ["--overwrite", "--resolution=56"]):  # as found, and as remembered
        assert main([*command, "--run", str(tmp_path / "run"), *more]) == 0
        mesh = read_mesh(tmp_path / "mesh.ply")
        shape = topology(mesh)
        assert (shape.components, shape.boundary_loops, shape.genus) == (1, 1, 0)
        assert mesh.vertices[:, 2].max() - 5e6 == pytest.approx(0.8, abs=0.06)  # a cell
        faces.append(len(mesh.faces))
    assert faces[1] > 1.8 * faces[0]
    assert capsys.readouterr().err.count("open: no points support") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--blocks=0"], "blocks is '0', expected auto, off or a number from 1"),
        (["--blocks=4", "--uncertainty"], "a scene in blocks has no error bars: give --blocks off for them"),
        (["--blocks=4", "--solid"], "a scene in blocks is not made solid, moved or hollow"),
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

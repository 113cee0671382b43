"""The real windows, on a screen that nobody sees, and what is said where none can be opened."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import trimesh
from PIL import Image, ImageGrab

from recon.cli import main
from recon.geometry import Mesh
from recon.mesh.files import write_mesh
from recon.pictures.camera import corners, fitted, usual_view
from recon.pictures.raycast import mask
from recon.view import launch
from recon.view.launch import check_screen, open_window

PATIENCE = 100.0  # seconds


def cone() -> Mesh:
    shape = trimesh.creation.cone(radius=1.0, height=2.0)
    return Mesh(shape.vertices, shape.faces)


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The name of a screen."""
    assert shutil.which("Xvfb"), "these tests need Xvfb: apt-get install xvfb"
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as stream:
        yield f":{stream.readline().strip()}"
    server.terminate()
    server.wait()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_mesh(cone(), tmp_path / "cone.ply")
    return tmp_path / "cone.ply"


def drive(kind: str, screen: str, file: Path, root: Path) -> list[np.ndarray]:
    """What drive_window.py leaves: the screen when opened, the saved picture, the screen with heights, and
    when the file was replaced by one half as large."""
    write_mesh(Mesh(0.5 * cone().vertices, cone().faces), file.parent / "next.ply")
    script, path = Path(__file__).with_name("drive_window.py"), os.environ.get("PYTHONPATH", "")
    environment = {**os.environ, "DISPLAY": screen, "PYTHONPATH": f"{root}{os.pathsep}{path}"}
    done = subprocess.run(
        [sys.executable, str(script), kind, str(file)],
        cwd=file.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert "Traceback" not in done.stderr, done.stderr
    found = []
    for name in ("opened.png", "recon-view.png", "height.png", "replaced.png"):
        with Image.open(file.parent / name) as image:
            found.append(np.asarray(image.convert("RGB")).astype(int))
    return found


def widths(shown: np.ndarray) -> np.ndarray:
    count = shown.sum(1)
    return count[count > 0]


def shrunk(opened: np.ndarray, replaced: np.ndarray) -> float:
    """The share of the pixels that a thing covered on the white of the first screen which it still does."""
    white = (opened >= 250).all(2)
    view = np.ix_(white.any(1), white.any(0))
    return float((replaced < 250).any(2)[view].sum() / (~white)[view].sum())


def test_the_window_shows_what_rays_meet(screen: str, file: Path, root: Path) -> None:
    opened, saved, height, replaced = drive("modern", screen, file, root)
    size = saved.shape[1], saved.shape[0]
    camera = fitted(corners(cone()), size, *usual_view(cone()))
    shown, wanted = (saved < 250).any(2), mask(cone(), camera)
    assert (shown & wanted).sum() / (shown | wanted).sum() >= 0.97
    assert saved[shown].std() > 5  # light and shade
    lit = widths(shown)
    assert lit[len(lit) // 8] < lit[len(lit) // 2]  # right side up
    bluish = (opened[..., 2] - opened[..., 0] > 20) & (opened[..., 2] > 60)
    assert 0.7 * wanted.sum() < bluish.sum() < 1.1 * wanted.sum()  # and it is on the screen, beside the panel
    panel = (np.ptp(opened, axis=2) < 8) & (opened.max(2) > 30) & (opened.max(2) < 70)
    assert panel.mean() > 0.1
    yellow = (height[..., 0] > 1.3 * height[..., 2]) & (height[..., 1] > 1.3 * height[..., 2])
    assert yellow.sum() > 50  # the top, and the upper end of the legend
    assert yellow[:, panel.any(0).nonzero()[0].min() :].any()
    # The new file, from where the old one was looked at.
    assert shrunk(opened, replaced) == pytest.approx(0.25, abs=0.05)


def test_the_classic_window_shows_it_too(screen: str, file: Path, root: Path) -> None:
    opened, saved, height, replaced = drive("classic", screen, file, root)
    shown = (saved < 250).any(2)
    assert 0.02 < shown.mean() < 0.6
    lit = widths(shown)
    assert lit[len(lit) // 8] < lit[len(lit) // 2]
    assert (opened[..., 2] - opened[..., 0] > 20).sum() > 1000
    assert ((height[..., 0] > 1.3 * height[..., 2]) & (height[..., 1] > 1.3 * height[..., 2])).sum() > 50
    assert shrunk(opened, replaced) == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(
    ("display", "message"),
    [(None, "there is no screen (DISPLAY is not set)"), (":931", "the screen :931 cannot be reached")],
)
def test_without_a_screen_there_is_one_line(
    display: str | None,
    message: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    for arguments in (["view", str(file)], ["mesh", str(file), "-o", f"{file}.stl", "--view"]):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert message in error
        assert "`recon view FILE --screenshot PNG`" in error
        assert error.count("\n") == 1
    assert [path.name for path in file.parent.iterdir()] == [file.name]  # and nothing was trained


def test_without_open3d_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(launch.MissingLibraryError, match="bash tools/setup view"):
        check_screen()


def test_without_a_system_library_there_is_one_line_that_names_its_package(
    screen: str, file: Path, root: Path
) -> None:
    fake = file.parent / "fake" / "open3d"
    fake.mkdir(parents=True)
    error = "libGL.so.1: cannot open shared object file: No such file or directory"
    (fake / "__init__.py").write_text(f"raise OSError({error!r})\n")
    path = f"{fake.parent}{os.pathsep}{root}"
    done = subprocess.run(
        [sys.executable, "-m", "recon", "view", str(file)],
        env={**os.environ, "DISPLAY": screen, "PYTHONPATH": path},
        cwd=file.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert error in done.stderr
    assert "apt-get install libgl1 libegl1 libusb-1.0-0 libvulkan1 mesa-vulkan-drivers" in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_cannot_be_read_is_said_once(screen: str, file: Path, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recon", "view", "none.ply"],
        env={**os.environ, "DISPLAY": screen, "PYTHONPATH": str(root)},
        cwd=file.parent,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "recon: error: there is no file none.ply\n")


def test_a_window_that_crashes_is_followed_by_the_classic_one(
    screen: str, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = file.parent / "python"
    program.write_text('#!/bin/sh\necho "$5 $7" >> ran\ncase "$5" in modern) kill -ABRT $$ ;; esac\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.chdir(file.parent)
    assert open_window([file.name], ["--color=height"]) == 0
    assert (file.parent / "ran").read_text().split() == ["modern", "--", "classic", "--"]
    assert caplog.messages == ["the modern window was ended by the graphics system (SIGABRT)"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_ends_the_command_ends_its_window(
    number: signal.Signals, screen: str, file: Path, root: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "recon", "view", str(file)],
        env={**os.environ, "DISPLAY": screen, "PYTHONPATH": str(root)},
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # whatever runs the tests ignores
    ) as process:
        deadline = time.monotonic() + PATIENCE
        while np.asarray(ImageGrab.grab(xdisplay=screen)).max() < 250:  # the window is white where nothing is
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        (window,) = psutil.Process(process.pid).children()
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert error.strip().splitlines()[-1].startswith("recon: stopped") and "Traceback" not in error
    psutil.wait_procs([window], timeout=PATIENCE)
    assert not window.is_running()


def test_previews_are_looked_at_while_a_run_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one process, once there is a preview, that ends with the training."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$$ $@" >> {tmp_path}/ran\nsleep 100 &\nwait\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    ran = tmp_path / "ran"
    monkeypatch.setattr(sys, "executable", str(program))
    window = launch.LiveWindow(tmp_path)
    window(None)
    assert window.process is None
    write_mesh(cone(), tmp_path / "preview.ply")
    window(None)
    window(None)
    assert window.process is not None
    deadline = time.monotonic() + 30
    while not ran.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ran.read_text() == f"{window.process.pid} -m recon view -- {tmp_path}\n"
    window.close()
    assert window.process.returncode == -signal.SIGTERM
    window.close()

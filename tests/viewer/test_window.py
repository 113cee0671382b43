"""The real windows, on a screen that nobody sees."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
import trimesh
from numpy.typing import NDArray
from PIL import Image, ImageGrab
from waiting import PATIENCE, eventually

from recon.geometry import Mesh
from recon.meshing.files import write_mesh
from recon.render.camera import corners, fitted, usual_view
from recon.render.ray_casting import mask
from recon.viewer import launch
from recon.viewer.launch import open_window


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


@contextmanager
def driven(kind: str, screen: str, file: Path, root: Path) -> Iterator[Callable[..., None]]:
    """The window of drive_window.py on a file, as what presses its keys."""
    script, path = Path(__file__).with_name("drive_window.py"), os.environ.get("PYTHONPATH", "")
    with (file.parent / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, str(script), kind, str(file)],
            cwd=file.parent,
            env={**os.environ, "DISPLAY": screen, "PYTHONPATH": f"{root}{os.pathsep}{path}"},
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            bufsize=0,
        )
        assert process.stdin

        def press(*keys: str) -> None:
            process.stdin.write("".join(f"{key}\n" for key in keys).encode())

        try:
            yield press
            press("Q")
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            said.seek(0)
            print(words := said.read())
        assert "Traceback" not in words


@dataclass(frozen=True)
class Screen:
    """What is on the screen, and the numbers of it that a failure says."""

    pixels: NDArray[np.int16] = field(repr=False)
    blue: int  # pixels of the cone, as it is shown first
    yellow: int  # pixels of its top and of the upper end of the legend, where colours are heights
    legend: int  # those of the legend alone
    panel: float  # share of the screen

    @staticmethod
    def of(name: str) -> Screen:
        pixels = np.asarray(ImageGrab.grab(xdisplay=name)).astype(np.int16)
        red, green, blue = np.moveaxis(pixels, -1, 0)
        bluish = (blue - red > 20) & (blue > 60)
        yellow = (10 * red > 13 * blue) & (10 * green > 13 * blue)
        panel = (np.ptp(pixels, axis=2) < 8) & (pixels.max(2) > 30) & (pixels.max(2) < 70)
        legend = yellow[:, panel.mean(0) > 0.2]
        return Screen(pixels, int(bluish.sum()), int(yellow.sum()), int(legend.sum()), float(panel.mean()))


def pictured(file: Path) -> NDArray[np.int64]:
    """The picture that key I saves, (h, w, 3)."""
    picture = file.parent / "recon-view.png"
    eventually(picture.exists, "the picture of key I")
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def replace(file: Path) -> None:
    """By one half as large."""
    smaller = file.parent / "next.ply"
    write_mesh(Mesh(0.5 * cone().vertices, cone().faces), smaller)
    smaller.replace(file)


def widths(shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    count = shown.sum(1)
    return count[count > 0]


def shrunk(opened: Screen, replaced: Screen) -> float:
    """The share of the pixels that a thing covered on the white of the first screen which it still does."""
    white = (opened.pixels >= 250).all(2)
    view = np.ix_(white.any(1), white.any(0))
    return float((replaced.pixels < 250).any(2)[view].sum() / (~white)[view].sum())


def is_a_quarter(share: float) -> bool:
    return share == pytest.approx(0.25, abs=0.05)


@pytest.mark.slow
def test_the_window_shows_what_rays_meet(screen: str, file: Path, root: Path) -> None:
    look = partial(Screen.of, screen)
    with driven("modern", screen, file, root) as press:
        eventually(look, "the cone beside the panel", lambda seen: seen.blue > 1000 and seen.panel > 0.1)
        press("I")
        saved = pictured(file)
        size = saved.shape[1], saved.shape[0]
        camera = fitted(corners(cone()), size, *usual_view(cone()))
        shown, wanted = (saved < 250).any(2), mask(cone(), camera)
        assert (shown & wanted).sum() / (shown | wanted).sum() >= 0.97
        assert saved[shown].std() > 5  # light and shade
        lit = widths(shown)
        assert lit[len(lit) // 8] < lit[len(lit) // 2]  # right side up
        area = wanted.sum()
        opened = eventually(look, f"a cone of {area} pixels", lambda seen: 0.7 < seen.blue / area < 1.1)
        assert opened.yellow < 50
        press("C", "C", "C")
        eventually(look, "heights and their legend", lambda seen: seen.yellow > 50 and seen.legend > 0)
        press("C")
        replace(file)  # it is shown from where the old one was looked at
        eventually(lambda: shrunk(opened, look()), "the smaller one", is_a_quarter)


@pytest.mark.slow
def test_the_classic_window_shows_it_too(screen: str, file: Path, root: Path) -> None:
    look = partial(Screen.of, screen)
    with driven("classic", screen, file, root) as press:
        opened = eventually(look, "the cone", lambda seen: seen.blue > 1000)
        assert opened.yellow < 50
        press("I")
        shown = (pictured(file) < 250).any(2)
        assert 0.02 < shown.mean() < 0.6
        lit = widths(shown)
        assert lit[len(lit) // 8] < lit[len(lit) // 2]
        press("C", "C", "C")
        eventually(look, "heights", lambda seen: seen.yellow > 50)
        press("C")
        replace(file)
        eventually(lambda: shrunk(opened, look()), "the smaller one", is_a_quarter)


@pytest.mark.slow
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


@pytest.mark.slow
def test_what_cannot_be_read_is_said_once(screen: str, file: Path, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "recon", "view", "none.ply"],
        env={**os.environ, "DISPLAY": screen, "PYTHONPATH": str(root)},
        cwd=file.parent,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, "recon: error: there is no file none.ply\n")


@pytest.mark.slow
def test_a_window_that_crashes_is_followed_by_the_classic_one(
    screen: str, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program = file.parent / "python"
    program.write_text('#!/bin/sh\necho "$7 $9" >> ran\ncase "$7" in modern) kill -ABRT $$ ;; esac\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("DISPLAY", screen)
    monkeypatch.chdir(file.parent)
    assert open_window([file.name], ["--color=height"]) == 0
    assert (file.parent / "ran").read_text().split() == ["modern", "--", "classic", "--"]
    assert caplog.messages == ["the modern window was ended by the graphics driver (SIGABRT)"]


@pytest.mark.slow
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

        def brightest() -> int:
            assert process.poll() is None
            return np.asarray(ImageGrab.grab(xdisplay=screen)).max()

        # The window is white where nothing is.
        eventually(brightest, "a window", lambda value: value >= 250)
        (window,) = psutil.Process(process.pid).children()
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert error.strip().splitlines()[-1].startswith("recon: stopped") and "Traceback" not in error
    psutil.wait_procs([window], timeout=PATIENCE)
    assert not window.is_running()


@pytest.mark.slow
def test_previews_are_looked_at_while_a_run_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one process, once there is a preview, that ends with the training."""
    program = tmp_path / "python"
    ran, said = tmp_path / "ran", tmp_path / "said"
    program.write_text(f'#!/bin/sh\nshift 3; echo "$$ $@" > {said}\nmv {said} {ran}\nsleep 1000 &\nwait\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(program))
    window = launch.LiveWindow(tmp_path)
    window(None)
    assert window.process is None
    write_mesh(cone(), tmp_path / "preview.ply")
    window(None)
    window(None)
    assert window.process is not None
    eventually(ran.exists, "the window's process")
    assert ran.read_text() == f"{window.process.pid} recon view -- {tmp_path}\n"
    window.close()
    assert window.process.returncode == -signal.SIGTERM
    window.close()

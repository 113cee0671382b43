"""The page of a run, as a browser shows it."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import Browser, chromium
from numpy.typing import NDArray
from schemas import printed
from scipy.ndimage import binary_dilation
from shapes import half_sphere, torus

import recon
from recon.cli.main import main
from recon.report import run_page, scene
from recon.report.run_page import write_report
from recon.training.trainer import Progress

pytestmark = pytest.mark.slow

TINY = recon.PRESETS["standard"].with_(
    field={"width": 32},
    fit={"steps": 300},
    surface={"prior_samples": 10_000, "on_surface": 400, "off_surface": 150},
    mesh={"resolution": 48},
)
FAR = np.array([5.0e5, 5.4e6, 100.0])


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as browser:
        yield browser


@pytest.fixture(scope="module", autouse=True)
def small_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_page, "PICTURE_SIZE", (160, 160))
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A run of the command line, with its report."""
    folder = tmp_path_factory.mktemp("run")
    small = ("field.width=32", "fit.steps=300", "surface.prior_samples=10000", "surface.on_surface=400")
    settings = [f"--set={setting}" for setting in small]
    command = ["mesh", str(data / "kitten.ply"), "-o", str(folder / "m.ply"), "--run", str(folder / "run")]
    assert main([*command, *settings, "--resolution", "64", "--quiet"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scene, "MAX_FACES", 3000)
        with redirect_stdout(io.StringIO()) as shown:
            assert main(["report", str(folder / "run"), "--quiet", "--json"]) == 0
    assert printed("report", shown.getvalue())["bytes"] > 0
    return folder / "run"


def opened(browser: Browser, path: Path) -> Browser:
    """The page in the browser, which had nothing to say and asked for nothing but the file."""
    browser.said.clear()
    browser.asked.clear()
    browser.open(path.as_uri())
    assert browser.said == []
    assert {address for address in browser.asked if not address.startswith("data:")} == {path.as_uri()}
    return browser


def drawn(view: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where the view in 3-D is not white, its rounded corners left out."""
    return (view[8:-8, 8:-8] < 245).any(2)


def test_the_page_shows_the_mesh_and_turns_it(run: Path, browser: Browser) -> None:
    opened(browser, run / "report.html")
    browser.click("#box")
    first = browser.picture("#canvas")
    assert 0.05 < drawn(first).mean() < 0.6
    assert np.array_equal(browser.picture("#canvas"), first)
    browser.drag("#canvas", (120, 40))
    assert (drawn(browser.picture("#canvas")) != drawn(first)).mean() > 0.01
    browser.click("#reset")
    assert np.array_equal(browser.picture("#canvas"), first)
    assert browser.said == []


def test_what_is_shown_can_be_chosen(run: Path, browser: Browser) -> None:
    opened(browser, run / "report.html")
    browser.click("#box")
    solid = browser.picture("#canvas")
    browser.click("#wire")
    assert drawn(browser.picture("#canvas")).sum() > 0
    assert (browser.picture("#canvas") != solid).any(2).sum() > 0.3 * drawn(solid).sum()
    browser.click("#mesh")
    assert not drawn(browser.picture("#canvas")).any()
    browser.click("#cloud")  # its points lie where the mesh was
    points = drawn(browser.picture("#canvas"))
    assert points.sum() > 1000
    assert binary_dilation(drawn(solid), iterations=4)[points].mean() > 0.99

    assert browser.run("document.querySelector('#legend').hidden")
    browser.click("#mesh")
    plain = browser.picture("#canvas")
    browser.choose("#color", "distance of the scan to the mesh")
    assert not browser.run("document.querySelector('#legend').hidden")
    away = json.loads((run / "result.json").read_text())["scan_to_mesh"]
    high = float(browser.run("document.querySelector('#high').textContent"))
    assert away["p95"] < high <= 1.01 * away["largest"]
    assert (browser.picture("#canvas") != plain).any(2).sum() > 0.3 * drawn(solid).sum()
    assert browser.said == []


def test_a_browser_that_cannot_draw_says_so_and_shows_the_rest(run: Path, browser: Browser) -> None:
    with browser.before("HTMLCanvasElement.prototype.getContext = () => null"):
        browser.open((run / "report.html").as_uri(), width=400)
    assert "no WebGL" in browser.run("document.querySelector('#view').innerText")
    assert not browser.run("document.querySelector('#bar').checkVisibility()")
    assert browser.run("document.images.length") >= 9
    assert browser.run("document.documentElement.scrollWidth") <= 400  # nor is it wider than its window


def test_the_page_says_what_was_made_and_how(run: Path, browser: Browser) -> None:
    opened(browser, run / "report.html")
    words = browser.run("document.body.innerText")
    result = json.loads((run / "result.json").read_text())
    origin = json.loads((run / "run.json").read_text())["origin"]
    assert browser.run("document.querySelector('h1').textContent") == "kitten.ply"
    assert f"{result['faces']:,} triangles" in words
    assert f"of the mesh's {result['faces']:,} triangles, simplified" in words
    assert {f"{result['scan_to_mesh'][name]:.4g}" for name in ("mean", "p95")} <= set(words.split())
    assert shlex.split(browser.run("document.querySelector('#command').textContent"))[:2] == ["recon", "mesh"]
    assert origin["inputs"][0]["sha256"] in words and origin["versions"]["torch"] in words
    marked = browser.run("[...document.querySelectorAll('.changed')].map(row => row.cells[0].textContent)")
    assert {"width", "steps", "prior_samples", "resolution"} <= set(marked)
    assert not {"rate", "alpha", "margin"} & set(marked)
    loaded = browser.run("[...document.images].map(image => image.naturalWidth > 100 && image.alt !== '')")
    assert len(loaded) >= 9 and all(loaded)


def test_the_page_needs_nothing_else(run: Path) -> None:
    text = (run / "report.html").read_text(encoding="utf-8")
    addresses = set(re.findall(r"\bhttps?://[\w./-]+", text))
    assert addresses <= {"http://www.w3.org/1999/xhtml"}  # a name, which three.js gives to elements
    assert not re.search(r"<link|<iframe|<script[^>]* src|@import|<img[^>]* src=\"(?!data:)", text)


def test_survey_coordinates_colours_and_scalars_of_an_open_scan(browser: Browser, tmp_path: Path) -> None:
    cap = half_sphere(6000)
    values = {"intensity": cap.points[:, 0], "</script><b>": cap.points[:, 1]}
    colors = np.where(cap.points[:, :1] > 0, [250, 0, 0], [0, 0, 250])
    cloud = recon.PointCloud(FAR + 30 * cap.points, colors=colors, values=values, unit="metre")
    recon.reconstruct(cloud, TINY, run=tmp_path)
    opened(browser, write_report(tmp_path))
    words = browser.run("document.body.innerText")
    assert "open" in words and "metre²" in words and "</script><b>" in words
    corner, *ends = browser.run("[...document.querySelectorAll('.mark')].map(mark => mark.textContent)")
    low, high = FAR - [30, 30, 0], FAR + 30  # a cell of the mesh is 1.4
    assert np.allclose([float(part) for part in corner.split(",")], low, rtol=0, atol=5)
    assert np.allclose([float(end.split()[1]) for end in ends], high, rtol=0, atol=5)

    browser.click("#box")  # first seen in the scan's colours, one to each side
    view = browser.picture("#canvas").astype(int)
    assert (view[..., 0] > view[..., 2] + 40).sum() > 2000 < (view[..., 2] > view[..., 0] + 40).sum()
    browser.choose("#color", "intensity")
    assert float(browser.run("document.querySelector('#low').textContent")) == pytest.approx(-1, abs=0.1)
    assert "metre" not in browser.run("document.querySelector('#high').textContent")
    assert browser.said == []


def test_a_stopped_run_says_so_and_shows_what_there_is(browser: Browser, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.snapshot.step == 150 and not progress.is_last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recon.reconstruct(torus(2000), TINY, run=tmp_path, callbacks=[stop])
    opened(browser, write_report(tmp_path))
    notice = browser.run("document.querySelector('.notice').textContent")
    assert "not finished" in notice and "step 150, 50%" in notice

    without = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    without["field"]["flat"].zero_()
    without["field"]["flat"][-1] = 1.0  # the offset of Φ, which is then 1 everywhere
    torch.save(without, tmp_path / "checkpoint.pt")
    opened(browser, write_report(tmp_path, overwrite=True))
    assert "no surface yet" in browser.run("document.body.innerText")
    browser.click("#box")
    assert drawn(browser.picture("#canvas")).sum() > 1000  # the scan
    assert not browser.run("document.querySelector('#mesh').checkVisibility()")


def test_a_users_mistake_is_one_line_and_writes_nothing(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(["report", *arguments]) == 1
        shown = capsys.readouterr()
        assert shown.out == "" and shown.err.count("\n") == 1 and shown.err.startswith("recon: error: ")
        assert sorted(tmp_path.rglob("*")) == before
        return shown.err

    assert "not a run folder" in said(str(tmp_path))
    assert "not a run folder" in said(str(tmp_path / "none"))
    assert "report.html exists" in said(str(run))
    assert "no folder" in said(str(run), "-o", str(tmp_path / "none" / "page.html"))
    (tmp_path / "index.html").touch()
    assert "its report is" in said(str(tmp_path))
    (tmp_path / "run.json").write_bytes((run / "run.json").read_bytes())
    assert "before its first checkpoint" in said(str(tmp_path))
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "bash tools/setup report" in said(str(run), "-o", str(tmp_path / "page.html"))


def test_the_wheel_has_all_that_the_page_is_made_of(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy: building leaves folders behind
    shutil.copytree(root / "recon", source / "recon", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(source)], check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    parts = {"page.html", "run.html", "comparison.html", "view.html", "page.css", "page.js"}
    parts |= {"vendor/three.js", "vendor/LICENSE"}
    assert {f"recon/report/{part}" for part in parts} | {"recon/py.typed"} <= names

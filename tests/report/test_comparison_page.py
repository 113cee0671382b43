"""The page of a mesh and its reference, as a browser shows it, and the command that writes it."""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import trimesh
from browser import Browser, chromium
from schemas import printed
from shapes import sphere

import recon
from recon.cli.main import main
from recon.geometry import Mesh
from recon.report import comparison_page

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A part with a dent of a tenth of its size, and the part."""
    monkeypatch.setattr(comparison_page, "PICTURE_SIZE", (160, 160))
    monkeypatch.setattr(comparison_page, "PLACE_SIZE", (120, 100))
    whole = data / "coupling_reference.ply"
    mesh = recon.read_mesh(whole)
    place = mesh.vertices[mesh.vertices[:, 2].argmax()]
    dent = np.exp(-(np.linalg.norm(mesh.vertices - place, axis=1) ** 2) / 0.02)
    recon.write_mesh(
        Mesh(mesh.vertices - 0.1 * dent[:, None] * [0, 0, 1], mesh.faces), tmp_path / "<dent>.ply"
    )
    return tmp_path / "<dent>.ply", whole


def test_the_page_shows_where_they_differ(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "out.html", tmp_path / "out.csv"
    command = ["eval", *map(str, pair), "--samples", "20000", "--report", str(out), "--csv", str(table)]
    assert main([*command, "--json"]) == 0
    shown = printed("eval", capsys.readouterr().out)
    assert shown["report"] == str(out) and shown["csv"] == str(table) and "alignment" not in shown
    assert main(command) == 1 and "out.html exists" in capsys.readouterr().err
    both = ["--report", str(tmp_path / "both"), "--csv", str(tmp_path / "both")]
    assert main([*command[:3], *both]) == 2 and "choose two names" in capsys.readouterr().err
    assert not (tmp_path / "both").exists()

    with chromium(tmp_path / "profile") as browser:
        browser.open(out.as_uri())
        assert browser.said == []
        assert {a for a in browser.asked if not a.startswith("data:")} == {out.as_uri()}
        assert browser.run("document.querySelector('h1').textContent").startswith("<dent>.ply and coupling")
        _shows_a_dent(browser, shown["distance_world"]["mesh_to_reference"]["largest"])
        assert browser.run("document.querySelectorAll('.places figure').length") == 6
        assert browser.run("document.querySelectorAll('.places figcaption')[0].textContent").startswith("1. ")
        assert browser.run("document.querySelector('#command').textContent").startswith("recon eval ")


def _shows_a_dent(browser: Browser, largest: float) -> None:
    """The view begins with the signed distance, as far on both sides: purple is inside."""
    low, high = (
        float(browser.run(f"document.querySelector('#{end}').textContent")) for end in ("low", "high")
    )
    assert low == -high and 0 < high <= largest
    picture = browser.picture("#canvas").astype(int)
    purple = (picture[..., 2] > picture[..., 1] + 25) & (picture[..., 0] > picture[..., 1])
    assert purple.sum() > 200
    browser.choose("#color", "plain")
    assert browser.run("document.querySelector('#legend').hidden")


def test_a_mesh_in_another_frame_is_aligned_first(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mesh = recon.read_mesh(pair[0])
    moved, out = tmp_path / "moved.ply", tmp_path / "o.html"
    recon.write_mesh(Mesh(mesh.vertices[:, [1, 2, 0]] + 7, mesh.faces), moved)
    command = ["--samples", "5000", "--align", "--report", str(out), "--json"]
    assert main(["eval", str(moved), str(pair[1]), *command]) == 0
    shown = capsys.readouterr()
    assert "aligned: the mesh was turned by 120 degrees" in shown.err
    found = printed("eval", shown.out)
    turn = np.array(found["alignment"])[:3, :3]
    assert np.abs(turn - [[0, 0, 1], [1, 0, 0], [0, 1, 0]]).max() < 0.01
    assert found["distance"]["both"]["median"] < 1.0
    assert "aligned: the mesh was turned" in out.read_text()


def test_places_in_the_middle_of_large_triangles_are_shown(tmp_path: Path) -> None:
    """Of a box and a higher one, which has no corner near where it is worst."""
    box = trimesh.creation.box((2, 2, 2))
    for name, height in (("low", 1.0), ("high", 1.02)):
        recon.write_mesh(Mesh(box.vertices * [1, 1, height], box.faces), tmp_path / f"{name}.ply")
    pair = [str(tmp_path / "low.ply"), str(tmp_path / "high.ply")]
    assert main(["eval", *pair, "--samples", "2000", "--report", str(tmp_path / "o.html"), "--quiet"]) == 0
    assert len(re.findall(r"<figcaption>\d\. surface of", (tmp_path / "o.html").read_text())) == 6


def test_a_cloud_without_normals_and_a_large_mesh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(comparison_page, "MAX_FACES", 400)
    monkeypatch.setattr(comparison_page, "PICTURE_SIZE", (160, 160))
    monkeypatch.setattr(comparison_page, "PLACE_SIZE", (120, 100))
    points = sphere(2000).points
    np.savetxt(tmp_path / "cloud.xyz", points)
    ball = trimesh.creation.icosphere(3)
    recon.write_mesh(Mesh(1.02 * ball.vertices, ball.faces), tmp_path / "ball.ply")
    command = ["eval", str(tmp_path / "ball.ply"), str(tmp_path / "cloud.xyz"), "--samples", "3000"]
    assert main([*command, "--report", str(tmp_path / "o.html"), "--quiet"]) == 0
    text = unescape((tmp_path / "o.html").read_text())
    assert re.search(r"(39\d|400) of the mesh's 1,280 triangles", text) and "without a sign" in text
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main([*command, "--report", str(tmp_path / "p.html")]) == 1
    assert "bash tools/setup report" in capsys.readouterr().err
    assert not (tmp_path / "p.html").exists()

"""What keys and switches do to what is on show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from shapes import sphere

from recon.errors import ScanError, UsageError
from recon.geometry import Mesh
from recon.meshing.files import write_mesh
from recon.surface.pipeline import reconstruct
from recon.surface.settings import PRESETS
from recon.viewer.scene import Scene
from recon.viewer.stage import KEYS, NORMAL_LENGTH, TOGGLES, Stage

OFFSET = np.array([4e5, 5e6, 100.0])


def ball(colors: np.ndarray | None = None) -> Mesh:
    shape = trimesh.creation.icosphere(2)
    return Mesh(0.01 * shape.vertices + OFFSET, shape.faces, shape.vertices, colors)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_mesh(ball(), tmp_path / "a.ply")
    write_mesh(ball(np.full((162, 3), 77, np.uint8)), tmp_path / "b.ply")
    np.savetxt(tmp_path / "scan.xyz", 0.0101 * sphere(3000).points + OFFSET)
    return tmp_path


def kinds(stage: Stage) -> list[str]:
    return sorted(make().kind for make in stage.pieces().values())


def test_switches_bring_and_take_pieces(folder: Path) -> None:
    stage = Stage(Scene([folder / "a.ply", folder / "scan.xyz"]))
    assert kinds(stage) == ["faces"]
    for key in "WPN":
        stage.press(key)
    assert kinds(stage) == ["faces", "lines", "lines", "points"]
    stage.press("M")
    stage.press("W")
    stage.press("N")
    assert kinds(stage) == ["points"]
    stage.press("S")  # no run folder: nothing to slice
    assert kinds(stage) == ["points"]


def test_the_points_of_a_scan_are_not_those_of_the_next_mesh(folder: Path) -> None:
    stage = Stage(Scene([folder]))
    assert len(stage.scene) == 3 and kinds(stage) == ["faces"]
    stage.press("LEFT")
    assert stage.page.title == "scan.xyz" and kinds(stage) == ["points"]
    stage.press("RIGHT")
    assert stage.page.title == "a.ply" and kinds(stage) == ["faces"]
    stage.press("P")
    stage.press("RIGHT")
    assert stage.page.title == "b.ply" and kinds(stage) == ["faces", "points"]  # what was asked for stays


def test_a_mesh_beside_a_folder_of_scans_does_not_hide_them(folder: Path) -> None:
    (folder / "scans").mkdir()
    (folder / "scan.xyz").rename(folder / "scans" / "scan.xyz")
    np.savetxt(folder / "scans" / "other.xyz", 0.0102 * sphere(500).points + OFFSET)
    stage = Stage(Scene([folder / "a.ply", folder / "scans"]))
    for _ in range(2):
        assert kinds(stage) == ["faces", "points"]
        stage.press("RIGHT")
    assert kinds(Stage(Scene([folder / "a.ply", folder / "scans" / "scan.xyz"]))) == ["faces"]


def test_one_layer_can_be_shown_alone(folder: Path) -> None:
    np.savetxt(folder / "other.xyz", 0.0102 * sphere(500).points + OFFSET)
    stage = Stage(Scene([folder / name for name in ("a.ply", "scan.xyz", "other.xyz")]))
    shown = lambda: [stage.shows(k) for k in range(3)]  # noqa: E731
    assert shown() == [True, False, False]  # points are off
    stage.show(1, True)
    assert stage.on["points"] and shown() == [True, True, False]
    stage.show(2, True)
    stage.show(0, False)
    assert shown() == [False, True, True] and kinds(stage) == ["points", "points"]
    stage.press("P")
    assert shown() == [False, False, False]


def test_pieces_keep_detail_at_survey_offsets(folder: Path) -> None:
    stage = Stage(Scene([folder / "a.ply"]))
    for key in "WPN":
        stage.press(key)
    pieces = {name.split(maxsplit=2)[2]: make() for name, make in stage.pieces().items()}
    radius = 0.01 / stage.radius
    for name in ("faces auto", "points auto", "edges"):
        assert np.allclose(np.linalg.norm(pieces[name].places, axis=1), radius, rtol=1e-5)
    assert len(pieces["edges"].places) == 2 * 480  # each edge once, by Euler's formula
    root, tip = pieces["normals"].places.reshape(-1, 2, 3).swapaxes(0, 1)
    assert np.allclose(np.linalg.norm(tip - root, axis=1), 2 * NORMAL_LENGTH, rtol=1e-4)
    assert np.allclose(np.linalg.norm(tip, axis=1), radius + 2 * NORMAL_LENGTH, rtol=1e-4)


def test_colours_go_round_and_name_what_the_page_has(folder: Path) -> None:
    stage = Stage(Scene([folder / "a.ply"]))
    assert stage.modes() == ["auto", "plain", "normal", "height", "curvature"]
    seen = []
    for _ in stage.modes():
        seen.append(stage.mode)
        stage.press("C")
    assert seen == stage.modes()
    assert stage.mode == "auto"
    assert Stage(Scene([folder / "b.ply"])).modes()[2] == "scan"
    both = Stage(Scene([folder / "a.ply", folder / "scan.xyz"]), "distance")
    (legend,) = both.legends()
    assert legend.title == "distance to the scan"
    both.press("P")
    assert [legend.title for legend in both.legends()] == ["distance to the scan", "distance to the mesh"]
    both.hidden.add(1)
    assert len(both.legends()) == len(both.pieces()) == 1


def test_pages_turn_both_ways_and_keep_what_is_on(folder: Path) -> None:
    stage = Stage(Scene([folder]))
    stage.press("W")
    first = stage.pieces().keys()
    stage.press("RIGHT")
    assert stage.page.title == "b.ply"
    assert kinds(stage) == ["faces", "lines"]
    assert not first & stage.pieces().keys()  # another page's pieces have other names
    stage.press("RIGHT")
    assert stage.page.title == "scan.xyz"
    assert kinds(stage) == ["points"]  # a page is never empty
    stage.press("RIGHT")
    assert stage.page.title == "a.ply"
    stage.press("LEFT")
    assert stage.page.title == "scan.xyz"


def test_a_page_that_cannot_be_read_is_passed(folder: Path) -> None:
    stage = Stage(Scene([folder]))
    (folder / "b.ply").write_text("ply\nnonsense")
    with pytest.raises(ScanError):
        stage.press("RIGHT")
    stage.press("RIGHT")
    assert stage.page.title == "scan.xyz"


@pytest.mark.slow
def test_a_slice_moves_through_the_field(tmp_path: Path) -> None:
    config = PRESETS["draft"].with_(fit={"steps": 60}, field={"width": 16}, mesh={"resolution": 24})
    reconstruct(sphere(800), config, run=tmp_path / "run")
    stage = Stage(Scene([tmp_path / "run"]))
    stage.press("X")
    assert (stage.on["slice"], stage.axis, stage.share) == (True, 0, 0.5)
    assert kinds(stage) == ["faces", "faces", "lines", "lines"]
    x = stage.cut().plane.vertices[:, 0]
    stage.press("UP")
    assert (stage.cut().plane.vertices[:, 0] > x.max()).all()
    for _ in range(100):
        stage.press("DOWN")
    assert stage.share == 0.0
    assert [legend.title for legend in stage.legends()] == ["signed distance"]
    assert np.abs(stage.corners()).max() < 1.2


def test_the_view_can_be_asked_for(folder: Path) -> None:
    stage = Stage(Scene([folder / "a.ply"]), "height", (0, 0, 2), (0, 1, 0))
    assert [part.tolist() for part in stage.view] == [[0, 0, 2], [0, 1, 0]]
    assert stage.legends()[0].title == "height along y"
    assert Stage(Scene([folder / "a.ply"]), up=(0, 1, 0)).view[1].tolist() == [0, 1, 0]
    with pytest.raises(UsageError, match="no view from"):
        Stage(Scene([folder / "a.ply"]), direction=(0, 0, 1), up=(0, 0, 1))


def test_every_key_is_explained() -> None:
    named = {key for keys, _ in KEYS for key in keys.split()}
    assert named == {*TOGGLES, "C", "X", "Y", "Z", "Up", "Down", "Left", "Right", "R", "I", "H", "Q"}


def test_a_file_that_is_replaced_is_shown_anew_in_the_frame_it_had(folder: Path) -> None:
    stage = Stage(Scene([folder / "a.ply", folder / "scan.xyz"]))
    stage.press("P")
    stage.hidden.add(1)
    before, frame = stage.pieces(), (stage.middle.tolist(), stage.radius)
    assert not stage.follow() and stage.pieces().keys() == before.keys()
    grown = ball()
    write_mesh(Mesh(2 * (grown.vertices - OFFSET) + OFFSET, grown.faces), folder / "a.ply", overwrite=True)
    assert stage.follow() and not stage.follow()
    (name, make), *others = stage.pieces().items()
    assert not others and name not in before  # a new piece to draw; what was hidden stays so
    assert (stage.middle.tolist(), stage.radius) == frame
    assert np.linalg.norm(make().places, axis=1).max() == pytest.approx(0.02 / stage.radius, rel=0.02)
    (folder / "a.ply").write_text("half a file")
    assert not stage.follow() and stage.pieces().keys() == {name}

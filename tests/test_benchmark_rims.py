"""How far rims are apart: what is known of squares, and the command around it."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recon.geometry import Mesh
from recon.meshing.files import write_mesh
from recon.scan.files import read_cloud

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
benchmark = importlib.import_module("benchmark")
rims = importlib.import_module("benchmarks.rims")

SURVEY = np.array([5e5, 5.4e6, 300.0])


def square(cells: int = 8, side: float = 2.0) -> Mesh:
    """Open, of 2 `cells`² triangles, its corner at the origin of the survey; half a side is 1,000 units."""
    x = np.linspace(0.0, side, cells + 1)
    vertices = np.stack(np.meshgrid(x, x, [0.0], indexing="ij"), axis=-1).reshape(-1, 3) + SURVEY
    a = (np.arange(cells)[:, None] * (cells + 1) + np.arange(cells)).ravel()
    b, d = a + cells + 1, a + 1
    return Mesh(vertices, np.concatenate([np.stack([a, b, b + 1], 1), np.stack([a, b + 1, d], 1)]))


def moved(mesh: Mesh, by: NDArray) -> Mesh:
    return Mesh(mesh.vertices + by, mesh.faces)


def test_a_rim_is_no_way_from_itself() -> None:
    """However finely it is cut."""
    row = rims.graded(square(cells=37), square())
    for way in ("to_truth", "back"):
        assert row[way]["p99"] == pytest.approx(0, abs=1e-5)
        assert row[way]["near"] == 1
    assert (row["rims"], row["true_rims"]) == (1, 1)


@pytest.mark.parametrize("units", [2.0, 5.0])
def test_a_rim_shifted_by_some_units_is_that_far(units: float) -> None:
    """Up from the plane all of it is; along the plane, the sides that it leaves, half the rim."""
    up = rims.graded(moved(square(), np.array([0, 0, units * 1e-3])), square())
    aside = rims.graded(moved(square(), np.array([units * 1e-3, 0, 0])), square())
    for way in ("to_truth", "back"):
        assert (up[way]["mean"], up[way]["p99"]) == pytest.approx((units, units), rel=1e-4)
        assert up[way]["near"] == (units <= rims.NEAR)
        assert aside[way]["mean"] == pytest.approx(units / 2, rel=0.01)
        assert aside[way]["p99"] == pytest.approx(units, rel=1e-4)


def test_what_is_cut_off_counts_by_its_length() -> None:
    """A square that ends 100 units early: the side there, 0.25 of the true rim, and a few units of others."""
    whole = square()
    early = Mesh((whole.vertices - SURVEY) * [0.95, 1, 1] + SURVEY, whole.faces)
    row = rims.graded(early, whole)
    assert row["to_truth"]["near"] == pytest.approx(1 - (2 - 0.006) / 7.8, abs=1e-4)
    assert row["back"]["near"] == pytest.approx(1 - (2 + 0.2 - 0.006) / 8, abs=1e-4)


def test_a_hole_that_is_filled_is_seen_on_the_way_back() -> None:
    whole = square()
    middle = (whole.vertices[whole.faces].mean(1) - SURVEY)[:, :2]
    open_ = Mesh(whole.vertices, whole.faces[(np.abs(middle - 1) > 0.25).any(1)])
    row = rims.graded(whole, open_)
    assert row["to_truth"]["p99"] == pytest.approx(0, abs=1e-5)
    assert row["back"]["near"] == pytest.approx(8 / 10, abs=1e-4)
    assert (row["rims"], row["true_rims"]) == (1, 2)
    closed = Mesh(np.eye(4, 3), np.array([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]]))
    assert rims.graded(closed, open_) == {"error": "the mesh is closed"}


@pytest.mark.slow
def test_the_command_draws_meshes_and_grades(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a mesher that gives back the truth, 4 units too high; the truth has every triangle apart."""
    whole = square()
    soup = Mesh(whole.vertices[whole.faces.ravel()], np.arange(whole.faces.size).reshape(-1, 3))
    (tmp_path / "in").mkdir()
    write_mesh(soup, tmp_path / "in" / "square.off")
    asked: list[list[str]] = []

    def mesher(command: list[str], output: Path, threads: int) -> dict:
        asked.append(command)
        write_mesh(moved(whole, np.array([0, 0, 4e-3])), output)
        return {"seconds": 1.0, "memory_mb": 1.0, "others": 0.0}

    monkeypatch.setattr(rims, "measured", mesher)
    words = ["rims", "--meshes", str(tmp_path / "in"), "--counts", "400", "-o", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *words, "--options", "--preset fine"])
    benchmark.main()
    row = json.loads((tmp_path / "out" / "rims.jsonl").read_text())
    assert {"commit", "threads", "hardware", "date", "command"} <= set(row)
    assert row["to_truth"]["mean"] == row["back"]["mean"] == pytest.approx(4, rel=1e-3)
    assert row["spacing"] == pytest.approx(100, rel=0.1)  # 20 x 20 points on 2,000 x 2,000 units
    assert {"--preset", "fine"} <= set(asked[0])
    cloud = read_cloud(asked[0][asked[0].index("mesh") + 1])
    assert len(cloud) == 400 and cloud.normals is not None
    assert np.allclose(cloud.normals, [0, 0, 1]) and np.ptp(cloud.points[:, :2], axis=0).min() > 1.9
    line = "4.00 | 4.0 | 0.0 % | 4.00 | 4.0 | 0.0 % | 1 (1) |"
    assert (tmp_path / "out" / "rims.md").read_text().count(line) == 1
    assert capsys.readouterr().out.count(line) == 2


def test_a_closed_mesh_is_no_reference(tmp_path: Path) -> None:
    corners = np.array([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])
    write_mesh(Mesh(np.eye(4, 3), corners), tmp_path / "closed.off")
    with pytest.raises(SystemExit, match="is closed"):
        rims.reference(tmp_path / "closed.off")


def test_what_is_no_mesh_is_said_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no mesh in"):
        rims.files([tmp_path])
    with pytest.raises(SystemExit, match=r"absent\.ply"):
        rims.reference(tmp_path / "absent.ply")

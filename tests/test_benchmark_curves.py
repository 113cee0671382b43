"""Curves and their headline, on made-up numbers; the meshing benchmark; and both once, tiny, end to end."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
benchmark = importlib.import_module("benchmark")
curves = importlib.import_module("benchmarks.curves")
extraction = importlib.import_module("benchmarks.extraction")
headline = importlib.import_module("benchmarks.headline")
report = importlib.import_module("benchmarks.report")


def row(method: str, seconds: float, mean: float, **other: object) -> dict:
    return {
        "shape": "ball",
        "kind": "clean",
        "method": method,
        "options": "",
        "budget": seconds,
        "seconds": seconds,
        "distance": {"both": {"mean": mean, "largest": 10 * mean}},
        "hardware": "a machine",
        "threads": 1,
    } | other


def power_law(method: str, at_one: float, times: list[float], floor: float = 0.0) -> list[dict]:
    """Error at_one / seconds, down to a floor."""
    return [row(method, t, max(floor, at_one / t)) for t in times]


def test_a_curve_is_read_on_straight_lines_in_logarithms() -> None:
    points = [(1.0, 100.0), (10.0, 10.0), (100.0, 1.0)]
    assert headline.reached(points, 25.0) == (pytest.approx(4.0), False)
    assert headline.reached(points, 10.0) == (pytest.approx(10.0), False)
    assert headline.reached(points, 100.0) == (1.0, True)
    assert headline.reached(points, 0.5) is None


def test_the_first_time_counts() -> None:
    points = [(1.0, 8.0), (2.0, 4.0), (4.0, 6.0), (8.0, 2.0)]
    assert headline.reached(points, 4.0) == (pytest.approx(2.0), False)


def test_the_headline_is_the_ratio_of_the_seconds_to_one_error() -> None:
    """The published method comes to 1.0 at 1000 s and stays there, recon is 50 times as fast."""
    theirs = power_law("reference", 1000.0, [10, 100, 1000, 4000], floor=1.0)
    ours = power_law("recon", 20.0, [5, 10, 40])
    found = headline.headline(theirs + ours, "reference")
    assert found["error"] == pytest.approx(headline.NEAR_BEST)
    assert found["against_seconds"] == pytest.approx(1000 / headline.NEAR_BEST)
    assert found["recon_seconds"] == pytest.approx(20 / headline.NEAR_BEST)
    assert found["ratio"] == pytest.approx(50)
    assert (found["recon_measured"], found["at_most"]) == (40, False)


def test_the_headline_goes_no_further_than_what_was_measured() -> None:
    theirs = power_law("reference", 100.0, [10, 100])
    at_once = headline.headline([*theirs, row("recon", 5, 0.5), row("recon", 9, 0.4)], "reference")
    assert (at_once["recon_seconds"], at_once["at_most"]) == (5, True)
    never = headline.headline([*theirs, row("recon", 5, 2.0)], "reference")
    assert (never["recon_seconds"], never["recon_measured"], never["ratio"]) == (None, None, None)
    failed = [row("recon", 5, 0.5, error="crashed")]
    assert headline.headline(theirs + failed, "reference") is None
    lines = headline.markdown([*theirs, row("recon", 5, 0.5)])
    assert lines[-1] == "| reference | 1.050 | 95 | ≤ 5.0 | ≥ 19.0 | 5.0 |"
    assert headline.markdown([*theirs, row("recon", 5, 2.0)])[-1].endswith("| 95 | not reached | – | – |")


def test_rows_of_the_table() -> None:
    rows = [row("poisson 8", 2.0, 0.25, budget=None), row("recon", 7.5, 0.5, summary={"steps": 300})]
    rows += [row("reference", 9.0, 4.0, steps=40), {**row("reference", 1.0, 1.0), "error": "no surface"}]
    lines = headline.markdown(rows)
    assert lines[2:5] == [
        "| ball | clean | poisson 8 |  | 2.0 |  | 0.250 | 2.5 |",
        "| ball | clean | recon | 7.5 | 7.5 | 300 | 0.500 | 5.0 |",
        "| ball | clean | reference | 9 | 9.0 | 40 | 4.000 | 40.0 |",
    ]
    assert lines[5] == "| ball | clean | reference | 1 | no surface |"


def test_moments_are_spaced_geometrically() -> None:
    times = curves.moments(5, 320)
    assert (times[0], times[-1], len(times)) == (5, 320, 13)
    assert [b / a for a, b in zip(times[::2], times[2::2], strict=False)] == pytest.approx([2] * 6, rel=1e-2)
    assert curves.moments(5, 3) == [3]


def test_what_was_measured_is_found_until_it_may_differ(tmp_path: Path) -> None:
    """recon by its commit, the published method by its own code, neither where files have changed."""
    common = {"resolution": 9, "samples": 9, "device": "cpu", "commit": "one", "reference_code": ""}
    ours = row("recon", 5, 0.5) | common
    theirs = row("reference", 5, 0.5) | common | {"reference_code": "a"}
    failed = row("reference", 7, 0.5, error="no surface") | common
    first = report.Results(tmp_path / "rows.jsonl", curves.identity)
    for each in (ours, theirs, failed):
        assert first.find(each) is None
        first.add(each)
    later = report.Results(tmp_path / "rows.jsonl", curves.identity)
    assert later.find(ours) == ours and later.find(theirs) == theirs and later.find(failed) is None
    other = {"commit": "two with changes"}
    assert later.find(ours | other) is None and later.find(theirs | other) == theirs
    assert later.find(theirs | {"reference_code": "b"}) is None
    assert later.find(ours | {"hardware": "another"}) is None
    assert report.Results(tmp_path / "rows.jsonl", curves.identity, fresh=True).find(ours) is None


def test_the_plot_is_drawn(tmp_path: Path) -> None:
    rows = [*power_law("reference", 100.0, [10, 100]), *power_law("recon", 10.0, [5, 20])]
    rows += [row("poisson 8", 2.0, 0.3), row("poisson 9", 3.0, 0.3, error="crashed")]
    curves.plot(rows, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    """A folder with a scan of a sphere, points and normals, and its truth."""
    mesh = trimesh.creation.icosphere(4)
    mesh.export(tmp_path / "ball.gt.ply")
    names = "".join(f"property float {name}\n" for name in ("x", "y", "z", "nx", "ny", "nz"))
    header = f"ply\nformat ascii 1.0\nelement vertex {len(mesh.vertices)}\n{names}end_header"
    points = np.hstack([mesh.vertices, mesh.vertices])
    np.savetxt(tmp_path / "ball.clean.ply", points, "%.9g", header=header, comments="")
    return tmp_path


TINY = "--set surface.prior_samples=20000 --set field.width=64 --set field.hidden=2"
TINY += " --set surface.on_surface=300 --set surface.off_surface=100"


# Slow: two seconds of training, one of the published method, and two processes that load PyTorch.
@pytest.mark.slow
def test_curves_from_end_to_end(ball: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = ball / "out"
    options = ["--shapes", str(ball), "-o", str(out), "--options", TINY, "--threads", "1"]
    options += ["--budgets", "2", "--reference-seconds", "1", "--resolution", "24", "--samples", "1000"]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "curves", "--methods", "recon,reference", *options])
    benchmark.main()
    rows = [json.loads(line) for line in (out / "curves.jsonl").read_text().splitlines()]
    assert [each["method"] for each in rows] == ["recon", *curves.REFERENCE]
    assert all({"commit", "threads", "hardware", "date", "command"} <= set(each) for each in rows)
    ours, *theirs = rows
    assert ours["seconds"] > 1 and 0 < ours["distance"]["both"]["mean"] < 50
    for each in theirs:
        assert each["train_seconds"] >= 1 and each["steps"] > 0
        assert "error" in each or each["seconds"] > each["train_seconds"] + each["mesh_seconds"]
    assert (out / "curves.ball.clean.png").exists()
    assert "| ball | clean | recon --set" in (out / "curves.md").read_text()


# Slow: a training that gives a closed mesh, and two processes that load PyTorch.
@pytest.mark.slow
def test_extraction_from_end_to_end(ball: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = ball / "out"
    options = ["--scan", str(ball / "ball.clean.ply"), "-o", str(out), "--threads", "1", "--repeats", "1"]
    options += ["--options", f"{TINY} --set fit.steps=400", "--resolutions", "24"]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "extraction", *options])
    benchmark.main()
    found = json.loads((out / "extraction.jsonl").read_text())
    assert {"commit", "threads", "hardware", "date", "command"} <= set(found)
    assert found["watertight"] and found["faces"] == 2 * found["vertices"] - 4
    assert found["seconds"] == found["runs"][0] > 0
    assert found["memory_mb"] >= found["memory_before_mb"] > 0
    assert "| ball.clean.ply | 24 |" in (out / "extraction.md").read_text()


def test_a_mesh_that_failed_is_a_row() -> None:
    start = {"field": "run", "resolution": 64}
    assert extraction.markdown([start | {"error": "no memory"}])[2] == "| run | 64 | no memory |"

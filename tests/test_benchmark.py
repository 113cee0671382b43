"""The benchmark's logic: what is measured, what is kept, what its tables say. No speed is asserted."""

import importlib
import json
import sys
from pathlib import Path

import psutil
import pytest
import trimesh
from waiting import eventually

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
benchmark = importlib.import_module("benchmark")
accuracy = importlib.import_module("benchmarks.accuracy")
processes = importlib.import_module("benchmarks.processes")
report = importlib.import_module("benchmarks.report")


def run(code: str, mesh: Path) -> dict:
    return processes.measured([sys.executable, "-S", "-c", code, str(mesh)], mesh, threads=1)


@pytest.mark.slow
def test_memory_is_that_of_the_process_alone(tmp_path: Path) -> None:
    """A process of 200 MB shows them; a small one shows none of the 300 MB of the one that started it."""
    write = "import sys; open(sys.argv[1], 'w').close()"
    ours = bytearray(300 << 20)
    small = run(write, tmp_path / "small.ply")
    large = run(f"x = bytearray({200 << 20}); {write}", tmp_path / "large.ply")
    assert len(ours) and small["memory_mb"] < 100
    assert large["memory_mb"] - small["memory_mb"] == pytest.approx(200, abs=20)


@pytest.mark.slow
def test_a_failure_is_a_row_and_an_old_mesh_no_success(tmp_path: Path) -> None:
    mesh = tmp_path / "mesh.ply"
    mesh.touch()
    assert run("raise SystemExit('no such scan')", mesh) == {"error": "no such scan"}
    assert run("pass", mesh) == {"error": "no mesh was written"}


@pytest.mark.slow
def test_other_programs_are_noticed() -> None:
    company = processes.Company()
    before = set(psutil.Process().children())
    with processes.busy_cores():
        assert set(psutil.Process().children()) > before
        eventually(company.cores, "others at work", lambda cores: cores > report.QUIET)
    assert set(psutil.Process().children()) == before  # the busy ones have ended


def test_own_work_is_no_disturbance(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 10 seconds of the clock all programs take 15, this one 6 of them: 0.9 cores are for others."""
    clocks = iter([(0.0, 100.0, 10.0), (10.0, 115.0, 16.0)])
    monkeypatch.setattr(processes, "_clocks", lambda: next(clocks))
    assert processes.Company().cores() == pytest.approx(0.9)


def test_a_disturbed_table_says_so() -> None:
    rows = [{"others": 0.02}, {}, {"error": "crashed"}]
    assert report.disturbance(rows) == []
    assert "up to 0.9 cores" in report.disturbance([*rows, {"others": 0.9}])[1]


def row(method: str, mean: float, **other: object) -> dict:
    return {
        "shape": "cube",
        "kind": "clean",
        "method": method,
        "options": "",
        "seconds": 1.0,
        "memory_mb": 10.0,
        "distance": {"both": {"mean": mean, "largest": 9.0}},
        "normal_cosine": {"both": 0.99},
        "f_score": {"1": 0.9},
        "mesh": {"watertight": True, "components": 1, "genus": None},
        "reference": {"genus": 3},
    } | other


def test_the_ratio_is_to_the_best_poisson_of_the_same_scan() -> None:
    rows = [row("poisson 7", 0.8), row("poisson 8", 0.4), row("recon", 0.3)]
    rows += [row("poisson 7", 0.1, kind="scan"), row("poisson 9", 0.0, error="crashed")]
    lines = accuracy.markdown(rows)
    assert len(lines) == 2 + len(rows)
    assert lines[4].endswith("| – (3) | 0.75 |")
    assert lines[3].endswith("| – (3) |  |")
    assert "crashed" in lines[6]


@pytest.mark.slow
def test_what_was_measured_is_kept_until_it_may_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Methods that copy the truth and count their runs: at distance zero, and run only when they must."""
    for name in ("ball.gt.ply", "ball.clean.ply", "ball.scan.ply"):
        trimesh.creation.icosphere(2).export(tmp_path / name)
    copy = "import shutil, sys; shutil.copy(*sys.argv[1:3]); open(sys.argv[3], 'a').write('x')"

    def methods(args: object) -> list:
        return [
            (m, [sys.executable, "-c", copy, "{scan}", "{mesh}", str(tmp_path / m)])
            for m in ("poisson", "recon")
        ]

    def runs(*options: str, commit: str = "one") -> tuple[int, int]:
        base = ["benchmark.py", "accuracy", "--shapes", str(tmp_path), "-o", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", [*base, "--samples", "1000", *options])
        monkeypatch.setattr(report, "commit", lambda: commit)
        before = [len(p.read_text()) if p.exists() else 0 for p in counters]
        benchmark.main()
        poisson, recon = (len(p.read_text()) - n for p, n in zip(counters, before, strict=True))
        return poisson, recon

    counters = [tmp_path / "poisson", tmp_path / "recon"]
    monkeypatch.setattr(accuracy, "methods", methods)
    assert runs("--kinds", "clean") == (1, 1)
    assert "| 0.000 | 0.0 |" in capsys.readouterr().out
    assert runs("--kinds", "clean,scan") == (1, 1)
    assert runs("--kinds", "clean,scan") == (0, 0)
    assert runs("--kinds", "scan", commit="two") == (0, 1)
    assert runs("--kinds", "clean,scan", commit="one") == (0, 0)
    assert runs("--kinds", "clean", "--fresh", commit="one") == (1, 1)
    assert runs("--kinds", "clean", commit="one with changes") == (0, 1)
    assert runs("--kinds", "clean", commit="one with changes") == (0, 1)
    rows = [json.loads(line) for line in (tmp_path / "out" / "accuracy.jsonl").read_text().splitlines()]
    how = {"commit", "threads", "hardware", "versions", "date", "command"}
    assert rows and all(how <= set(row) for row in rows)
    with pytest.raises(SystemExit, match="no NAME"):
        runs("--only", "cone")

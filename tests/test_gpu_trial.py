"""The trial of a GPU runs, small, on a machine without one; what fails in it or takes too long is told."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"
sys.path.insert(0, str(TOOLS))
parts = importlib.import_module("trial.parts")
runner = importlib.import_module("trial.runner")

BROKEN = """
import time

def run(trial):
    trial.check("too much", 2.0, 1.0)
    time.sleep({seconds})
    raise RuntimeError("out of luck")
"""
WHOLE = "def run(trial): trial.check('little', 0.5, 1.0)"


@pytest.mark.slow  # it starts a process for each part
def test_all_of_it_runs_small_on_a_cpu(root: Path, tmp_path: Path) -> None:
    """From elsewhere, by the checkout alone."""
    command = [sys.executable, str(root / "tools" / "gpu_trial.py"), "--out", str(tmp_path / "found")]
    done = subprocess.run(
        [*command, "--device", "cpu", "--quick", "--minutes", "10"],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    report = json.loads((tmp_path / "found" / "trial.json").read_text())
    assert [part["name"] for part in report["parts"]] == [part.name for part in parts.PARTS]
    assert all(part["state"] == "done" and part["rows"] for part in report["parts"])
    assert all(row.get("ok", True) for part in report["parts"] for row in part["rows"])
    table = (tmp_path / "found" / "trial.md").read_text()
    assert all(f"## {part.name}" in table for part in parts.PARTS)


@pytest.mark.slow
def test_what_fails_or_hangs_is_told_and_the_next_part_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "tried"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "fails": BROKEN.format(seconds=0),
        "hangs": BROKEN.format(seconds=100),
        "works": WHOLE,
        "late": WHOLE,
    }.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(runner, "LOADED", [])
    monkeypatch.setattr(runner, "GRACE", 0.1)
    wanted = [parts.Part(name, 5.0, "tried") for name in ("fails", "hangs", "works")]
    failed = runner.run_parts(wanted, tmp_path / "out", "cpu", True, 100.0)
    assert failed == ["fails", "hangs"]
    report = json.loads((tmp_path / "out" / "trial.json").read_text())
    fails, hangs, works = report["parts"]
    assert fails["state"] == "failed, code 1" and fails["log"][-1] == "RuntimeError: out of luck"
    assert hangs["state"] == "stopped after its 5 s" and 5 <= hangs["seconds"] < 20
    assert [row["ok"] for part in (fails, hangs, works) for row in part["rows"]] == [False, False, True]
    assert works["state"] == "done"
    table = (tmp_path / "out" / "trial.md").read_text()
    assert "| fails | failed, code 1; not as wanted: too much |" in table and "out of luck" in table
    assert runner.run_parts([parts.Part("late", 5.0, "tried")], tmp_path / "out", "cpu", True, 1.0) == []
    assert "no time left" in capsys.readouterr().out


def test_the_last_lines_of_a_test_that_failed_are_kept() -> None:
    suite = importlib.import_module("trial.suite")
    said = f"""
=================================== FAILURES ===================================
_____________________________ test_steps[muon] _________________________________
tests/test_step.py:100: in test_steps
{chr(10).join(f"line {k}" for k in range(20))}
E   AssertionError: 1 is not 2
____________________________________ test_more _________________________________
E   TypeError: none
=========================== short test summary info ============================
FAILED tests/test_step.py::test_steps[muon]
2 failed, 3 passed in 1.00s
"""
    found = suite.failures(said)
    assert found["test_more"] == ["E   TypeError: none"]
    assert len(found["test_steps[muon]"]) == 15
    assert found["test_steps[muon]"][-2:] == ["line 19", "E   AssertionError: 1 is not 2"]

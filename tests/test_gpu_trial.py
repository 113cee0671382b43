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
import sys, time
from pathlib import Path

def run(trial):
    trial.check("one", 2.0, 1.0)
    if {wait}:
        time.sleep(60)
    raise RuntimeError("out of luck")
"""


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


@pytest.mark.parametrize(("wait", "said"), [(False, "failed, code 1"), (True, "stopped after its 6 s")])
def test_what_fails_or_hangs_is_told_and_the_next_part_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: bool, said: str
) -> None:
    package = tmp_path / "broken.py"
    package.write_text(BROKEN.format(wait=wait))
    monkeypatch.setattr(parts.Part, "module", lambda part: importlib.import_module(part.name))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(TOOLS)]))
    monkeypatch.syspath_prepend(tmp_path)

"""--strict: a mesh that does not look like its scan ends with exit code 1, and a batch lists it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recon.batching.job import DONE, FAILED, Job
from recon.batching.summary import DONE_BEFORE, UNFINISHED, Result, report, table, write_summary
from recon.cli import batch, mesh
from recon.cli.main import main


@pytest.mark.parametrize("strict", [[], ["--strict"]])
@pytest.mark.parametrize(
    ("result", "code"), [({"state": "sound"}, 0), ({"state": "suspect"}, 1)], ids=["sound", "suspect"]
)
def test_a_suspect_mesh_is_a_failure_if_asked_for(
    strict: list[str], result: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh, "run", lambda options: result)
    assert main(["mesh", "scan.ply", *strict]) == (code if strict else 0)


@pytest.mark.parametrize(
    ("result", "code"),
    [({"suspect": 0, "failed": 0}, 0), ({"suspect": 1}, 1), ({"suspect": 1, "failed": 1}, 3)],
)
def test_of_a_batch_failures_come_first(
    result: dict[str, Any], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "run", lambda options: result)
    assert main(["batch", "scans", "meshes", "--strict"]) == code


def manifest(*doubts: str) -> dict[str, Any]:
    result = {"faces": 2, "points": 9, "scan_to_mesh": {"mean": 1.0, "p95": 2.0, "largest": 3.0}}
    return {"result": result | {"doubts": list(doubts)}, "run": {"seconds": 1.0, "peak_memory": 1}}


def test_a_batch_lists_suspect_meshes_whenever_they_were_made(tmp_path: Path) -> None:
    def result(name: str, state: str, found: dict[str, Any] | None) -> Result:
        return Result.of(Job(name, name, str(tmp_path / f"{name}.ply"), {}), state, found)

    failed = {"error": {"message": "no points"}}
    results = [
        result("a", DONE, manifest()),
        result("b", DONE, manifest("40% of the points have no surface near them", "and inside out")),
        result("c", DONE_BEFORE, manifest("inside out")),
        result("d", FAILED, failed),
        result("e", UNFINISHED, manifest("of settings that are no longer asked for")),
    ]
    found = report(results, tmp_path, tmp_path)
    assert [row["state"] for row in found["scans"]] == ["done", "suspect", "suspect", "failed", "unfinished"]
    assert (found["done"], found["suspect"], found["failed"]) == (1, 2, 1)
    lines = table(results, tmp_path)
    assert "suspect: 40% of the points have no surface near them | and inside out" in lines[2]
    assert lines[-1] == "5 scans: 1 done, 2 suspect, 1 failed, 1 unfinished"
    write_summary(results, tmp_path, tmp_path)
    assert json.loads((tmp_path / "summary.json").read_text()) == found

"""A batch of eight scans on one device: several at a time, then one."""

from __future__ import annotations

import json
import shutil
import time

from trial.parts import DATA, Trial
from trial.problem import commanded, options

SCANS = ("kitten", "coupling", "elephant", "hippo", "oni", "three_peaks", "kitten", "elephant")
BAR = 2.0  # seconds a scan
JOBS = (4, 1)


def run(trial: Trial) -> None:
    scans = SCANS[4:5] if trial.quick else SCANS
    folder = trial.work / "scans"
    folder.mkdir()
    for number, scan in enumerate(scans):
        shutil.copy(DATA / f"{scan}.ply", folder / f"{number}-{scan}.ply")
    for jobs in JOBS[-1:] if trial.quick else JOBS:
        _batch(trial, len(scans), jobs)


def _batch(trial: Trial, count: int, jobs: int) -> None:
    folder, out = trial.work / "scans", trial.work / f"meshes-{jobs}"
    start = time.perf_counter()
    code, said, complained = commanded(trial, "batch", folder, out, "--jobs", jobs, *options(trial, "draft"))
    seconds = time.perf_counter() - start
    what = f"{count} scans, draft, {jobs} at a time"
    if code not in (0, 3):
        trial.note(what, ok=False, said=(complained.strip().splitlines() or ["nothing"])[-3:])
        return
    summary = json.loads(said)
    each = seconds / count
    failed = summary["failed"]
    trial.note(
        what, ok=not failed, seconds=seconds, each=each, bar_seconds=BAR, bar_met=each <= BAR, failed=failed
    )

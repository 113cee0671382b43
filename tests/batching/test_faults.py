"""Whatever happens to a batch, no half of a mesh is taken for one, and what was done is not done again."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folder_scans import BAD, GOOD, OPTIONS, TINY, Done, make_scans, scan_processes, start, table, tree
from schemas import printed
from shapes import sphere
from waiting import PATIENCE, eventually

import recon
from recon.batching import local
from recon.batching.job import Job
from recon.batching.process import Limits, run_job, worker_server
from recon.cli.main import main
from recon.errors import OutputError
from recon.training.checkpoint import load_snapshot

pytestmark = pytest.mark.slow


# Slow: three batches, and up to four scans in each, are processes that load PyTorch.
def test_killed_again_and_again_it_ends_as_if_left_alone(done: Done, tmp_path: Path) -> None:
    """Killed at random moments: after a first checkpoint, and about when the second result is there; and no
    scan that had its manifest was touched again."""
    scans, out, finished = tmp_path / "scans", tmp_path / "out", dict[Path, int]()
    make_scans(scans, bad=["cut.npy"])

    def results() -> tuple[int, int]:
        names = Counter(
            name for _, _, names in os.walk(out) for name in names
        )  # folders may vanish meanwhile
        done = sum(count for name, count in names.items() if name.endswith(".png"))
        return done, done + names["checkpoint.pt"]

    rng = np.random.default_rng(0)
    for least in ((0, 1), (2, 2)):
        batch = start(scans, out, "--jobs", "2")
        eventually(results, "results, and these with checkpoints", lambda found: found >= least)  # noqa: B023
        time.sleep(rng.uniform(0, 0.3))  # for nothing
        batch.kill()
        batch.communicate(timeout=PATIENCE)
        for path in out.rglob("*.ply.json"):
            if '"state": "done"' in path.read_text():
                (path.parent / f".{path.stem}.recon-lock").touch()  # as one killed right then leaves
                assert finished.setdefault(path, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    batch = start(scans, out, "--jobs", "2")
    _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 3 and "1 failed" in said, said
    assert all(path.stat().st_mtime_ns == at for path, at in finished.items())
    failures = {f"{Path(name).with_suffix('.ply')}.json" for name in set(BAD) - {"cut.npy"}}
    assert tree(out) == {name: content for name, content in tree(done.out).items() if name not in failures}


# Slow: a training that is long enough to be stopped, and is done twice.
def test_ctrl_c_stops_after_saving_and_the_next_run_goes_on(done: Done, tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    np.save(scans / "ball.npy", table(sphere(500)))
    steps, run = ["--set", "fit.steps=400"], tmp_path / "runs" / "ball.ply"
    kept = ["--run", run.parent]
    batch = start(scans, out, *steps, *kept, "--preview", "0.01s")  # so many that there is time enough
    eventually((run / "preview.ply").exists, "a preview")
    batch.send_signal(signal.SIGINT)
    _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 130 and "goes on from there" in said and "Traceback" not in said
    assert not (out / "ball.ply").exists() and not (out / ".recon-batch.lock").exists()
    saved = load_snapshot(run / "checkpoint.pt")
    assert '"state": "unfinished"' in (out / "summary.json").read_text()

    batch = start(scans, out, *steps, *kept)
    assert "1 new" in batch.communicate(timeout=PATIENCE)[1] and batch.returncode == 0
    assert [path.name for path in out.iterdir() if path.name[0] == "."] == []
    whole = tmp_path / "whole.ply"
    assert main(["mesh", str(scans / "ball.npy"), "-o", str(whole), "--quiet", *OPTIONS, *steps]) == 0
    assert (out / "ball.ply").read_bytes() == whole.read_bytes()
    assert 0 < saved.step < 400


def test_processes_that_crash_take_one_scan_each_with_them(done: Done, tmp_path: Path) -> None:
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for name in ("a", "b", "c"):
        np.save(scans / f"{name}.npy", table(sphere(500)))
    batch = start(scans, out, "--jobs", "2")
    both = eventually(lambda: scan_processes(batch.pid), "two scans at work", lambda found: len(found) == 2)
    for process, blow in zip(both, (signal.SIGSEGV, signal.SIGKILL), strict=True):
        process.send_signal(blow)
    _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 3
    assert "(SIGSEGV)" in said and "lack of memory" in said and "1 done, 2 failed" in said
    assert (out / "c.ply").read_bytes() == (done.out / "ball.ply").read_bytes()


def test_what_was_done_before_its_process_ended_is_done(done: Done, tmp_path: Path) -> None:
    """The manifest is there, and then comes the limit: nothing of it is lost."""
    again, manifest = done.copy(tmp_path), done.results["ball.npy"].manifest
    assert manifest
    scan, mesh = again.scans / "ball.npy", again.out / "ball.ply"
    job = Job("ball.npy", str(scan), str(mesh), manifest["config"], "cpu")
    with closing(worker_server(threads=1)) as server:
        end = run_job(job, Limits(seconds=1e-3), lambda: False, lambda message: None, server.start)
    assert end == {"done": manifest}


def test_a_scan_can_be_stopped_where_scripts_started_the_worker(done: Done, tmp_path: Path) -> None:
    """In the background of a script, processes are started deaf to Ctrl-C."""
    config = recon.Config().with_(fit={"steps": 10_000_000}).as_dict()
    job = Job("ball.npy", str(done.scans / "ball.npy"), str(tmp_path / "ball.ply"), config, "cpu")
    process = subprocess.Popen(
        [sys.executable, "-m", "recon.batching.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps(job.as_dict()) + "\n")
    process.stdin.flush()
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    with process:
        next(line for line in process.stdout if "training" in line)
        process.send_signal(signal.SIGINT)
        *_, last = process.stdout
    watchdog.cancel()
    assert json.loads(last) == {"stopped": True}


def test_limits_of_time_and_memory_end_a_scan(tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    np.save(scans / "a.npy", table(sphere(500)))
    endless = {"*": TINY | {"set": [*TINY["set"], "fit.steps=10000000"]}}
    [result] = recon.batch(scans, tmp_path / "out", overrides=endless, time_limit=3)
    assert result.state == "failed" and "limit of 3 s" in str(result.error)
    [result] = recon.batch(scans, tmp_path / "out", overrides=endless, memory_limit=60_000_000)
    assert result.state == "failed" and "limit of 0.06 GB" in str(result.error)


def test_a_scan_that_is_gone_when_its_turn_comes_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gone, run_job = list[str](), threading.Event(), local.run_job

    def one_by_one(job: Job, *rest: Any) -> Any:
        if begun:
            assert gone.wait(60)
        begun.append(job.name)
        return run_job(job, *rest)

    monkeypatch.setattr(local, "run_job", one_by_one)
    scans = tmp_path / "scans"
    scans.mkdir()
    for name, count in (("a", 2), ("b", 3)):  # neither takes long: they are too small
        np.save(scans / f"{name}.npy", np.eye(3)[:count])
    results = recon.batch(scans, tmp_path / "out", jobs=1)
    first = next(results)
    other = "b" if first.scan == "a.npy" else "a"
    (scans / f"{other}.npy").unlink()
    gone.set()
    [second] = results
    assert "points" in str(first.error) and "no file" in str(second.error)


def test_a_folder_that_cannot_be_read_is_reported_and_the_rest_goes_on(
    done: Done, tmp_path: Path, close: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """And what was made of its scans stays."""
    again = done.copy(tmp_path)
    (again.out / "ball.ply").unlink()
    for failed in ("cut.npy", "two.xyz"):
        (again.scans / failed).unlink()
    close(again.scans / "parts")
    assert main(["batch", str(again.scans), str(again.out), "--json", *OPTIONS]) == 3
    shown = capsys.readouterr()
    rows = {row["scan"]: row for row in printed("batch", shown.out)["scans"]}
    assert rows["ball.npy"]["state"] == "done" and rows["ring.npy"]["state"] == "done before"
    assert set(rows) == {"ball.npy", "parts/", "ring.npy"}
    assert (rows["parts/"]["state"], rows["parts/"]["mesh"]) == ("failed", None)
    assert rows["parts/"]["error"].startswith("cannot read the folder: Permission denied")
    assert "parts/ failed: cannot read the folder: Permission denied" in shown.err
    assert "parts/" in (again.out / "index.html").read_text()
    assert tree(again.out) == tree(done.out)


def test_two_batches_on_one_folder_do_not_meet(done: Done, tmp_path: Path) -> None:
    again = done.copy(tmp_path)
    first = recon.batch(again.scans, again.out, overrides={"*": TINY})
    next(first)
    with pytest.raises(OutputError, match=rf"in use by process {os.getpid()} on \S+: wait"):
        next(recon.batch(again.scans, again.out, overrides={"*": TINY}))
    first.close()  # type: ignore[attr-defined]
    assert next(recon.batch(again.scans, again.out, overrides={"*": TINY})).state == "done before"


def test_a_disk_that_refuses_costs_no_result_and_no_training(done: Done, tmp_path: Path) -> None:
    """Files of more than 40 kB cannot be written: the mesh with the fewest faces can."""
    again = done.copy(tmp_path)
    np.save(again.scans / "more.npy", table(sphere(700, seed=9)))

    def refuse() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    batch = start(again.scans, again.out, "--pattern", "[bmr]*.npy", preexec_fn=refuse)
    _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 3
    line = next(line for line in said.splitlines() if line.startswith("more.npy"))
    assert "failed: cannot write" in line and "File too large" in line and "is kept" in line
    kept = again.out / ".more.ply.recon-run"
    assert load_snapshot(kept / "checkpoint.pt").step == 150
    kept.rename(tmp_path / "kept")
    before, after = tree(done.out), tree(again.out)
    assert set(after) - set(before) == {"more.ply.json"}
    assert all(after[name] == content for name, content in before.items())
    (tmp_path / "kept").rename(kept)
    batch = start(again.scans, again.out, "--pattern", "more.npy")
    assert "1 done" in batch.communicate(timeout=PATIENCE)[1] and not kept.exists()
    assert [state for name in GOOD if (state := done.results[name].state) != "done"] == []

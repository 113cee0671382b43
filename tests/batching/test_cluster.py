"""The same on Dask workers, of which some are lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from distributed import LocalCluster
from folder_scans import TINY, Done, scan_processes, start, table, tree
from shapes import sphere
from waiting import PATIENCE, eventually

import recon
from recon.batching import cluster
from recon.cli.main import main
from recon.training.checkpoint import load_snapshot

pytestmark = pytest.mark.slow


def workers_with_a_scan(batch: int) -> list[psutil.Process]:
    """Of a worker comes a fork server, of that what watches a scan's process, of that the process."""
    return [parents[2] for process in scan_processes(batch) if len(parents := process.parents()) > 2]


# Slow: four workers, and a scan's process in each.
def test_scans_of_lost_workers_are_done_by_others(done: Done, tmp_path: Path) -> None:
    """Two workers; twice, one that has a scan is killed."""
    out = tmp_path / "out"
    batch = start(done.scans, out, "--pattern", "[br]*.npy", "--cluster", "local:2")
    killed = set[psutil.Process]()
    for _ in range(2):
        at_work = eventually(lambda: set(workers_with_a_scan(batch.pid)) - killed, "a worker with a scan")
        killed.add(worker := at_work.pop())
        worker.kill()
    _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 0, said
    found, expected = tree(out), tree(done.out)
    assert set(found) == {f"{mesh}.ply{end}" for mesh in ("ball", "ring") for end in ("", ".json", ".png")}
    assert all(expected[name] == content for name, content in found.items())


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """The address of a scheduler, with a worker that can do two scans at a time, and has one GPU, it says."""
    with LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        protocol="tcp",
        dashboard_address="127.0.0.1:0",
        memory_limit=None,
        resources={"GPU": 1},
    ) as there:
        yield there.scheduler_address
    cluster._server(1).close()  # of this process, which the worker is in


def test_results_come_back_where_nothing_is_shared(done: Done, scheduler: str, tmp_path: Path) -> None:
    """And what somebody else has put there is left alone."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "ball.ply").write_text("precious")
    results = recon.batch(
        done.scans, out, pattern="*l*", overrides={"*": TINY}, cluster=scheduler, gather=True, device="cpu"
    )
    states = {result.scan: (result.state, result.error) for result in results}
    assert states.pop("parts/ball.xyz") == ("done", None)
    assert (
        states.pop("ball.npy")[1]
        == f"{out / 'ball.ply'} exists, and no batch has made it: remove it, or --overwrite"
    )
    assert states == {"parts/letter.txt": ("failed", done.results["parts/letter.txt"].error)}
    found, expected = tree(out), tree(done.out)
    assert found.pop("ball.ply") == b"precious" and found.pop("ball.ply.json")
    assert set(found) == {
        "parts/ball.ply",
        "parts/ball.ply.json",
        "parts/ball.ply.png",
        "parts/letter.ply.json",
    }
    assert all(expected[name] == content for name, content in found.items())


def test_a_worker_that_says_it_has_a_gpu_is_given_work_for_one(
    done: Done, scheduler: str, tmp_path: Path
) -> None:
    """On a machine that has none, the scan fails then as it does with --device cuda."""
    [result] = recon.batch(done.scans, tmp_path, pattern="ring.npy", overrides={"*": TINY}, cluster=scheduler)
    if torch.cuda.is_available():
        assert result.error is None
    else:
        assert result.error is not None and result.error.startswith("there is no device 'cuda': 0 GPUs")


def test_ctrl_c_stops_the_workers_scans_after_saving(scheduler: str, tmp_path: Path) -> None:
    scans, out, runs = tmp_path / "scans", tmp_path / "out", tmp_path / "runs"
    scans.mkdir()
    np.save(scans / "ball.npy", table(sphere(500)))
    endless = ["--set", "fit.steps=10000000", "--run", runs, "--preview", "1s", "--device", "cpu"]
    batch = start(scans, out, *endless, "--cluster", scheduler)
    eventually((runs / "ball.ply" / "preview.ply").exists, "a preview")
    batch.send_signal(signal.SIGINT)
    _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 130 and "Traceback" not in said, said
    assert load_snapshot(runs / "ball.ply" / "checkpoint.pt").step > 0
    assert [path.name for path in out.iterdir() if path.name[0] == "."] == []


def test_a_scheduler_that_dies_is_one_line(tmp_path: Path) -> None:
    """Whatever Dask has to say about it."""
    scans, out, address = tmp_path / "scans", tmp_path / "out", tmp_path / "scheduler.json"
    scans.mkdir()
    np.save(scans / "ball.npy", table(sphere(500)))
    with ExitStack() as ending:

        def run(what: str, *options: object) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *map(str, options)]
            process = ending.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
            ending.callback(process.kill)
            return process

        scheduler = run("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", address)
        run("worker", "--scheduler-file", address, "--nworkers", "1", "--no-nanny")
        eventually(address.exists, "a scheduler")
        there = json.loads(address.read_text())["address"]
        batch = start(scans, out, "--set", "fit.steps=10000000", "--quiet", "--cluster", there)
        eventually((out / ".ball.ply.recon-run").exists, "a scan at work")
        scheduler.kill()
        _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 1
    assert said == f"recon: error: the Dask scheduler at {there} is gone: what is done is kept\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--cluster", "local:0"], 2, "local:N"),
        (["--cluster", "tcp://127.0.0.1:1"], 2, "no Dask scheduler answers at tcp://127.0.0.1:1"),
        (["--cluster", "somewhere"], 2, "somewhere"),
        (["--cluster", "local:2", "--jobs", "2"], 2, "--jobs"),
        (["--gather"], 2, "--cluster"),
        (["--cluster", "local:1", "--gather", "--run", "runs"], 2, "shared storage"),
    ],
)
def test_a_wrong_address_is_one_line(
    arguments: list[str],
    code: int,
    words: str,
    done: Done,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    assert main(["batch", str(done.scans), str(tmp_path / "out"), "--quiet", *arguments]) == code
    shown = capsys.readouterr()
    assert shown.err.startswith("recon: error: ") and shown.err.count("\n") == 1 and words in shown.err


def test_without_dask_it_says_how_to_get_it(
    done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["batch", str(done.scans), str(tmp_path / "out"), "--quiet", "--cluster", "local:2"]) == 1
    assert "pip install distributed" in capsys.readouterr().err

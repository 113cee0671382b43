"""The same on Dask workers, of which some are lost."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial
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
from recon.batching.cluster import ClusterPool
from recon.batching.process import Limits
from recon.cli.main import main
from recon.training.checkpoint import load_snapshot

pytestmark = pytest.mark.slow


def dask(ending: ExitStack, what: str, *options: object) -> subprocess.Popen[bytes]:
    """`dask scheduler` or `dask worker`, which ends with the others."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *map(str, options)]
    process = ending.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    ending.callback(process.kill)
    return process


def has_a_scan(worker: subprocess.Popen[bytes]) -> bool:
    """Of a worker comes a fork server, of that what watches a scan's process, of that the process."""
    return bool(scan_processes(worker.pid))


# Slow: a scheduler, two workers, and a scan's process in each.
def test_scans_of_lost_workers_are_done_by_others(done: Done, tmp_path: Path) -> None:
    """Two workers; twice, one that has a scan is killed, and another comes."""
    out, address = tmp_path / "out", tmp_path / "scheduler.json"
    with ExitStack() as ending:
        begin = partial(dask, ending, "worker", "--scheduler-file", address, "--nthreads", 1, "--no-nanny")
        dask(ending, "scheduler", "--host", "127.0.0.1", "--port", 0, "--scheduler-file", address)
        workers = [begin(), begin()]
        eventually(address.exists, "a scheduler")
        there = json.loads(address.read_text())["address"]
        batch = start(done.scans, out, "--pattern", "[br]*.npy", "--cluster", there)
        for _ in range(2):
            busy = eventually(lambda: list(filter(has_a_scan, workers)), "a worker with a scan")
            busy[0].kill()
            workers.remove(busy[0])
            workers.append(begin())
        _, said = batch.communicate(timeout=PATIENCE)
    assert batch.returncode == 0, said
    found, expected = tree(out), tree(done.out)
    assert set(found) == {f"{mesh}.ply{end}" for mesh in ("ball", "ring") for end in ("", ".json", ".png")}
    assert all(expected[name] == content for name, content in found.items())


def test_workers_of_this_machine_talk_inside_the_process(done: Done, tmp_path: Path) -> None:
    """Nobody else can send them work: what listens is empty pages for this machine alone."""
    results = recon.batch(
        done.scans, tmp_path / "out", pattern="ring.npy", overrides={"*": TINY}, cluster="local:2"
    )
    [result] = results
    assert result.state == "done"
    with ClusterPool("local:1", [], device="cpu", limits=Limits(), gather=False) as pool:
        assert pool.cluster.scheduler_address.startswith("inproc://")
        listening = [c for c in psutil.Process().net_connections() if c.status == psutil.CONN_LISTEN]
        assert {c.laddr.ip for c in listening} == {"127.0.0.1"}
        for connection in listening:
            request = http.client.HTTPConnection(*connection.laddr, timeout=PATIENCE)
            with closing(request):
                request.request("GET", "/info/main/workers.html")
                assert request.getresponse().status == 404


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
        options = ["--host", "127.0.0.1", "--port", "0", "--scheduler-file", address]
        scheduler = dask(ending, "scheduler", *options)
        dask(ending, "worker", "--scheduler-file", address, "--nworkers", "1", "--no-nanny")
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
        (["--cluster", "local:²"], 2, "local:N"),
        (["--cluster", "tls://127.0.0.1:1"], 2, "names no certificates"),
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

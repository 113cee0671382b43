"""What `recon batch` promises, tried at length: docs/batch.md has a record of it.

    python tools/batch_trial.py DATA -o OUT [--only left,killed,cluster,full,alone] [--jobs N] [--kills 20]

makes a folder of 24 scans from the folder DATA, 18 in all formats and six that are none, and converts it, at
`--preset draft`:

    left     undisturbed
    killed   killed (SIGKILL) at random moments, every other time with its processes, and started again
    cluster  on two Dask workers on this machine, of which one is killed three times
    full     on a disk that is full after a few meshes (a tmpfs, for which it takes root), and then is not
    alone    one after another, and beside that by `recon mesh`: the work without the batch

and compares. Lines go to OUT/record.md as they come.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from trial_scans import BAD, GOOD, make_scans

from recon.batching.worker import PROCESS_NAME

SEED, WORKER_KILLS = 0, 3
MOMENTS = 5, 100  # seconds from a start to the kill
ROOT = Path(__file__).resolve().parent.parent
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
TIMES = ("seconds", "peak_memory", "state")  # what differs from run to run


class Trial:
    def __init__(self, args: argparse.Namespace) -> None:
        self.out, self.jobs, self.kills = args.out.resolve(), args.jobs, args.kills
        self.scans, self.random = self.out / "scans", random.Random(SEED)
        self.out.mkdir(parents=True, exist_ok=True)

    def say(self, line: str) -> None:
        print(line, flush=True)
        with (self.out / "record.md").open("a", encoding="utf-8") as record:
            record.write(line + "\n")

    def command(self, out: Path, *options: str) -> list[str]:
        words = ["batch", str(self.scans), str(out), "--preset", "draft", *options]
        return [sys.executable, "-m", "recon", *words, *(["--jobs", str(self.jobs)] if self.jobs else [])]

    def finished(self, out: Path, *options: str) -> int:
        with (self.out / "log.txt").open("a") as log:
            return subprocess.run(self.command(out, *options), stderr=log, check=False).returncode

    def left(self) -> None:
        code, wall, cpu = timed(lambda: self.finished(self.out / "left"))
        states = [row["state"] for row in summary(self.out / "left").values()]
        self.say(
            f"- left alone: exit {code}, {states.count('done')} done, {states.count('failed')} failed; "
            f"{wall:.0f} s, {cpu:.0f} s of CPU time, with its processes"
        )
        for row in summary(self.out / "left").values():
            if row["error"]:
                self.say(f"    - {row['scan']}: {row['error'].replace(str(self.scans) + '/', '')}")

    def killed(self) -> None:
        out, finished, changed, kills = self.out / "killed", dict[str, Any](), 0, 0
        shutil.rmtree(out, ignore_errors=True)
        while kills < self.kills:
            with (self.out / "log.txt").open("a") as log:
                batch = subprocess.Popen(self.command(out), stderr=log)
            try:
                batch.wait(self.random.uniform(*MOMENTS))
                break  # it has come to its end
            except subprocess.TimeoutExpired:
                pass
            family = psutil.Process(batch.pid).children(recursive=True) if kills % 2 else []
            for process in (batch, *family):
                process.send_signal(signal.SIGKILL)
            batch.wait()
            kills += 1
            for name, manifest in manifests(out).items():
                if manifest["state"] == "done":
                    changed += finished.setdefault(name, manifest) != manifest
        code = self.finished(out)
        after = manifests(out)
        changed += sum(after[name] != manifest for name, manifest in finished.items())
        self.say(
            f"- killed {kills} times: exit {code}, {self.verdict(out)}; {len(finished)} scans were done "
            f"before the last kill, {changed} of them were finished twice"
        )

    def cluster(self) -> None:
        out, kills = self.out / "cluster", 0
        shutil.rmtree(out, ignore_errors=True)
        jobs, self.jobs = self.jobs, None
        with ExitStack() as ending, (self.out / "log.txt").open("a") as log:
            file = self.out / "scheduler.json"
            file.unlink(missing_ok=True)
            for role, options in (
                ("scheduler", ["--host", "127.0.0.1", "--port", "0"]),
                ("worker", ["--nworkers", "2", "--nthreads", "1", "--memory-limit", "0"]),
            ):
                command = [sys.executable, "-m", f"distributed.cli.dask_{role}", *options]
                command += ["--no-dashboard", "--scheduler-file", str(file)]
                process = ending.enter_context(subprocess.Popen(command, stderr=log))
                ending.callback(process.terminate)
            while not file.exists():
                time.sleep(0.1)
            address = json.loads(file.read_text())["address"]
            batch = subprocess.Popen(self.command(out, "--cluster", address), stderr=log)
            self.jobs = jobs
            while batch.poll() is None and kills < WORKER_KILLS:
                time.sleep(self.random.uniform(30, 60))
                # of a worker comes a fork server, of that what watches a scan's process
                workers = [above[2] for p in scan_processes(process.pid) if len(above := p.parents()) > 2]
                if workers:
                    workers[0].kill()
                    kills += 1
            batch.wait()
        self.say(
            f"- two Dask workers, one killed {kills} times: exit {batch.returncode}, {self.verdict(out)}"
        )

    def full(self) -> None:
        out = self.out / "full"
        out.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "recon-trial", str(out)]
        if subprocess.run(mount, check=False).returncode:
            self.say("- a full disk: not tried, no tmpfs could be mounted")
            return
        options = ["--pattern", "*.p*", "--resolution", "64", "--set", "fit.steps=300"]
        try:
            code = self.finished(out, *options)
            rows, before = summary(out) or manifests(out), manifests(out)
            states = [row["state"] for row in rows.values()]
            refused = [row["error"] for row in rows.values() if "No space left" in str(row["error"])]
            self.say(
                f"- a disk of 2 MB: exit {code}, {states.count('done')} done, "
                f"{len(refused)} refused for want of space"
            )
            subprocess.run(["mount", "-o", "remount,size=600m", str(out)], check=True)
            code = self.finished(out, *options)
            after = manifests(out)
            same = all(
                after[name] == manifest for name, manifest in before.items() if manifest["state"] == "done"
            )
            states = [row["state"] for row in summary(out).values()]
            self.say(
                f"  and with more room again: exit {code}, {states.count('done')} done, "
                f"{states.count('done before')} done before, "
                f"{'all' if same else 'NOT all'} of these untouched"
            )
        finally:
            subprocess.run(["umount", str(out)], check=True)

    def alone(self) -> None:
        """Both at the same time, one scan and one thread each: what else the machine does slows both."""
        alone, batch = self.out / "alone", self.out / "one_at_a_time"
        for folder in (alone, batch):
            shutil.rmtree(folder, ignore_errors=True)
        alone.mkdir()

        def mesh(name: str) -> tuple[float, float]:
            out = alone / f"{name.replace('/', '-')}.ply"
            words = ["mesh", str(self.scans / name), "-o", str(out), "--preset", "draft", "--threads", "1"]
            return self.spent([sys.executable, "-m", "recon", *words])

        jobs, self.jobs = self.jobs, 1
        command, self.jobs = self.command(batch), jobs
        with ThreadPoolExecutor(1) as beside:
            both = beside.submit(self.spent, command)
            each = np.array([mesh(name) for name in (*GOOD, *BAD)])
            together = np.array(both.result())
        wall, cpu = each.sum(0)
        more = together / (wall, cpu) - 1
        rows = summary(batch)
        same = [
            (alone / f"{name.replace('/', '-')}.ply").read_bytes()
            == (batch / rows[name]["mesh"]).read_bytes()
            for name in GOOD
        ]
        self.say(
            f"- `recon batch --jobs 1`: {together[0]:.0f} s, {together[1]:.1f} s of CPU time; beside it, "
            f"one after another, `recon mesh --threads 1`: {wall:.0f} s, {cpu:.1f} s of CPU time; the batch "
            f"took {more[0]:+.1%} and {more[1]:+.1%}; "
            f"{sum(same)} of {len(GOOD)} meshes are the same byte for byte"
        )

    def spent(self, command: list[str]) -> tuple[float, float]:
        """Wall seconds, and CPU seconds of the process and of all that it waited for."""
        began = time.monotonic()
        with (self.out / "log.txt").open("a") as log:
            process = subprocess.Popen(command, stderr=log, env=os.environ | ONE_THREAD)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return time.monotonic() - began, used.ru_utime + used.ru_stime

    def verdict(self, out: Path) -> str:
        """Whether `out` holds what the undisturbed batch made."""
        wanted, found = tree(self.out / "left"), tree(out)
        different = {name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)}
        count = f"{len(found)} files"
        return (
            f"NOT the same tree: {sorted(different)}"
            if different
            else f"the same tree byte for byte ({count})"
        )


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """The result, wall seconds, and CPU seconds of the processes that were started and have ended."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    result = work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result, time.monotonic() - began, cpu


def scan_processes(batch: int) -> list[psutil.Process]:
    try:
        family = psutil.Process(batch).children(recursive=True)
        return [process for process in family if process.name() == PROCESS_NAME]
    except psutil.Error:
        return []


def summary(out: Path) -> dict[str, dict[str, Any]]:
    """The rows of summary.json by scan; nothing where it is not there."""
    path = out / "summary.json"
    return {row["scan"]: row for row in json.loads(path.read_text())["scans"]} if path.exists() else {}


def manifests(out: Path) -> dict[str, dict[str, Any]]:
    """By the scan's name."""
    found = [json.loads(path.read_text()) for path in out.rglob("*.ply.json")]
    return {manifest["scan"]: manifest for manifest in found}


def tree(out: Path) -> dict[str, str]:
    """A hash of every file below `out`, of what has times in it without these."""
    hashes = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name, content = path.relative_to(out).as_posix(), path.read_bytes()
        if name in ("index.html", "summary.csv"):
            continue  # both are made of summary.json
        if name == "summary.json":
            rows = summary(out).values()
            content = json.dumps([{k: v for k, v in row.items() if k not in TIMES} for row in rows]).encode()
        elif name.endswith(".json"):
            content = json.dumps({k: v for k, v in json.loads(content).items() if k != "run"}).encode()
        hashes[name] = hashlib.sha256(content).hexdigest()
    return hashes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="with real/, shapes/ and open/")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/batch_trial"))
    parser.add_argument("--only", default="left,killed,cluster,full,alone")
    parser.add_argument("--jobs", type=int, help="for recon batch")
    parser.add_argument("--kills", type=int, default=20)
    args = parser.parse_args()
    trial = Trial(args)
    if not trial.scans.exists():
        make_scans(args.data, trial.scans)
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    processor = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    today = datetime.now(timezone.utc).date().isoformat()
    trial.say(f"\n{today}, commit {commit}, {os.cpu_count()} cores of {processor}, numpy {np.__version__}\n")
    for part in args.only.split(","):
        getattr(trial, part)()


if __name__ == "__main__":
    main()

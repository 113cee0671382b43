"""Processes that are measured, and what disturbs them.

A training step of plain PyTorch takes ten times as long where another program takes one of its cores. Only
a machine that has nothing else to do compares fairly, so every row says how many cores others kept busy.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import ROOT, SCRIPT, Row

# A process inherits the peak memory of the one that starts it, so a small one stands between.
MEASURE = """
import json, os, subprocess, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(subprocess.Popen(sys.argv[2:]).pid, 0)
used = {"seconds": time.perf_counter() - start, "memory_mb": usage.ru_maxrss / 1024}
with open(sys.argv[1], "w") as file:
    json.dump(used, file)
sys.exit(os.waitstatus_to_exitcode(status) and 1)
"""


def measured(command: list[str], output: Path, threads: int) -> Row:
    """Runs `command`, which writes `output`: its seconds, peak memory, --json summary and `others`, the cores
    other programs kept busy meanwhile; or the last line of what went wrong."""
    output.unlink(missing_ok=True)
    used = output.with_suffix(".json")
    company = Company()
    done = subprocess.run(
        [sys.executable, "-S", "-c", MEASURE, str(used), *command],
        cwd=ROOT,
        env=environment(threads),
        capture_output=True,
        text=True,
    )
    row = json.loads(used.read_text())
    used.unlink()
    if done.returncode or not output.exists():
        return {"error": (done.stderr.strip().splitlines() or ["no mesh was written"])[-1]}
    row["others"] = company.cores()
    return row | ({"summary": json.loads(done.stdout)} if "--json" in command else {})


def environment(threads: int) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": str(threads)}


def own_command(*words: object) -> list[str]:
    """A command of tools/benchmark.py, for a process of its own."""
    return [sys.executable, str(SCRIPT), *map(str, words)]


def recon_command(*words: object) -> list[str]:
    """A command of `recon` that prints one JSON object."""
    return [sys.executable, "-m", "recon", *map(str, words), "--json"]


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Company:
    """How many cores others keep busy, on average since this was made: programs that neither are this one
    nor have been started, and have ended, in it."""

    def __init__(self) -> None:
        self.start = _clocks()

    def cores(self) -> float:
        seconds, machine, own = (now - then for now, then in zip(_clocks(), self.start, strict=True))
        return round(max(0.0, machine - own) / seconds, 3)


def _clocks() -> tuple[float, float, float]:
    """Seconds of the clock; of CPU, by all programs (0 where the system does not say); and by this one."""
    stat = Path("/proc/stat")
    ticks = (
        [int(word) for word in stat.read_text(encoding="utf-8").split(maxsplit=9)[1:9]]
        if stat.exists()
        else [0] * 8
    )
    user, nice, system, _idle, _waiting, interrupts, softly, stolen = ticks
    machine = (user + nice + system + interrupts + softly + stolen) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter(), machine, sum(os.times()[:4])


@contextmanager
def busy_cores() -> Iterator[None]:
    """Within it, a process beside this one keeps every core busy."""
    spin = [sys.executable, "-S", "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(cores())]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()

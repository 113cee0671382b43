"""What every result says of how it was got, and where results go: JSON lines and Markdown."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "benchmark.py"
UNCOMMITTED = " with changes"
QUIET = 0.1  # cores that others may keep busy: what a machine without work does
Row = dict[str, Any]


def setting(threads: int, device: str = "cpu") -> Row:
    """The part of a row that says how it was got."""
    return {
        "commit": commit(),
        "threads": threads,
        "hardware": hardware(device),
        "versions": versions(),
        "date": f"{datetime.now(timezone.utc):%Y-%m-%d}",
        "command": shlex.join(["python", os.path.relpath(SCRIPT, ROOT), *sys.argv[1:]]),
    }


def header(threads: int, device: str = "cpu") -> list[str]:
    """The same in Markdown, for the top of a table."""
    how = setting(threads, device)
    return [
        f"    {how['command']}",
        "",
        f"{how['date']}, commit {how['commit']}, {how['hardware']}, {threads} threads, {how['versions']}.",
    ]


@cache
def commit() -> str:
    """The checked-out commit, and whether the files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    name = head.stdout.strip() if head.returncode == 0 else "none"
    return f"{name}{UNCOMMITTED}" if status.stdout or head.returncode else name


@cache
def hardware(device: str = "cpu") -> str:
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text(encoding="utf-8").splitlines() if cpu.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    machine = f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores"
    if not device.startswith("cuda"):
        return machine
    import torch

    return f"{torch.cuda.get_device_name(device)}, {machine}"


@cache
def versions() -> str:
    packages = [f"{name} {_version(name)}" for name in ("torch", "numpy", "libigl", "open3d")]
    return ", ".join([f"Python {platform.python_version()}", *packages])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def table(names: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> list[str]:
    """A Markdown table; all columns but the first `words` are numbers, set to the right."""
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * words + "--:|" * (len(names) - words)]
    return lines + [f"| {' | '.join(cells)} |" for cells in rows]


def append(path: Path, row: Row) -> None:
    """Add a row to a JSON-lines file, after those of earlier runs."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def publish(path: Path, lines: Iterable[str], rows: Iterable[Row]) -> None:
    """Write and print a Markdown file on `rows`, and say so where they were not measured in quiet."""
    text = "\n".join([*lines, *disturbance(rows), ""])
    path.write_text(text, encoding="utf-8")
    print(text)


def disturbance(rows: Iterable[Row]) -> list[str]:
    """A warning where other programs took cores while a row was measured, by its `others`."""
    most = max((row.get("others", 0.0) for row in rows), default=0.0)
    if most <= QUIET:
        return []
    return [
        "",
        f"Other programs kept up to {most:.1f} cores busy meanwhile: measure again on a machine at rest.",
    ]


class Results:
    """The rows of a JSON-lines file, each written as it comes, and found again by later runs.

    identity  what tells a row's measurement from all others; one that names uncommitted changes tells
              nothing, and such a row is not found again, like one with an error
    """

    def __init__(self, path: Path, identity: Callable[[Row], tuple], fresh: bool = False) -> None:
        self.path, self.identity, self.fresh = path, identity, fresh
        old = (
            [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            if path.exists()
            else []
        )
        self.rows = {identity(row): row for row in old if "error" not in row and self._repeatable(row)}

    def find(self, row: Row) -> Row | None:
        """What was measured for such a row before, if it need not be measured again."""
        return self.rows.get(self.identity(row)) if self._repeatable(row) and not self.fresh else None

    def add(self, row: Row) -> None:
        self.rows[self.identity(row)] = row
        partial = self.path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(r) + "\n" for r in self.rows.values()))
        partial.replace(self.path)

    def _repeatable(self, row: Row) -> bool:
        return not any(str(item).endswith(UNCOMMITTED) for item in self.identity(row))

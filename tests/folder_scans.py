"""Folders of small scans, good and bad, and settings that make a mesh of one in a second."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from shapes import sphere, torus, unit

from recon.batching.summary import Result
from recon.batching.worker import PROCESS_NAME
from recon.geometry import PointCloud

TINY: dict[str, Any] = {
    "preset": "draft",
    "resolution": 32,
    "trim": "off",
    "set": [
        "field.width=24",
        "field.omega_first=10",
        "field.omega_hidden=10",
        "fit.steps=150",
        "surface.on_surface=250",
        "surface.off_surface=80",
        "surface.prior_samples=2000",
    ],
}
OPTIONS = ["--preset", "draft", "--resolution", "32", "--trim", "off", "--threads", "1"]
OPTIONS += [f"--set={setting}" for setting in TINY["set"]]
GOOD = ("ball.npy", "parts/ball.xyz", "parts/egg.csv", "ring.npy")
EGG = np.array([1.0, 0.9, 0.7])  # its half axes
BAD = {
    "cut.npy": "cut.npy",
    "parts/letter.txt": "letter.txt, line 1: 'Dear' is not a number",
    "parts/nan.xyz": "0 usable points",
    "two.xyz": "2 usable points",
}


def table(cloud: PointCloud) -> np.ndarray:
    """(n, 6): points and normals."""
    assert cloud.normals is not None
    return np.hstack([cloud.points, cloud.normals])


def make_scans(folder: Path, bad: Collection[str] = BAD) -> None:
    """All that are good and these of the bad ones."""
    (folder / "parts").mkdir(parents=True)
    np.save(folder / "ball.npy", table(sphere(500)))
    np.save(folder / "ring.npy", table(torus(700)))
    np.savetxt(folder / "parts" / "ball.xyz", table(sphere(600, seed=1)))
    egg = sphere(600, seed=2)
    normals = unit(egg.points / EGG)
    np.savetxt(folder / "parts" / "egg.csv", np.hstack([egg.points * EGG, normals]), delimiter=",")
    (folder / "cut.npy").write_bytes((folder / "ball.npy").read_bytes()[:5000])
    (folder / "parts" / "letter.txt").write_text("Dear Sir,\nplease find enclosed a scan.\n")
    np.savetxt(folder / "parts" / "nan.xyz", np.full((300, 3), np.nan))
    np.savetxt(folder / "two.xyz", np.eye(3)[:2])
    for name in set(BAD) - set(bad):
        (folder / name).unlink()


@dataclass(frozen=True)
class Done:
    """A batch that was left alone: its folders, and its results by scan."""

    scans: Path
    out: Path
    results: dict[str, Result]

    def copy(self, to: Path) -> Done:
        shutil.copytree(self.scans, to / "scans")
        shutil.copytree(self.out, to / "out")
        return Done(to / "scans", to / "out", self.results)


def start(*arguments: str | Path, **options: object) -> subprocess.Popen[str]:
    """`recon batch` in a process of its own."""
    command = [sys.executable, "-m", "recon", "batch", *OPTIONS, *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, **options)  # type: ignore[call-overload]


def tree(out: Path) -> dict[str, bytes]:
    """Every file below `out`, with what a batch has decided; without what tells when and where it did."""
    files = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        if path.parent == out and path.name in ("index.html", "summary.csv", "summary.json"):
            continue  # they have times in them
        content = path.read_bytes()
        if path.suffix == ".json":
            content = content[: content.index(b'\n "run": ')]
        files[path.relative_to(out).as_posix()] = content
    return files


def scan_processes(batch: int) -> list[psutil.Process]:
    """The processes below that of a batch that have a scan each."""
    found = []
    for process in psutil.Process(batch).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.name() == PROCESS_NAME:
                found.append(process)
    return found

"""Seconds until the window of `recon view` shows a mesh, from the command on.

The mesh is a wavy torus of --faces triangles, with normals as `recon mesh` writes them, or as --bare without.
The screen is a new one of Xvfb's each time, drawn to by a software renderer where there is no GPU. CPU
seconds are those of all the window's processes until then. It is opened --repeats times; the first opening,
which may have to read programs from the disk, is one of them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import numpy as np
import psutil
from PIL import ImageGrab

from benchmarks.processes import Company, cores, environment
from benchmarks.report import ROOT, Row, append, header, publish, setting, table
from recon.geometry import Mesh, vertex_normals
from recon.meshing.files import write_mesh

SIZE = (1400, 900)
COVERED = 0.05  # of the screen, by what is neither white nor black nor grey: the mesh is shown
LOOK, PATIENCE = 0.05, 300.0  # seconds between looks at the screen; after which it is given up


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--faces", type=int, default=2_000_000)
    parser.add_argument("--bare", action="store_true", help="a mesh without normals")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    mesh = args.out / "opening.ply"
    write_mesh(torus(args.faces, bare=args.bare), mesh, overwrite=True)
    rows = []
    for _ in range(args.repeats):
        row: Row = {"faces": args.faces, "bare": args.bare, **setting(args.threads)}
        with screen() as name:
            rows.append(row | opened(mesh, name, args.threads))
        append(args.out / "opening.jsonl", rows[-1])
    publish(args.out / "opening.md", [*header(args.threads), "", *markdown(rows)], rows)


def torus(faces: int, *, bare: bool) -> Mesh:
    """A mesh of about so many faces."""
    side = round((faces / 2) ** 0.5)
    angle = 2 * np.pi * np.arange(side) / side
    u, v = np.meshgrid(angle, angle, indexing="ij")
    tube = 0.4 * (1 + 0.05 * np.sin(20 * u) * np.sin(20 * v))
    across = 1 + tube * np.cos(v)
    vertices = np.stack([across * np.cos(u), across * np.sin(u), tube * np.sin(v)], axis=-1).reshape(-1, 3)
    a = np.arange(side * side).reshape(side, side)
    b, d = np.roll(a, -1, 0), np.roll(a, -1, 1)
    c = np.roll(b, -1, 1)
    corners = np.concatenate([np.stack(three, -1).reshape(-1, 3) for three in ((a, b, c), (a, c, d))])
    mesh = Mesh(vertices, corners)
    return mesh if bare else Mesh(vertices, corners, vertex_normals(mesh))


def opened(mesh: Path, screen: str, threads: int) -> Row:
    """Wall and CPU seconds until the mesh is on the screen, and the cores that others kept busy."""
    company, start = Company(), time.perf_counter()
    command = [sys.executable, "-m", "recon", "view", str(mesh)]
    window = subprocess.Popen(
        command, cwd=ROOT, env=environment(threads) | {"DISPLAY": screen}, stderr=subprocess.DEVNULL
    )
    try:
        while not shown(screen):
            if window.poll() is not None or time.perf_counter() - start > PATIENCE:
                raise SystemExit(f"no window shows {mesh}: try `recon view {mesh}`")
            time.sleep(LOOK)
        seconds, parent = time.perf_counter() - start, psutil.Process(window.pid)
        own = [parent, *parent.children(recursive=True)]
        used = sum(sum(process.cpu_times()[:2]) for process in own)
        machine = company.cores()  # with the window's
        return {"seconds": seconds, "cpu": used, "others": max(0.0, round(machine - used / seconds, 3))}
    finally:
        window.terminate()
        window.wait()


def shown(screen: str) -> bool:
    picture = np.asarray(ImageGrab.grab(xdisplay=screen).convert("RGB")).astype(int)
    return bool((np.ptp(picture, axis=2) > 20).mean() > COVERED)


@contextmanager
def screen() -> Iterator[str]:
    """The name of a screen that nobody sees."""
    read, write = os.pipe()
    size = "x".join(map(str, (*SIZE, 24)))
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", size, "-noreset"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    with os.fdopen(read) as stream:
        name = f":{stream.readline().strip()}"
    try:
        yield name
    finally:
        server.terminate()
        server.wait()


def markdown(rows: list[Row]) -> list[str]:
    names = ("faces", "normals", "openings", "seconds", "slowest", "CPU seconds", "others' cores")
    seconds, cpu = ([row[name] for row in rows] for name in ("seconds", "cpu"))
    most = max(row["others"] for row in rows)
    cells = (
        f"{rows[0]['faces']:,}",
        "no" if rows[0]["bare"] else "yes",
        str(len(rows)),
        f"{median(seconds):.2f}",
        f"{max(seconds):.2f}",
        f"{median(cpu):.2f}",
        f"{most:.1f}",
    )
    return table(names, [cells])

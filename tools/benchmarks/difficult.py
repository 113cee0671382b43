"""Scans that are hard to tell apart from other things, generated with their truth: right, or is it said?

Thin plates and cups, tubes of rings, half of the normals missing, rooms with a wall between them, shells in
shells. A mesh is right if at most 5 % of the points are farther than 3 spacings from it, 5 % of it farther
than that from the surface, 2 % of it faces the wrong way, and a closed thing is closed, with as many parts.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from benchmarks.accuracy import names
from benchmarks.processes import cores
from benchmarks.report import Row, append, header, publish, setting, table
from benchmarks.solids import (
    CUP_AREA,
    PLATE_AREA,
    ROOMS_AREA,
    Float,
    Points,
    Sampler,
    box,
    cup,
    rooms,
    shells,
    torus,
)

POINTS, TRUE_POINTS = 30_000, 200_000
RING_DISTANCE, RINGS, BEND, NOISE = 0.06, 100, 0.04, 0.003  # of tubes of radius 1
FAR_SPACINGS, MOST_FAR, MOST_TURNED = 3.0, 0.05, 0.02
SPACINGS = (0.2, 0.5, 1.0, 2.0)  # the thickness of walls
ROOM_SPACINGS = (0.5, 1.0, 4.0)  # of the wall between two rooms
RATIOS = (3, 10, 30, 50)  # of the distance of rings to that of their points


@dataclass(frozen=True)
class Case:
    """A scan and what it is of.

    Attributes:
        points, normals: (n, 3) of the scan; normals may be missing, or 0 in part.
        truth: points and normals of the surface, far denser.
        spacing: of the scan, the larger one of lines.
        parts: of a closed surface; None for an open one.
    """

    points: Float
    normals: Float | None
    truth: Points
    spacing: float
    parts: int | None = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", type=names, help="cases whose names begin like one of these")
    parser.add_argument("--seeds", type=int, default=3, help="how many, of scan and start")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for seed in range(args.seeds):
        for name, case in cases(seed):
            if not args.only or name.startswith(tuple(args.only)):
                rows.append({"case": name, "seed": seed, **_tried(case, seed, args)})
                append(args.out / "difficult.jsonl", rows[-1])
                print(
                    *_cells(name, rows[-1:]),
                    *rows[-1]["faults"],
                    *rows[-1]["warnings"],
                    sep=" | ",
                    flush=True,
                )
    publish(args.out / "difficult.md", [*header(args.threads, args.device), "", *markdown(rows)], rows)


def cases(seed: int) -> Iterator[tuple[str, Case]]:
    """All of them, by name."""
    rng = np.random.default_rng(seed)
    for spacings in SPACINGS:
        half = spacings * np.sqrt(PLATE_AREA / POINTS) / 2
        yield from _both(f"plate {spacings:g}", box(1, 0.8, half), rng)
        yield from _both(f"cup {spacings:g}", cup(spacings * np.sqrt(CUP_AREA / POINTS)), rng)
    for ratio in RATIOS:
        for kind, bend, noise in ("straight", 0, 0), ("bent", BEND, 0), ("noisy", 0, NOISE):
            yield from rings(f"tube {ratio}:1 {kind}", ratio, bend, noise, rng)
    for name, sampler in {"sphere": shells(1), "box": box(1, 0.7, 0.5), "torus": torus}.items():
        yield from _partly(name, sampler, rng)
    for spacings in ROOM_SPACINGS:
        both = rooms(spacings * np.sqrt(ROOMS_AREA / POINTS))
        yield from _both(f"rooms {spacings:g}", both, rng, parts=2, seen_from_inside=True)
    for depth in (1, 2, 3):
        yield from _both(f"shells {depth}", shells(depth), rng, parts=depth)


def _both(
    name: str, sampler: Sampler, rng: np.random.Generator, parts: int = 1, seen_from_inside: bool = False
) -> Iterator[tuple[str, Case]]:
    """With its normals and without; then nothing tells rooms from solids."""
    from recon.scan.preparation.spacing import point_spacing

    (points, normals), (true, facing) = sampler(POINTS, rng), sampler(TRUE_POINTS, rng)
    case = Case(points, normals, (true, facing), point_spacing(points), parts)
    yield f"{name}, normals", case
    yield f"{name}, none", replace(case, normals=None, truth=(true, -facing if seen_from_inside else facing))


def _partly(name: str, sampler: Sampler, rng: np.random.Generator) -> Iterator[tuple[str, Case]]:
    """Half of the normals are missing, here and there or on one side; some of the rest are turned round."""
    from recon.scan.preparation.spacing import point_spacing

    (points, normals), truth = sampler(POINTS, rng), sampler(TRUE_POINTS, rng)
    case = Case(points, normals, truth, point_spacing(points))
    drawn, side = rng.random(len(points)) < 0.5, points[:, 0] > 0
    yield f"{name}, half of them zero", replace(case, normals=np.where(drawn[:, None], 0.0, normals))
    yield f"{name}, one side zero", replace(case, normals=np.where(side[:, None], 0.0, normals))
    yield f"{name}, one side not finite", replace(case, normals=np.where(side[:, None], np.nan, normals))
    turned = drawn & (rng.random(len(points)) < 0.2)
    yield f"{name}, a tenth turned", replace(case, normals=np.where(turned[:, None], -normals, normals))


def rings(
    name: str, ratio: float, bend: float, noise: float, rng: np.random.Generator
) -> Iterator[tuple[str, Case]]:
    """An open tube of radius 1, in rings, `ratio` times as dense along them as from one to the next."""

    def tube(angle: Float, along: Float) -> Points:
        normals = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
        return normals + np.stack([bend * along**2, 0 * along, along], axis=1), normals

    around = int(2 * np.pi * ratio / RING_DISTANCE)
    angle = (2 * np.pi * (np.arange(around) + rng.random((RINGS, 1))) / around).ravel()
    points, normals = tube(angle, np.repeat(RING_DISTANCE * np.arange(RINGS), around))
    points = points + noise * rng.normal(size=points.shape)
    ends = rng.uniform(0, [2 * np.pi, RING_DISTANCE * (RINGS - 1)], (TRUE_POINTS, 2))
    case = Case(points, normals, tube(*ends.T), RING_DISTANCE, None)
    yield f"{name}, normals", case
    yield f"{name}, none", replace(case, normals=None)


def _tried(case: Case, seed: int, args: argparse.Namespace) -> Row:
    import torch

    from recon.surface.conversion import convert
    from recon.surface.settings import PRESETS

    torch.set_num_threads(args.threads)
    config = replace(PRESETS[args.preset], seed=seed)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, _warnings() as said:
        scan, out, run_folder = (Path(folder) / name for name in ("scan.npy", "mesh.ply", "run"))
        np.save(scan, case.points if case.normals is None else np.hstack([case.points, case.normals]))
        mesh, summary = convert([scan], out, config, run_folder, device=args.device)
    row: Row = {"faults": faults(case, mesh, summary), "warnings": said, "preset": args.preset}
    return row | {"seconds": time.perf_counter() - start} | setting(args.threads, args.device)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings of recon, meanwhile."""
    said: list[str] = []
    handler, log = logging.Handler(logging.WARNING), logging.getLogger("recon")
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        yield said
    finally:
        log.removeHandler(handler)


def faults(case: Case, mesh: Any, summary: Row) -> list[str]:
    """What is wrong with `mesh`, in words."""
    from recon.meshing.triangles import distance_to_mesh, surface_points

    points, normals = case.truth
    tree, reach = cKDTree(points), FAR_SPACINGS * case.spacing
    surface, corners = surface_points(mesh, TRUE_POINTS, np.random.default_rng(0))
    a, b, c = (mesh.vertices[corners[:, k]] for k in range(3))
    facing = np.cross(b - a, c - a)
    # Walls may be thinner than a mesh is right: of what is near, on both of their sides, some faces its way.
    distance, near = tree.query(surface, 32, workers=-1)
    opposed = np.einsum("ijk,ik->ij", normals[near], facing).max(1) < 0
    shares = (
        ("points unmet", distance_to_mesh(case.points, mesh) > reach, MOST_FAR),
        ("of the surface missing", distance_to_mesh(points[::20], mesh) > reach, MOST_FAR),
        ("of the mesh invented", distance[:, 0] > reach, MOST_FAR),
        ("of the mesh turned round", opposed, MOST_TURNED),
    )
    lines = [f"{wrong.mean():.0%} {what}" for what, wrong, most in shares if wrong.mean() > most]
    shape = summary["watertight"], summary["components"]
    if case.parts is not None and shape != (True, case.parts):
        lines.append(f"{'closed' if shape[0] else 'open'}, {shape[1]} parts instead of {case.parts}")
    return lines


def markdown(rows: list[Row]) -> list[str]:
    """A line for each case."""
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(row["case"], []).append(row)
    return table(
        ("case", "right", "wrong, and said", "wrong without a word"),
        [_cells(*line) for line in lines.items()],
    )


def _cells(case: str, tried: list[Row]) -> list[str]:
    wrong = [row for row in tried if row["faults"]]
    said = sum(bool(row["warnings"]) for row in wrong)
    return [case, str(len(tried) - len(wrong)), str(said), str(len(wrong) - said)]

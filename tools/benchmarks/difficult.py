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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from benchmarks.accuracy import names
from benchmarks.processes import cores
from benchmarks.report import Row, append, header, publish, setting, table

Float = NDArray[np.float64]
Points = tuple[Float, Float]  # (n, 3), and normals
Sampler = Callable[[int, np.random.Generator], Points]
POINTS, TRUE_POINTS = 30_000, 200_000
RING_DISTANCE, RINGS, BEND, NOISE = 0.06, 100, 0.04, 0.003  # of tubes of radius 1
FAR_SPACINGS, MOST_FAR, MOST_TURNED = 3.0, 0.05, 0.02
SPACINGS = (0.2, 0.5, 1.0, 2.0)  # the thickness of walls
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
    for thickness in SPACINGS:
        yield from _both(f"plate {thickness:g}", box((1, 0.8, 0), thickness), rng)
        yield from _both(f"cup {thickness:g}", cup(thickness), rng)
    for ratio in RATIOS:
        for kind, bend, noise in ("straight", 0, 0), ("bent", BEND, 0), ("noisy", 0, NOISE):
            yield from rings(f"tube {ratio}:1 {kind}", ratio, bend, noise, rng)
    for name, sampler in {"sphere": shells(1), "box": box((1, 0.7, 0.5), 0), "torus": torus}.items():
        yield from _partly(name, sampler, rng)
    for wall in (0.5, 1.0, 4.0):
        yield from _both(f"rooms {wall:g}", rooms(wall), rng, parts=2, seen_from_inside=True)
    for depth in (1, 2, 3):
        yield from _both(f"shells {depth}", shells(depth), rng, parts=depth)


def _both(
    name: str, sampler: Sampler, rng: np.random.Generator, parts: int = 1, seen_from_inside: bool = False
) -> Iterator[tuple[str, Case]]:
    """With its normals and without; then nothing tells rooms from solids."""
    (points, normals), (true, facing) = sampler(POINTS, rng), sampler(TRUE_POINTS, rng)
    case = Case(points, normals, (true, facing), spacing_of(points), parts)
    yield f"{name}, normals", case
    yield f"{name}, none", replace(case, normals=None, truth=(true, -facing if seen_from_inside else facing))


def _partly(name: str, sampler: Sampler, rng: np.random.Generator) -> Iterator[tuple[str, Case]]:
    """Half of the normals are missing, here and there or on one side; some of the rest are turned round."""
    (points, normals), truth = sampler(POINTS, rng), sampler(TRUE_POINTS, rng)
    case = Case(points, normals, truth, spacing_of(points))
    drawn, side = rng.random(len(points)) < 0.5, points[:, 0] > 0
    yield f"{name}, half of them zero", replace(case, normals=np.where(drawn[:, None], 0.0, normals))
    yield f"{name}, one side zero", replace(case, normals=np.where(side[:, None], 0.0, normals))
    yield f"{name}, one side not finite", replace(case, normals=np.where(side[:, None], np.nan, normals))
    turned = drawn & (rng.random(len(points)) < 0.2)
    yield f"{name}, a tenth turned", replace(case, normals=np.where(turned[:, None], -normals, normals))


def spacing_of(points: Float) -> float:
    """The side of the square that each of `points` (n, 3) occupies."""
    from recon.scan.preparation.spacing import point_spacing

    return float(point_spacing(points))


def on_rectangles(corners: Float, u: Float, v: Float) -> Sampler:
    """Even points of rectangles (k, 3) with sides u and v (k, 3); u × v points out."""
    across = np.cross(u, v)
    area = np.linalg.norm(across, axis=1)

    def sample(count: int, rng: np.random.Generator) -> Points:
        at = rng.choice(len(area), count, p=area / area.sum())
        a, b = rng.random((2, count, 1))
        return corners[at] + a * u[at] + b * v[at], across[at] / area[at, None]

    return sample


def _faces(low: Float, high: Float, inward: bool = False, top: bool = True) -> tuple[Float, Float, Float]:
    """The corners and sides of the faces of a box, all or without the top, seen from outside or inside."""
    found = []
    for axis in range(3):
        u, v = np.zeros((2, 3))
        i, j = (axis + 1) % 3, (axis + 2) % 3
        u[i], v[j] = high[i] - low[i], high[j] - low[j]
        for end in (low, high):
            if axis == 2 and end is high and not top:
                continue
            corner = low.copy()
            corner[axis] = end[axis]
            swapped = (end is low) != inward
            found.append((corner, v, u) if swapped else (corner, u, v))
    corners, u, v = (np.array(part) for part in zip(*found, strict=True))
    return corners, u, v


def box(half: tuple[float, float, float], thickness: float) -> Sampler:
    """A box; if its last side is 0, a plate so many spacings thick."""
    sides = np.array(half, dtype=float)
    if not sides[2]:
        sides[2] = thickness / 2 * np.sqrt(8 * sides[0] * sides[1] / POINTS)
    return on_rectangles(*_faces(-sides, sides))


def cup(thickness: float) -> Sampler:
    """A box without a lid, its walls so many spacings thick."""
    outer = np.array([0.6, 0.5, 0.5])
    area = 2 * 4 * (outer[0] * outer[1] + 2 * outer[0] * outer[2] + 2 * outer[1] * outer[2])
    wall = thickness * np.sqrt(area / POINTS)
    low, high = -outer + wall, np.array([outer[0] - wall, outer[1] - wall, outer[2]])
    parts: list[tuple[Float, ...]] = [
        _faces(-outer, outer, top=False),
        _faces(low, high, inward=True, top=False),
    ]
    top, x, y = outer[2], outer[0], outer[1]
    for at, u, v in (
        ((-x, -y), (2 * x, 0), (0, wall)),
        ((-x, y - wall), (2 * x, 0), (0, wall)),
        ((-x, -y + wall), (wall, 0), (0, 2 * (y - wall))),
        ((x - wall, -y + wall), (wall, 0), (0, 2 * (y - wall))),
    ):
        parts.append(tuple(np.array([[*some, z]], dtype=float) for some, z in ((at, top), (u, 0), (v, 0))))
    return on_rectangles(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def rooms(wall: float) -> Sampler:
    """Two rooms seen from inside, with a wall so many spacings thick between them."""
    apart = wall * np.sqrt(48 / POINTS) / 2
    low, high = np.array([-2.0, -1, -1]), np.array([0.0, 1, 1])
    shift = np.array([2 + apart, 0, 0])
    left = _faces(low - [apart, 0, 0], high - [apart, 0, 0], inward=True)
    right = _faces(low + shift, high + shift, inward=True)
    return on_rectangles(*(np.concatenate(pair) for pair in zip(left, right, strict=True)))


def shells(depth: int) -> Sampler:
    """Spheres in spheres: solid, hollow, solid from outside to inside."""
    radii = np.array([1.0, 0.7, 0.4])[:depth]

    def sample(count: int, rng: np.random.Generator) -> Points:
        at = rng.choice(depth, count, p=radii**2 / (radii**2).sum())
        out = rng.normal(size=(count, 3))
        out /= np.linalg.norm(out, axis=1, keepdims=True)
        return radii[at, None] * out, np.where(at % 2 == 0, 1, -1)[:, None] * out

    return sample


def torus(count: int, rng: np.random.Generator) -> Points:
    """Even points of a torus of radii 1 and 0.35."""
    u, v, height = rng.uniform(0, 2 * np.pi, (3, 3 * count))
    kept = np.flatnonzero(height / (2 * np.pi) < (1 + 0.35 * np.cos(v)) / 1.35)[:count]
    u, v = u[kept], v[kept]
    out = np.stack([np.cos(v) * np.cos(u), np.cos(v) * np.sin(u), np.sin(v)], axis=1)
    return np.stack([np.cos(u), np.sin(u), 0 * u], axis=1) + 0.35 * out, out


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
    found = {
        "points unmet": float((distance_to_mesh(case.points, mesh) > reach).mean()) / MOST_FAR,
        "of the surface missing": float((distance_to_mesh(points[::20], mesh) > reach).mean()) / MOST_FAR,
        "of the mesh invented": float((distance[:, 0] > reach).mean()) / MOST_FAR,
        "of the mesh turned round": float(opposed.mean()) / MOST_TURNED,
    }
    most = {"of the mesh turned round": MOST_TURNED}
    lines = [f"{share * most.get(what, MOST_FAR):.0%} {what}" for what, share in found.items() if share > 1]
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

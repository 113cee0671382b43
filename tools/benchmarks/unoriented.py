"""Closed scans without any normals: how often the mesh has the right genus and one part, seed by seed.

Random points of a sphere, a box and a torus, and a share of data/kitten.ply's, meshed with --normals none.
The environment may choose the instruction set (ATEN_CPU_CAPABILITY), which is said in the table.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import names
from benchmarks.processes import Company, cores
from benchmarks.report import ROOT, Row, append, header, publish, setting, table
from benchmarks.solids import box, shells, torus

SOLIDS = {"sphere": shells(1), "box": box(1, 0.7, 0.5), "torus": torus}
GENUS = {"sphere": 0, "box": 0, "torus": 1, "kitten": 1}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", type=names, default=list(GENUS), help=", ".join(GENUS))
    parser.add_argument("--counts", type=names, default=["2000", "20000"], help="points of a scan")
    parser.add_argument("--seeds", type=int, default=20, help="how many, of scan and start")
    parser.add_argument("--first", type=int, default=0, help="seed to begin with")
    parser.add_argument("--preset", default="draft")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for shape in args.only:
        for count in map(int, args.counts):
            for seed in range(args.first, args.first + args.seeds):
                rows.append(_tried(shape, count, seed, args))
                append(args.out / "unoriented.jsonl", rows[-1])
            print(markdown(rows)[-1], flush=True)
    publish(args.out / "unoriented.md", [*header(args.threads, args.device), "", *markdown(rows)], rows)


def _tried(shape: str, count: int, seed: int, args: argparse.Namespace) -> Row:
    company, start = Company(), time.perf_counter()
    shown = _topology(shape, count, seed, args)
    right = (shown.components, shown.genus, shown.outward) == (1, GENUS[shape], True)
    row: Row = {"shape": shape, "points": count, "seed": seed, "preset": args.preset}
    row |= {"instructions": os.environ.get("ATEN_CPU_CAPABILITY", "all"), "right": right}
    row |= {"parts": shown.components, "seconds": time.perf_counter() - start, "others": company.cores()}
    return row | setting(args.threads, args.device)


def scan(shape: str, count: int, seed: int) -> Any:
    """(count, 3) points, even by area; of the kitten no more than there are."""
    import recon

    rng = np.random.default_rng(seed)
    if shape == "kitten":
        points = recon.read_cloud(ROOT / "data" / "kitten.ply").points
        return points[rng.choice(len(points), min(count, len(points)), replace=False)]
    return SOLIDS[shape](count, rng)[0]


def _topology(shape: str, count: int, seed: int, args: argparse.Namespace) -> Any:
    from dataclasses import replace

    import torch

    import recon
    from recon.meshing.topology import topology
    from recon.surface.settings import PRESETS

    torch.set_num_threads(args.threads)
    config = replace(PRESETS[args.preset].with_(scan={"normals": "none"}), seed=seed)
    cloud = recon.PointCloud(scan(shape, count, seed))
    return topology(recon.reconstruct(cloud, config, device=args.device).mesh())


def markdown(rows: list[Row]) -> list[str]:
    """A line for each shape, number of points, preset and instruction set."""
    lines: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        lines.setdefault(
            tuple(row[name] for name in ("shape", "points", "preset", "instructions")), []
        ).append(row)
    head = ("shape", "points", "preset", "instructions", "right", "most parts", "seconds a scan")
    return table(head, [_cells(key, tried) for key, tried in lines.items()])


def _cells(key: tuple[Any, ...], tried: list[Row]) -> list[str]:
    shape, points, preset, instructions = key
    right = f"{sum(row['right'] for row in tried)} of {len(tried)}"
    seconds = sum(row["seconds"] for row in tried) / len(tried)
    parts = max(row["parts"] for row in tried)
    return [shape, f"{points:,}", preset, instructions, right, str(parts), f"{seconds:.1f}"]

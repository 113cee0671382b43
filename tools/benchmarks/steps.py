"""Seconds of one training step: recon's, the published method's, and those of its matrix products alone.

Same batch, same network, same threads. The three take turns, each in a process of its own, so that a machine
that changes its pace changes it for all of them: the ratios are the result, as medians over the repeats with
their range in brackets. recon's step has the optimiser and the terms of --preset and is timed by the windows
of its own history; the published step is that of tools/reference.py. The products are those that any exact
step needs, by the fastest exact library, each thread with its share of the rows: what is above 1 in
"recon / products" is sines, memory, the optimiser, Python. --loaded measures recon and the published method
once more while processes beside them keep every core busy.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks.accuracy import names
from benchmarks.processes import busy_cores, cores
from benchmarks.report import ROOT, Row, append, header, publish, setting, table

METHODS = ("recon", "reference", "products")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scan", type=Path, default=ROOT / "data" / "kitten.ply", help="points with normals")
    parser.add_argument(
        "--batches", type=names, help="points a step; the net is the standard preset's for its own batch,\n"
        "else the published one (default: the standard batch, the published one, ten times that)"
    )  # fmt: skip
    parser.add_argument("--preset", default="standard", help="of recon's terms and optimiser")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="of recon a repeat; the first 50 are warm-up")
    parser.add_argument("--seconds", type=float, default=1.0, help="for which the others are timed a repeat")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:N]")
    parser.add_argument("--loaded", action="store_true", help="measure beside busy processes, too")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for net in networks(args.batches):
        row = {**net, "preset": args.preset, "device": args.device, **setting(args.threads, args.device)}
        row |= timed(args, net)
        row |= ratios(row)
        append(args.out / "steps.jsonl", row)
        rows.append(row)
        print(markdown([row])[-1], flush=True)
    publish(args.out / "steps.md", [*header(args.threads, args.device), "", *markdown(rows)], rows)


def networks(batches: list[str] | None) -> list[dict[str, int]]:
    """The points on and off the surface and the network of each batch."""
    from recon.surface.settings import PRESETS

    presets = [PRESETS["standard"], PRESETS["paper"]]
    own = {p.surface.on_surface + p.surface.off_surface: p for p in presets}
    published = presets[1]
    sizes = map(int, batches) if batches else [*own, 10 * list(own)[1]]
    nets = []
    for size in sizes:
        preset = own.get(size, published)
        on = preset.surface.on_surface if size in own else size // 2
        width = preset.field.width or preset.heads.sparse_width
        nets.append({"on": on, "off": size - on, "width": width, "hidden": preset.field.hidden})
    return nets


def timed(args: argparse.Namespace, net: dict[str, int]) -> Row:
    """Seconds a step, one a repeat, by method; "recon_loaded" and "reference_loaded" too if asked for; and
    `others`, the most cores that other programs kept busy during one of those not loaded."""
    from benchmarks import step_times

    case = step_times.Case(
        str(args.scan.resolve()),
        **net,
        preset=args.preset,
        threads=args.threads,
        device=args.device,
        steps=args.steps,
        seconds=args.seconds,
    )
    work: dict[str, Callable] = {
        "recon": step_times.recon_step,
        "reference": step_times.reference_step,
        "products": step_times.products_step,
    }
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # for the processes to be
    context = get_context("spawn")
    workers = {name: ProcessPoolExecutor(1, mp_context=context) for name in METHODS}
    row: Row = {"others": 0.0}

    def measure(name: str) -> tuple[float, float]:
        return workers[name].submit(step_times.with_company, work[name], case).result()

    try:
        for _ in range(args.repeats):
            for name in METHODS:
                seconds, others = measure(name)
                row.setdefault(name, []).append(seconds)
                row["others"] = max(row["others"], others)
            for name in METHODS[:2] if args.loaded else ():
                with busy_cores():
                    seconds, _ = measure(name)
                row.setdefault(f"{name}_loaded", []).append(seconds)
    finally:
        for worker in workers.values():
            worker.shutdown()
    return row


def ratios(row: Row) -> dict[str, list[float]]:
    """Median, least and largest of the ratios, which are taken turn by turn."""
    pairs = {
        "recon_to_products": ("recon", "products"),
        "reference_to_recon": ("reference", "recon"),
        "recon_slower": ("recon_loaded", "recon"),
        "reference_slower": ("reference_loaded", "reference"),
    }
    found = {}
    for name, (above, below) in pairs.items():
        if above in row:
            each = [a / b for a, b in zip(row[above], row[below], strict=True)]
            found[name] = [median(each), min(each), max(each)]
    return found


def markdown(rows: list[Row]) -> list[str]:
    loaded = any("recon_slower" in row for row in rows)
    head = [
        "batch",
        "network",
        "products ms",
        "recon ms",
        "published ms",
        "recon / products",
        "published / recon",
    ]
    if loaded:
        head += ["recon, loaded / alone", "published, loaded / alone"]
    return table(head, [_cells(row, loaded) for row in rows], words=2)


def _cells(row: Row, loaded: bool) -> list[str]:
    def ratio(name: str) -> str:
        return "{:.2f} ({:.2f}–{:.2f})".format(*row[name]) if name in row else ""

    return [
        f"{row['on']} + {row['off']}",
        f"{row['width']} × {row['hidden']}",
        *(f"{1e3 * median(row[name]):.2f}" for name in ("products", "recon", "reference")),
        ratio("recon_to_products"),
        ratio("reference_to_recon"),
        *([ratio("recon_slower"), ratio("reference_slower")] if loaded else []),
    ]

"""Jacobians, Laplacians and Hessians of a field with several outputs: closed form beside autograd.

The same field and points, in turns; the results are ratios of seconds, as medians over the repeats with their
range in brackets: for the derivatives alone, and with the gradient of their squares in the parameters, which
a step of training needs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import cores
from benchmarks.report import Row, append, header, publish, setting, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batch", type=int, default=10_000, help="points")
    parser.add_argument("--inputs", type=int, default=3)
    parser.add_argument("--outputs", type=int, default=3)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    import torch

    from recon.field.jet import GRADIENT, hessian_order, laplacian_order
    from recon.field.kernels import fast_kernels
    from recon.field.settings import FieldConfig
    from recon.field.siren import Siren

    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(0)
    field = Siren(FieldConfig(width=args.width, spread=1.0), args.inputs, args.outputs, generator)
    points = 2 * torch.rand(args.batch, args.inputs, generator=generator) - 1
    orders = {
        "Jacobian": GRADIENT,
        "Laplacian": laplacian_order(args.inputs),
        "Hessian": hessian_order(args.inputs),
    }
    rows = []
    with fast_kernels():
        for name, order in orders.items():
            row = compared(field, points, order, args.repeats)
            sizes = {key: getattr(args, key) for key in ("batch", "inputs", "outputs", "width")}
            rows.append({"derivative": name, **sizes, **row, **setting(args.threads)})
            append(args.out / "derivatives.jsonl", rows[-1])
            print(markdown(rows)[-1], flush=True)
    publish(args.out / "derivatives.md", [*header(args.threads), "", *markdown(rows)], rows)


def compared(field: Any, points: Any, order: Any, repeats: int) -> Row:
    """Seconds in closed form and by autograd, and their ratios, without and with the parameters' gradient."""
    import torch

    from recon.field.derivatives import jet, jet_plain

    def work(take: Callable, trained: bool) -> None:
        found = take(field, points, order)
        if trained:
            parts = [part for part in (found.value, found.gradient, found.second) if len(part)]
            torch.autograd.grad(sum(part.square().mean() for part in parts), [field.flat])

    row: Row = {}
    for kind, trained in (("alone", False), ("trained", True)):
        closed: list[float] = []
        plain: list[float] = []
        for repeat in range(repeats + 1):
            for take, seconds in ((jet, closed), (jet_plain, plain)):
                start = time.perf_counter()
                work(take, trained)
                if repeat:  # the first one warms up
                    seconds.append(time.perf_counter() - start)
        ratios = [b / a for a, b in zip(closed, plain, strict=True)]
        row[kind] = {"closed": median(closed), "autograd": median(plain)}
        row[kind]["ratio"] = [median(ratios), min(ratios), max(ratios)]
    return row


def markdown(rows: list[Row]) -> list[str]:
    head = ["derivative", "points", "field"]
    head += ["closed ms", "autograd / closed", "with gradients: closed ms", "autograd / closed"]
    return table(head, [_cells(row) for row in rows], words=3)


def _cells(row: Row) -> list[str]:
    cells = [row["derivative"], f"{row['batch']:,}", f"{row['inputs']} → {row['width']} → {row['outputs']}"]
    for kind in ("alone", "trained"):
        cells += [f"{1e3 * row[kind]['closed']:.1f}", "{:.1f} ({:.1f}–{:.1f})".format(*row[kind]["ratio"])]
    return cells

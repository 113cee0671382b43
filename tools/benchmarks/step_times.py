"""Seconds a step of training, each kind measured in a process of its own.

The bare products are what no exact step of this kind can do without: the batch forward through every layer,
the gradient's sweep back, and the way back through both. That is six products n × W · W × W, or of that size,
a hidden layer, and the thin ones of the first and the last layer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from reference import Reference
from torch import Tensor

import recon
from benchmarks.processes import Company

WARM_UP = 3
FEWEST, MOST = 3, 1000  # steps that are timed
SPACE_SAMPLES = 20_000  # what recon draws points of space from: few, to be quick to prepare
PIECE = 1024  # rows of a product on a CPU: what the caches like
EXACT = 2e-6  # a product's relative error; with rounded operands it is 1e-4 and more


@dataclass(frozen=True)
class Case:
    """One step to be timed: `on` + `off` points, a net of `width` and so many `hidden` sine layers.

    scan     file of the points, with normals
    preset   terms and optimiser of recon's step
    steps    of recon; its first window is warm-up where there is more than one
    seconds  for which the others are timed, at least
    """

    scan: str
    on: int
    off: int
    width: int
    hidden: int
    preset: str = "standard"
    threads: int = 1
    device: str = "cpu"
    steps: int = 100
    seconds: float = 1.0


def with_company(step: Callable[[Case], float], case: Case) -> tuple[float, float]:
    """What `step` measures, and how many cores others kept busy meanwhile."""
    company = Company()
    return step(case), company.cores()


def recon_step(case: Case) -> float:
    """Seconds a step of `recon.reconstruct`, by its history: all that training does is in it."""
    torch.set_num_threads(case.threads)
    config = recon.PRESETS[case.preset].with_(
        field={"width": case.width, "hidden": case.hidden},
        surface={"on_surface": case.on, "off_surface": case.off, "prior_samples": SPACE_SAMPLES},
        fit={"steps": case.steps},
    )
    result = recon.reconstruct(recon.read_cloud(case.scan), config, device=case.device)
    if result.snapshot.recoveries:
        raise recon.ReconError("the training went back to an earlier state: its seconds say nothing")
    history = result.snapshot.history
    first = history[0] if len(history) > 1 else {"step": 0, "seconds": 0.0}
    return (history[-1]["seconds"] - first["seconds"]) / (history[-1]["step"] - first["step"])


def reference_step(case: Case) -> float:
    """Seconds a step of the published method."""
    torch.set_num_threads(case.threads)
    run = Reference(
        recon.read_cloud(case.scan),
        width=case.width,
        hidden=case.hidden,
        on=case.on,
        off=case.off,
        device=case.device,
    )
    return seconds_each(run.step, case)


def products_step(case: Case) -> float:
    """Seconds of a step's matrix products alone, by the faster of the exact libraries, each thread
    with its share of the rows."""
    times = []
    for precision in ("none", "bf16") if case.device == "cpu" else ("none",):
        with (
            library(precision),
            ThreadPoolExecutor(case.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            if not exact():
                continue
            threads = case.threads if case.device == "cpu" else 1
            rows, piece = case.on + case.off, PIECE if case.device == "cpu" else case.on + case.off
            shares = [rows * (k + 1) // threads - rows * k // threads for k in range(threads)]
            work = [Products(share, piece, case.width, case.hidden, case.device) for share in shares]
            times.append(seconds_each(lambda: list(pool.map(Products.__call__, work)), case))  # noqa: B023
    return min(times)


class Products:
    """The products of `rows` samples, operands and results allocated once."""

    def __init__(self, rows: int, piece: int, width: int, hidden: int, device: str) -> None:
        count = -(-rows // piece)
        cuts = [rows * k // count for k in range(count + 1)]
        self.pieces = [b - a for a, b in pairwise(cuts)]
        sizes = [3, *[width] * (hidden + 1), 1]
        fresh = lambda *shape: torch.rand(*shape, device=device) / width  # noqa: E731
        self.weights = [fresh(b, a) for a, b in pairwise(sizes)]
        self.weight_grads = [fresh(b, a) for a, b in pairwise(sizes)]
        self.values, self.slopes, self.results = (
            [[fresh(n, size) for size in sizes] for n in self.pieces] for _ in range(3)
        )

    def __call__(self) -> None:
        for h, g, out in zip(self.values, self.slopes, self.results, strict=True):
            self._piece(h, g, out)

    def _piece(self, h: list[Tensor], g: list[Tensor], out: list[Tensor]) -> None:
        """Results are no operands of later products: the numbers stay as they are drawn."""
        layers = list(enumerate(self.weights))
        for k, weight in layers:  # the values
            torch.mm(h[k], weight.t(), out=out[k + 1])
        for k, weight in reversed(layers[:-1]):  # their gradient
            torch.mm(g[k + 1], weight, out=out[k])
        for k, weight in layers[:-1]:  # back through the gradient
            torch.mm(g[k + 1].t(), h[k], out=self.weight_grads[k])
            torch.mm(g[k], weight.t(), out=out[k + 1])
        for k, weight in reversed(layers):  # back through the values
            torch.mm(g[k + 1].t(), h[k], out=self.weight_grads[k])
            if 0 < k < len(layers) - 1:
                torch.mm(g[k + 1], weight, out=out[k])


@contextmanager
def library(precision: str) -> Iterator[None]:
    """Within it, CPU products run through PyTorch's own library ("none") or oneDNN's ("bf16": allowed to
    round its operands, which on some processors it does not do, and there it is the faster)."""
    settings: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
    before = settings.fp32_precision
    settings.fp32_precision = precision
    try:
        yield
    finally:
        settings.fp32_precision = before


def exact() -> bool:
    """Whether products are float32 products as things are set."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(n, 256, generator=generator) for n in (512, 256))
    wanted = left.double() @ right.double()
    return float(((left @ right).double() - wanted).norm() / wanted.norm()) < EXACT


def seconds_each(step: Callable[[], object], case: Case) -> float:
    """Mean wall seconds of `step`, warmed up, over `case.seconds` of it."""
    _clock(step, WARM_UP, case.device)
    estimate = _clock(step, FEWEST, case.device) / FEWEST
    count = min(MOST, max(FEWEST, round(case.seconds / estimate)))
    return _clock(step, count, case.device) / count


def _clock(step: Callable[[], object], count: int, device: str) -> float:
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    wait()
    start = time.perf_counter()
    for _ in range(count):
        step()
    wait()
    return time.perf_counter() - start

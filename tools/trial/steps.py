"""Seconds a step of training: recon's, the published method's, and its matrix products alone, at three sizes.

A step's products are n × W · W × W, or of that size, six a hidden layer: two on the way forward in float32,
four on the way back with operands rounded to TF32 on a GPU. `ideal` is what these take at the measured peaks.
"""

from __future__ import annotations

from benchmarks.step_times import Case, products_step, recon_step, reference_step
from benchmarks.steps import networks

from trial.parts import DATA, Trial

BATCHES = ("1300", "2800", "28000", "250000")
FORWARD, BACK = 2, 4  # products a hidden layer


def run(trial: Trial) -> None:
    for net in networks(list(BATCHES[:1] if trial.quick else BATCHES)):
        if trial.quick:
            net |= {"on": 150, "off": 150, "width": 32, "hidden": 2}
        _batch(trial, net)


def _batch(trial: Trial, net: dict[str, int]) -> None:
    import torch

    points = net["on"] + net["off"]
    case = Case(
        str(DATA / ("oni.ply" if trial.quick else "kitten.ply")),
        on=net["on"],
        off=net["off"],
        width=net["width"],
        hidden=net["hidden"],
        threads=torch.get_num_threads(),
        device=trial.device,
        steps=3 if trial.quick else (500 if points < 20_000 else 150),
        seconds=0.01 if trial.quick else 1.0,
    )
    own = recon_step(case)
    products = products_step(case)
    layer = 2 * points * net["width"] ** 2 * net["hidden"]
    figures = {
        "network": f"{net['width']} x {net['hidden']}",
        "recon_ms": 1e3 * own,
        "products_ms": 1e3 * products,
        "recon_tflops": (FORWARD + BACK) * layer / own / 1e12,
    }
    if not trial.quick:  # its optimiser loads PyTorch's compiler
        published = reference_step(case)
        figures |= {"published_ms": 1e3 * published, "published_over_recon": published / own}
    if peak := trial.noted("machine", "peak"):
        rounded = peak.get("tf32_tflops", peak["float32_tflops"])
        ideal = layer * (FORWARD / peak["float32_tflops"] + BACK / rounded) / 1e12
        figures |= {"ideal_ms": 1e3 * ideal, "of_the_peak": ideal / own}
    trial.note(f"{points:,} points", **figures)

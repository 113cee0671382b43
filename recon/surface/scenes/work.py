"""All blocks, one after the other: each is fitted, then each is meshed, then each becomes a piece."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch

from recon.base.run_files import read_json
from recon.surface.scenes.blocks import Scene, finish_block, fit_block, mesh_block
from recon.surface.scenes.sorting import SortedPoints

FITTING, MESHING, FINISHING = 0.6, 0.28, 0.1  # shares of the time; joining is what is left


def work_through(
    scene: Scene,
    points: SortedPoints,
    device: str,
    seconds: dict[str, float],
    progress: Callable[[float], None],
) -> tuple[int, int]:
    """Fits, meshes and finishes all blocks; returns the steps and recoveries of all trainings.

    `seconds` gets the wall time of each stage; `progress` is called with the share of it all that is done.
    """
    threads, count = torch.get_num_threads(), len(scene.plan)
    stages: list[tuple[str, float, Callable[[int], Any]]] = [
        ("fit", FITTING, lambda number: fit_block(scene, points, number, device)),
        ("mesh", MESHING, lambda number: mesh_block(scene, number)),
        ("finish", FINISHING, lambda number: finish_block(scene, number, threads)),
    ]
    done = 0.0
    for name, share, work in stages:
        start = time.monotonic()
        for number in range(count):
            work(number)
            progress(done + share * (number + 1) / count)
        seconds[name] = time.monotonic() - start
        done += share
    counts = [read_json(scene.of(number) / "fitted.json") for number in range(count)]
    return sum(entry["steps"] for entry in counts), sum(entry["recoveries"] for entry in counts)

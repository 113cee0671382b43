"""Meshing one field at rising resolutions: seconds and peak memory, of extraction alone and of the mesh."""

from __future__ import annotations

import time

import recon
from recon.field.kernels import fast_kernels
from recon.meshing import extraction
from recon.meshing.extraction import extract
from recon.surface import reconstruction
from recon.surface.reconstruction import Reconstruction
from trial.parts import DATA, Trial
from trial.problem import Clock, peak_memory, preset

BARS = {1024: 1.0, 2048: 6.0}
INSIDE = ((extraction, "bricks_around_surface"), (extraction, "march"), (extraction, "_onto_zero_set"))
STAGES = tuple((reconstruction, name) for name in ("extract", "keep_parts", "trimmed", "with_attributes"))


def run(trial: Trial) -> None:
    config = preset(trial, "draft")
    trained = recon.reconstruct(recon.read_cloud(DATA / f"{trial.shape}.ply"), config, device=trial.device)
    resolutions = (16,) if trial.quick else (512, 1024, 2048)
    _extracted(trial, trained, resolutions[0], "first")
    for resolution in resolutions:
        _extracted(trial, trained, resolution, "extraction")
    for resolution in resolutions[:2]:
        clock = Clock(trial)
        with clock.over(*STAGES):
            start = time.perf_counter()
            mesh = trained.mesh(resolution)
            seconds = time.perf_counter() - start
        figures = clock.figures()
        trial.note(f"mesh at {resolution}", seconds=seconds, faces=len(mesh.faces), **figures)


def _extracted(trial: Trial, trained: Reconstruction, resolution: int, what: str) -> None:
    peak_memory(trial, anew=True)
    clock = Clock(trial)
    with clock.over(*INSIDE), fast_kernels():
        start = time.perf_counter()
        mesh = extract(
            trained.field.values,
            trained.box,
            resolution,
            value_and_gradient=trained.field.value_and_gradient,
            device=trained.device,
        )
        seconds = time.perf_counter() - start
    figures = clock.figures() | peak_memory(trial)
    if bar := BARS.get(resolution):
        figures |= {"bar_seconds": bar, "bar_met": seconds <= bar}
    trial.note(f"{what} at {resolution}", seconds=seconds, faces=len(mesh.faces), **figures)

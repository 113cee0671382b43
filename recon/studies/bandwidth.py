"""`recon study bandwidth`: ω of the first layer against the frequency of a signal.

A field of one coordinate is fitted to a sine of a given frequency at evenly spaced samples of [-1, 1]. It is
then compared with it between the samples (interpolation) and up to a fifth beyond them on both sides
(extrapolation).
"""

from typing import Any

import numpy as np
import torch

from recon.base.progress import ProgressCallback, no_progress, progress_within
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.geometry import Float
from recon.render.figures import LINE_COLOR, colormap, new_figure, pixels
from recon.render.palette import SEQUENTIAL
from recon.render.plots import CURVE_COLORS
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.values import values_task
from recon.studies.fits import decibels_over, train_measured
from recon.studies.page import Study
from recon.training.settings import FitConfig

OMEGAS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
CYCLES = (1, 2, 4, 8, 16, 32)  # of the signal from -1 to 1
# Samples; points from one to the next; extent beyond [-1, 1] on each side.
SAMPLE_COUNT, OVERSAMPLING, EXTRAPOLATION = 128, 8, 0.2
FIELD_WIDTH, HIDDEN_LAYERS, LEARNING_RATE = 64, 2, 1e-3
REGIONS = ("samples", "between", "beyond")
EXAMPLE_CYCLES, EXAMPLE_OMEGAS = 16, (1.0, 10.0, 300.0)  # of the fits that are plotted


def signal(x: Float, cycles: float) -> Float:
    """A sine of this many cycles in [-1, 1]."""
    return np.sin(np.pi * cycles * x + 0.5)


def where(place: str) -> Float:
    """The points of a region: "samples", "between" them, or "beyond" the first and last."""
    half = 1 / SAMPLE_COUNT
    if place == "samples":
        return np.linspace(-1 + half, 1 - half, SAMPLE_COUNT)
    fine = np.linspace(-1 + half, 1 - half, (SAMPLE_COUNT - 1) * OVERSAMPLING + 1)
    if place == "between":
        return fine[np.arange(len(fine)) % OVERSAMPLING != 0]
    outside = np.linspace(1, 1 + EXTRAPOLATION, SAMPLE_COUNT)
    return np.concatenate([-outside[::-1], outside])


def fitted(
    omega: float, cycles: float, steps: int, seed: int = 0, progress: ProgressCallback = no_progress
) -> Siren:
    """A field fitted to the signal of this many cycles."""
    grid = Grid.square(SAMPLE_COUNT)
    table = torch.tensor(signal(where("samples"), cycles)[:, None], dtype=torch.float32)
    config = FieldConfig(width=FIELD_WIDTH, hidden=HIDDEN_LAYERS, omega_first=omega, spread=1.0)
    field = Siren(config, 1, 1, torch.Generator().manual_seed(seed))
    fit = FitConfig(steps=steps, rate=LEARNING_RATE, optimizer="adam", beta2=0.999, warmup=20)
    task = values_task(grid, table.__getitem__, SAMPLE_COUNT, seed)
    train_measured(field, task, fit, lambda one: {}, progress, f"ω {omega:g}, {cycles:g} cycles")
    return field


def at(field: Siren, points: Float) -> Float:
    """Its values (n,) at points (n,)."""
    return field.values(torch.tensor(points[:, None], dtype=torch.float32))[:, 0].double().numpy()


def study_bandwidth(steps: int = 500, seed: int = 0, progress: ProgressCallback = no_progress) -> Study:
    """Run the study."""
    rows, shown = [], {}
    count = len(OMEGAS) * len(CYCLES)
    for number, (omega, cycles) in enumerate((omega, cycles) for omega in OMEGAS for cycles in CYCLES):
        part = progress_within(progress, number / count, (number + 1) / count)
        field = fitted(omega, cycles, steps, seed, part)
        found = {
            place: decibels_over(at(field, where(place)), signal(where(place), cycles)) for place in REGIONS
        }
        rows.append({"omega": omega, "cycles": cycles, **found})
        if cycles == EXAMPLE_CYCLES and omega in EXAMPLE_OMEGAS:
            shown[omega] = field
    progress(1.0, "")
    best = [max((row for row in rows if row["cycles"] == c), key=lambda row: row["between"]) for c in CYCLES]
    text = [
        f"A sine of 1 to {CYCLES[-1]} cycles, at {SAMPLE_COUNT} even samples of [-1, 1], fitted by "
        f"fields of {FIELD_WIDTH} units and {HIDDEN_LAYERS} hidden layers that differ in the ω of the first "
        f"layer alone, {steps} steps of Adam each. Decibels of signal over error: at the samples, between "
        "them, and up to a fifth beyond them.",
        "Too low an ω does not reach the signal's frequency; too high a one fits the samples and "
        "oscillates between them. Beyond the samples no ω is right: a field says nothing of where it was "
        "not fitted. The table has the best ω between the samples for each frequency.",
    ]
    figures = [
        ("bandwidth", "decibels of signal over error", pixels(_maps(rows))),
        (
            "curves",
            f"{EXAMPLE_CYCLES} cycles by three ω; grey: the signal; shaded: no samples",
            pixels(_curves(shown)),
        ),
    ]
    results = {"best_omega": {row["cycles"]: row["omega"] for row in best}}
    return Study("bandwidth", "Bandwidth: ω of the first layer", text, figures, rows, best, results)


def _maps(rows: list[dict[str, float]]) -> Any:
    with new_figure((11, 3.8)) as figure:
        panels = figure.subplots(1, len(REGIONS), sharey=True)
        for axes, place in zip(panels, REGIONS, strict=True):
            table = np.array([row[place] for row in rows]).reshape(len(OMEGAS), len(CYCLES))
            image = axes.imshow(table, colormap(SEQUENTIAL), vmin=-10, vmax=60, origin="lower", aspect="auto")
            for (row, column), value in np.ndenumerate(table):
                axes.text(
                    column,
                    row,
                    f"{value:.0f}",
                    ha="center",
                    va="center",
                    color="white" if value < 30 else LINE_COLOR,
                )
            axes.set_xticks(range(len(CYCLES)), [str(c) for c in CYCLES])
            axes.set_yticks(range(len(OMEGAS)), [f"{o:g}" for o in OMEGAS])
            axes.set_title({"samples": "at the samples"}.get(place, place))
            axes.set_xlabel("cycles of the signal in [-1, 1]")
        panels[0].set_ylabel("ω of the first layer")
        figure.colorbar(image, ax=list(panels), label="dB", extend="both")
    return figure


def _curves(fields: dict[float, Siren]) -> Any:
    x = np.linspace(-1 - EXTRAPOLATION, 1 + EXTRAPOLATION, 2400)
    with new_figure((11, 1.7 * len(fields) + 0.3)) as figure:
        panels = figure.subplots(len(fields), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (omega, field) in zip(panels, fields.items(), strict=True):
            axes.plot(x, signal(x, EXAMPLE_CYCLES), color="#aaaaaa", linewidth=3)
            axes.plot(x, at(field, x), color=CURVE_COLORS[1], linewidth=1)
            axes.axvspan(-1 - EXTRAPOLATION, -1, color="#eeeeee")
            axes.axvspan(1, 1 + EXTRAPOLATION, color="#eeeeee")
            axes.set_title(f"ω = {omega:g}")
            axes.set(ylim=(-2, 2), xlim=(x[0], x[-1]))
    return figure

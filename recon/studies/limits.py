"""`recon study limits`: where fields of sines fail, beside what works there.

A SIREN fits what it is shown, whatever that is, and says little of anything else: a series is not continued
beyond its samples, noise is fitted as well as the picture under it, and classes that few samples of many
coordinates show are learnt by heart. Each is measured on what a field was fitted to and on what it was not,
next to a ReLU network of the same size and to a plain method that assumes what is true of the problem:
that a series is a trend and a few oscillations, that classes differ by few terms of a polynomial (both found
term by term, as in matching pursuit: Mallat, Zhang 1993, doi:10.1109/78.258082), that pictures have flat
parts (total variation: Rudin, Osher, Fatemi 1992, doi:10.1016/0167-2789(92)90242-F).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from recon.base.progress import ProgressCallback, no_progress, progress_within
from recon.base.settings import Schedule
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.geometry import Float
from recon.render.figures import new_figure, pixels
from recon.render.plots import CURVE_COLORS
from recon.signals.media.quality import psnr
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.values import squared_error
from recon.studies.fits import curves_over_steps, decibels_over, train_measured
from recon.studies.page import Study
from recon.training.constraints import Constraint, ConstraintTask
from recon.training.settings import FitConfig

WIDTH, HIDDEN, RATE = 64, 2, 1e-3
SERIES_SAMPLES, SERIES_END, SERIES_NOISE = 300, 0.4, 0.05  # of [-1, 1], the samples end there
CYCLES_TRIED = np.arange(0.5, 40, 0.05)
NOISE = 0.3  # standard deviation, of pictures from -1 to 1
WEIGHTS = (0.02, 0.05, 0.1, 0.2, 0.4)  # of total variation: the one with the right residual is taken
COORDINATES, KNOWN, ASKED = 10, 120, 4000  # of the classes: of which two matter; samples
TERMS = 2  # of the series and the classes, besides a trend
FIELDS: Mapping[str, dict[str, Any]] = {
    "siren": {"omega_first": 30.0},
    "siren, ω = 5": {"omega_first": 5.0},
    "relu": {"activation": "relu"},
}


def study_limits(
    picture: Float, steps: int = 500, seed: int = 0, progress: ProgressCallback = no_progress
) -> Study:
    """Run the study; the noise is fitted on `picture` (n, n), from -1 to 1."""
    thirds = [progress_within(progress, place / 3, (place + 1) / 3) for place in range(3)]
    series, series_figure = _series(steps, seed, thirds[0])
    noise, noise_figure = _noise(picture, steps, seed, thirds[1])
    classes = _classes(steps, seed, thirds[2])
    progress(1.0, "")
    rows: list[dict[str, Any]] = [
        {"problem": problem, "method": name, "fitted to": seen, "not fitted to": unseen, "unit": unit}
        for problem, unit, found in (
            ("a series, continued", "dB", series),
            ("a picture under noise", "dB", noise),
            ("classes", "%", classes),
        )
        for name, (seen, unseen) in found.items()
    ]
    text = [
        f"Fields of {WIDTH} units and {HIDDEN} hidden layers, {steps} steps of Adam each, and a plain method "
        "for each problem.",
        f"A series: a trend, two oscillations and noise, {SERIES_SAMPLES} samples of [-1, {SERIES_END:g}]; "
        "decibels of signal over error at the samples, and from there to 1.",
        f"A picture under noise of a standard deviation of {NOISE:g}: decibels (PSNR) of what was found to "
        "the noisy picture, and to the one without noise.",
        f"Classes: the sign of a quadratic function of two of {COORDINATES} coordinates, {KNOWN} samples; "
        f"percent of them that are told right, and of {ASKED:,} others.",
    ]
    figures = [
        ("series", "a series: samples end where the ground turns grey", pixels(series_figure)),
        ("noise", "PSNR to the picture without noise, over the steps", pixels(noise_figure)),
    ]
    problems: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        both = [row["fitted to"], row["not fitted to"]]
        problems.setdefault(row["problem"], {})[row["method"]] = both
    title = "Limits: where fields of sines fail"
    return Study("limits", title, text, figures, rows, rows, {"problems": problems})


def fitted(
    problem: str,
    points: Float,
    values: Float,
    steps: int,
    seed: int,
    progress: ProgressCallback,
    measure: Callable[[Siren], dict[str, float]] = lambda field: {},
) -> dict[str, tuple[Siren, list[dict[str, float]]]]:
    """The `FIELDS`, fitted to `values` (n,) at all `points` (n, m); `measure` of them over the steps."""
    known = torch.tensor(points, dtype=torch.float32), torch.tensor(values[:, None], dtype=torch.float32)
    data = Constraint(lambda draw: known, squared_error, Schedule.constant(1.0))
    fit = FitConfig(steps=steps, rate=RATE, optimizer="adam", beta2=0.999, warmup=20)
    found = {}
    for place, (name, settings) in enumerate(FIELDS.items()):
        config = FieldConfig(width=WIDTH, hidden=HIDDEN, spread=1.0, **settings)
        field = Siren(config, points.shape[1], 1, torch.Generator().manual_seed(seed))
        part = progress_within(progress, place / len(FIELDS), (place + 1) / len(FIELDS))
        task = ConstraintTask({"data": data}, seed)
        found[name] = field, train_measured(field, task, fit, measure, part, f"{problem}, {name}")
    return found


def at(field: Siren, points: Float) -> Float:
    """Its values (n,) at points (n, m)."""
    return field.values(torch.tensor(points, dtype=torch.float32))[:, 0].double().numpy()


def series(t: Float) -> Float:
    """A trend and two oscillations."""
    return 0.4 * t + 0.6 * np.sin(5.03 * np.pi * t + 0.5) + 0.3 * np.sin(13.37 * np.pi * t)


def pursued(always: Float, terms: Float, values: Float, count: int) -> tuple[list[int], Float]:
    """Those `count` of `terms` (k, n, c) that fit `values` (n,) best beside the columns `always` (n, a).

    Chosen one by one, then each again beside the others. Returns their numbers and the coefficients of all
    columns.
    """

    def fitted(chosen: list[int]) -> tuple[Float, float]:
        table = np.hstack([always, *terms[chosen]])
        found = np.linalg.lstsq(table, values, rcond=None)[0]
        return found, float(np.square(table @ found - values).sum())

    chosen: list[int] = []
    for _ in range(count):
        chosen.append(min(range(len(terms)), key=lambda term: fitted([*chosen, term])[1]))
    for place in range(count):
        others = chosen[:place] + chosen[place + 1 :]
        chosen = [*others, min(range(len(terms)), key=lambda term: fitted([*others, term])[1])]
    return chosen, fitted(chosen)[0]


def continued(t: Float, values: Float, where: Float) -> Float:
    """A trend and oscillations, fitted to `values` at `t` (n,), at `where` (m,)."""

    def trend(places: Float) -> Float:
        return np.stack([np.ones_like(places), places], axis=1)

    def waves(places: Float) -> Float:
        phases = np.pi * CYCLES_TRIED[:, None] * places
        return np.stack([np.cos(phases), np.sin(phases)], axis=2)

    chosen, found = pursued(trend(t), waves(t), values, TERMS)
    return np.hstack([trend(where), *waves(where)[chosen]]) @ found


def _series(steps: int, seed: int, progress: ProgressCallback) -> tuple[dict[str, tuple[float, float]], Any]:
    t, beyond = np.linspace(-1, SERIES_END, SERIES_SAMPLES), np.linspace(SERIES_END, 1, 200)[1:]
    whole = np.concatenate([t, beyond])
    samples = series(t) + SERIES_NOISE * np.random.default_rng(seed).normal(size=len(t))
    fields = fitted("series", t[:, None], samples, steps, seed, progress)
    found = {name: at(field, whole[:, None]) for name, (field, _) in fields.items()}
    found["trend and oscillations"] = continued(t, samples, whole)
    with new_figure((11, 1.5 * len(found) + 0.3)) as figure:
        panels = figure.subplots(len(found), 1, sharex=True)
        for axes, (name, values) in zip(panels, found.items(), strict=True):
            axes.plot(whole, series(whole), color="#aaaaaa", linewidth=3)
            axes.plot(t, samples, ".", color="#777777", markersize=2)
            axes.plot(whole, values, color=CURVE_COLORS[1], linewidth=1)
            axes.axvspan(SERIES_END, 1, color="#eeeeee")
            axes.set_title(name)
            axes.set_ylim(-1.7, 1.7)
    n, true = len(t), series(beyond)
    ends = {
        name: (decibels_over(values[:n], samples), decibels_over(values[n:], true))
        for name, values in found.items()
    }
    return ends, figure


def _noise(
    picture: Float, steps: int, seed: int, progress: ProgressCallback
) -> tuple[dict[str, tuple[float, float]], Any]:
    from skimage.restoration import denoise_tv_chambolle

    grid = Grid.square(*picture.shape)
    points = grid.points(torch.arange(len(grid))).double().numpy()
    noisy = picture + NOISE * np.random.default_rng(seed).normal(size=picture.shape)

    def quality(values: Float) -> dict[str, float]:
        values = values.reshape(picture.shape)
        return {"seen": psnr(values, noisy, 2.0), "unseen": psnr(values, picture, 2.0)}

    fields = fitted(
        "noise", points, noisy.ravel(), steps, seed, progress, lambda field: quality(at(field, points))
    )
    curves = {name: curve for name, (_, curve) in fields.items()}
    ends = {name: curve[-1] for name, curve in curves.items()}
    smooth = (denoise_tv_chambolle(noisy, weight) for weight in WEIGHTS)
    ends["total variation"] = quality(min(smooth, key=lambda one: abs(float(np.std(one - noisy)) - NOISE)))
    levels = {
        "total variation": ends["total variation"]["unseen"],
        "the noisy picture": psnr(noisy, picture, 2.0),
    }
    figure = curves_over_steps(curves, "unseen", levels)
    return {name: (row["seen"], row["unseen"]) for name, row in ends.items()}, figure


def class_of(points: Float) -> Float:
    """1 or -1: the sign of a quadratic function of two coordinates, which is 0 on average."""
    return np.where(points[:, 0] + 1.5 * points[:, 1] ** 2 - 0.5 > 0, 1.0, -1.0)


def _classes(steps: int, seed: int, progress: ProgressCallback) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng((seed, 1))
    known, asked = (rng.uniform(-1, 1, (count, COORDINATES)) for count in (KNOWN, ASKED))
    fields = fitted("classes", known, class_of(known), steps, seed, progress)
    found = {name: (at(field, known), at(field, asked)) for name, (field, _) in fields.items()}

    def terms(points: Float) -> Float:
        i, j = np.triu_indices(COORDINATES)
        return np.hstack([points, points[:, i] * points[:, j]]).T[..., None]

    one = np.ones((ASKED, 1))
    chosen, weights = pursued(one[:KNOWN], terms(known), class_of(known), TERMS)
    few = (np.hstack([one[: len(points)], *terms(points)[chosen]]) @ weights for points in (known, asked))
    found["few terms"] = (next(few), next(few))

    def right(values: Float, points: Float) -> float:
        return 100 * float((np.sign(values) == class_of(points)).mean())

    return {name: (right(seen, known), right(unseen, asked)) for name, (seen, unseen) in found.items()}

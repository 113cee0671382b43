"""Small fits for the studies, by the program's own trainer, and how they went."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from recon.base.progress import ProgressCallback
from recon.errors import SignalError
from recon.geometry import Float
from recon.render.figures import new_figure
from recon.render.plots import CURVE_COLORS, CURVE_DASHES
from recon.signals.media.images import read_image
from recon.training.settings import FitConfig
from recon.training.task import Fitted, Task
from recon.training.trainer import Progress, fit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def grey_picture(path: str | Path | None, size: int) -> Float:
    """The central square (size, size), from -1 to 1, of a picture, by default scikit-image's `camera`.

    Raises SignalError as `read_image`, and for fewer than 8 pixels a side.
    """
    from skimage.transform import resize

    if path is None:
        path = Path(str(files("skimage").joinpath("data/camera.png")))
    values = read_image(path).values[..., :3].mean(2)
    side = min(values.shape)
    if side < 8:
        raise SignalError(
            f"{path} has {values.shape[1]} x {values.shape[0]} pixels, expected 8 or more a side"
        )
    top, left = ((n - side) // 2 for n in values.shape)
    square = resize(values[top : top + side, left : left + side], (size, size), anti_aliasing=True)
    low, high = square.min(), square.max()
    return 2 * (square - low) / max(high - low, 1e-9) - 1


def train_measured(
    field: Fitted,
    task: Task[Fitted],
    config: FitConfig,
    measure: Callable[[Fitted], dict[str, float]],
    report: ProgressCallback,
    text: str,
) -> list[dict[str, float]]:
    """Train `field`; returns `measure` of it after each window, with "step" and "seconds".

    A fit that diverges ends at its last good state.
    """
    rows: list[dict[str, float]] = []

    def after(progress: Progress) -> None:
        report(progress.share, text)
        if not progress.is_last:
            snapshot = progress.snapshot
            rows.append({"step": snapshot.step, "seconds": snapshot.seconds, **measure(field)})

    fit(field, task, replace(config, watch=False), callbacks=[after])
    return rows


def curves_over_steps(
    curves: Mapping[str, Sequence[Mapping[str, float]]],
    measure: str = "psnr",
    levels: Mapping[str, float] = MappingProxyType({}),
) -> "Figure":
    """`measure`, in dB, of what `train_measured` returned for each method, and `levels` of others."""
    with new_figure((7.4, 3.6)) as figure:
        axes = figure.subplots()
        for (name, curve), color, dashes in zip(curves.items(), CURVE_COLORS, CURVE_DASHES, strict=False):
            steps, found = [row["step"] for row in curve], [row[measure] for row in curve]
            axes.plot(steps, found, color=color, linestyle=dashes, label=f"{name}: {found[-1]:.1f}")
        for (name, level), dashes in zip(levels.items(), CURVE_DASHES, strict=False):
            axes.axhline(level, color="#999999", linestyle=dashes, label=f"{name}: {level:.1f}")
        axes.set(xlabel="step", ylabel="PSNR [dB]")
        axes.grid(True)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), handlelength=3)
    return figure


def decibels_over(found: Float, wanted: Float) -> float:
    """10 lg of the mean square of `wanted` over that of the error: 0 for a field that is zero."""
    error = float(np.square(found - wanted).mean())
    return 10 * float(np.log10(np.square(wanted).mean() / max(error, 1e-30)))

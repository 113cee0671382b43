"""`recon study activations`: one picture and its first and second derivatives under every activation.

After figure 1 of Sitzmann et al. 2020 (arXiv:2006.09661): fields of one size are fitted to the picture's
values, and their gradients and Laplacians compared; and, as in its figure 3 for Poisson's equation, to the
gradient alone and to the Laplacian alone. Fields of sines whose layers have other products of weights and
inputs (`products.py`) are fitted to the values.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from recon.base.progress import ProgressCallback, no_progress, progress_within
from recon.field.derivatives import jet
from recon.field.jet import laplacian_order
from recon.field.settings import ACTIVATIONS
from recon.field.siren import Siren
from recon.geometry import Float
from recon.render.figures import colormap, new_figure, pixels
from recon.render.palette import DIVERGING
from recon.render.plots import CURVE_COLORS, CURVE_DASHES
from recon.signals.media.quality import psnr
from recon.signals.settings import STANDARD
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.poisson import gradient_of, gradient_task, laplacian_of, laplacian_task
from recon.signals.tasks.values import values_task
from recon.studies.fits import curves_over_steps, decibels_over, train_measured
from recon.studies.page import Study
from recon.studies.products import PRODUCTS, Plainly, Product, ProductField
from recon.training.constraints import ConstraintTask

MODES = ("image", "gradient", "laplacian")
FIELD_SETTINGS = {"width": 64, "hidden": 3, "omega_first": 20.0, "spread": 1.0}
BATCH_SAMPLES = 4096
# Of a fit: decibels of its values, and of signal over error of derivatives.
MEASURES = ("psnr", "gradient", "laplacian")
PRODUCTS_SHARE = 0.4  # of the time
PRODUCT_RATE = 3e-3  # of Adam: the default orthogonalises matrices, which distances are not made of
STRIDE = 16  # of the pixels at which the spread of layers is measured
MEASURED_POINTS = 1 << 12  # of a field with another product, at a time
COLOR_PERCENTILE = 99.0  # of derivatives, at which the colour scale ends


class Target:
    """A picture (n, n) from -1 to 1 with its derivatives, and measures of a fit to it."""

    def __init__(self, picture: Float) -> None:
        self.grid = Grid.square(*picture.shape)
        self.values = picture[..., None]
        self.gradient = gradient_of(self.values, self.grid)
        self.laplacian = laplacian_of(self.values, self.grid)
        self.points = self.grid.points(torch.arange(len(self.grid)))

    def task(self, mode: str, batch: int, seed: int) -> ConstraintTask:
        """The task of a mode."""
        if mode == "gradient":
            return gradient_task(self.grid, self.gradient, batch, seed)
        if mode == "laplacian":
            return laplacian_task(self.grid, self.laplacian, batch, seed)
        table = torch.tensor(self.values.reshape(len(self.grid), 1), dtype=torch.float32)
        return values_task(self.grid, table.__getitem__, batch, seed)

    def decibels(self, field: ProductField) -> dict[str, float]:
        """The PSNR of a fit to the values."""
        with torch.no_grad():
            found = torch.cat([field(part) for part in self.points.split(MEASURED_POINTS)])
        value = found.double().numpy().reshape(self.grid.counts)
        return {"psnr": psnr(value.clip(-1, 1), self.values[..., 0], 2.0)}

    def seen(self, field: Siren, mode: str) -> tuple[Float, Float, Float]:
        """Value (n, n), gradient (2, n, n) and Laplacian (n, n) of a fit.

        The constant or linear function that derivatives do not determine is fitted to the picture.
        """
        with torch.no_grad():
            found = jet(field, self.points, laplacian_order(2))
        shape = self.grid.counts
        value, gradient, laplacian = (
            part.double().numpy().reshape(-1, *shape) for part in (found.value, found.gradient, found.second)
        )
        if mode != "image":
            ones = np.ones((len(self.points), 1))
            basis = ones if mode == "gradient" else np.hstack([ones, self.points.numpy()])
            lost = np.linalg.lstsq(basis, (self.values[..., 0] - value[0]).ravel(), rcond=None)[0]
            value = value + (basis @ lost).reshape(shape)
            gradient = gradient + (0.0 if mode == "gradient" else lost[1:, None, None])
        return value[0], gradient, laplacian[0]

    def measured(self, field: Siren, mode: str) -> dict[str, float]:
        """The MEASURES of a fit, in dB."""
        value, gradient, laplacian = self.seen(field, mode)
        return {
            "psnr": psnr(value.clip(-1, 1), self.values[..., 0], 2.0),
            "gradient": decibels_over(gradient, self.gradient[..., 0]),
            "laplacian": decibels_over(laplacian, self.laplacian[..., 0]),
        }


def study_activations(
    picture: Float,
    steps: int = 300,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
    activations: tuple[str, ...] = ACTIVATIONS,
    products: Mapping[str, Product] = PRODUCTS,
    field: Mapping[str, Any] = FIELD_SETTINGS,
) -> Study:
    """Run the study on `picture` (n, n), from -1 to 1, by fields with these settings."""
    target = Target(picture)
    curves: dict[tuple[str, str], list[dict[str, float]]] = {}
    fields: dict[tuple[str, str], Siren] = {}
    part = progress_within(progress, 0.0, 1 - PRODUCTS_SHARE)
    for place, (mode, name) in enumerate((mode, name) for mode in MODES for name in activations):
        share = 1 / len(MODES) / len(activations)
        within = progress_within(part, place * share, (place + 1) * share)
        trained = _with_activation(target, mode, name, steps, seed, field, within)
        fields[mode, name], curves[mode, name] = trained
    part = progress_within(progress, 1 - PRODUCTS_SHARE, 1.0)
    of_products = _with_products(target, products, steps, seed, field, part)
    progress(1.0, "")
    rows: list[dict[str, Any]] = [
        {"fitted to": mode, "activation": name, "product": "w·h", **row}
        for (mode, name), curve in curves.items()
        for row in curve
    ]
    table: list[dict[str, Any]] = [
        {"fitted to": mode, "activation": name, **{measure: curve[-1][measure] for measure in MEASURES}}
        for (mode, name), curve in curves.items()
    ]
    for name, curve in of_products.items():
        rows += [{"fitted to": "image", "activation": "sine", "product": name, **row} for row in curve]
    figures = [
        (
            f"pictures-{mode}",
            f"fitted to: {mode}",
            pixels(_pictures(target, mode, {n: fields[mode, n] for n in activations}), 90),
        )
        for mode in MODES
    ]
    figures.append(("curves", "over the steps", pixels(_curves(curves))))
    figures.append(
        ("products", "layers with other products, over the steps", pixels(curves_over_steps(of_products)))
    )
    ends = {mode: {name: curves[mode, name][-1] for name in activations} for mode in MODES}
    results = {"ends": ends, "products": {name: curve[-1]["psnr"] for name, curve in of_products.items()}}
    text = _text(picture, steps, field)
    return Study("activations", "Activations", text, figures, rows, table, results)


def _with_activation(
    target: Target,
    mode: str,
    name: str,
    steps: int,
    seed: int,
    field: Mapping[str, Any],
    progress: ProgressCallback,
) -> tuple[Siren, list[dict[str, float]]]:
    """A field fitted to what `mode` says, and its measures over the steps."""
    config = STANDARD[mode].with_(
        field={**field, "activation": name}, samples={"batch": BATCH_SAMPLES}, fit={"steps": steps}
    )
    config = replace(config, seed=seed).resolved_for(target.grid.spacing, len(target.grid.counts))
    one = Siren(config.field, 2, 1, torch.Generator().manual_seed(seed))
    task, measure = target.task(mode, config.samples.batch, seed), partial(target.measured, mode=mode)
    return one, train_measured(one, task, config.fit, measure, progress, f"{mode}, {name}")


def _with_products(
    target: Target,
    products: Mapping[str, Product],
    steps: int,
    seed: int,
    field: Mapping[str, Any],
    progress: ProgressCallback,
) -> dict[str, list[dict[str, float]]]:
    """The PSNR over the steps of fields of sines with other products, fitted to the picture's values."""
    fit = STANDARD["image"].with_(fit={"steps": steps, "optimizer": "adam", "rate": PRODUCT_RATE}).fit
    task = Plainly(target.task("image", BATCH_SAMPLES, seed))
    found = {}
    for place, (name, product) in enumerate(products.items()):
        generator = torch.Generator().manual_seed(seed)
        sizes = field["omega_first"], field["width"], field["hidden"]
        one = ProductField(product, *sizes, target.points[::STRIDE], generator)
        within = progress_within(progress, place / len(products), (place + 1) / len(products))
        found[name] = train_measured(one, task, fit, target.decibels, within, name)
    return found


def _text(picture: Float, steps: int, field: Mapping[str, Any]) -> list[str]:
    return [
        f"A picture of {picture.shape[1]} x {picture.shape[0]}, fitted by fields of {field['width']} units "
        f"and {field['hidden']} hidden layers that differ in their activation alone, {steps} steps each, "
        "with the settings of recon fit: by its values (image), by its gradient alone, by its Laplacian "
        "alone.",
        "psnr: of values, in dB, after a fit to derivatives plus the constant or linear function that "
        "these do not tell. gradient, laplacian: decibels of signal over error; a field whose derivative "
        "is zero has 0, as a relu's Laplacian, and one with a wrong derivative less.",
        "Last, fields of sines, fitted to the values by Adam, whose layers compare their inputs h with their "
        "weights w otherwise than by the scalar product: by the distance ‖w - h‖ of order 1, 2 and ∞, which "
        "makes waves around the place w, and by the root and the square of w·h with its sign.",
    ]


def _pictures(target: Target, mode: str, fields: dict[str, Siren]) -> Any:
    true = target.values[..., 0], target.gradient[..., 0], target.laplacian[..., 0]
    columns = {"picture": true, **{name: target.seen(field, mode) for name, field in fields.items()}}
    steepest = float(np.percentile(np.hypot(*true[1]), COLOR_PERCENTILE)) or 1.0
    limit = float(np.percentile(np.abs(true[2]), COLOR_PERCENTILE)) or 1.0
    with new_figure((1.35 * len(columns), 4.6)) as figure:
        panels = figure.subplots(3, len(columns), squeeze=False)
        for place, (name, (value, gradient, laplacian)) in enumerate(columns.items()):
            panels[0, place].imshow(value, "gray", vmin=-1, vmax=1)
            panels[1, place].imshow(np.hypot(*gradient), "gray_r", vmin=0, vmax=steepest)
            panels[2, place].imshow(laplacian, colormap(DIVERGING), vmin=-limit, vmax=limit)
            panels[0, place].set_title(name)
            found = target.measured(fields[name], mode) if name in fields else None
            for axes, measure in zip(panels[:, place], MEASURES, strict=True):
                axes.set(xticks=[], yticks=[])
                axes.set_xlabel(f"{found[measure]:.1f} dB" if found else "")
                axes.spines[:].set_visible(False)
        for axes, words in zip(panels[:, 0], ("value", "‖∇‖", "Laplacian"), strict=True):
            axes.set_ylabel(words)
    return figure


def _curves(curves: dict[tuple[str, str], list[dict[str, float]]]) -> Any:
    modes = list(dict.fromkeys(mode for mode, _ in curves))
    colors, dashes = CURVE_COLORS * 2, CURVE_DASHES + CURVE_DASHES[3:] + CURVE_DASHES[:3]
    with new_figure((11, 3.6)) as figure:
        panels = figure.subplots(1, len(modes), squeeze=False)[0]
        for axes, mode in zip(panels, modes, strict=True):
            names = [name for other, name in curves if other == mode]
            for name, color, dash in zip(names, colors, dashes, strict=False):
                curve = curves[mode, name]
                steps, found = [row["step"] for row in curve], [row["psnr"] for row in curve]
                axes.plot(steps, found, color=color, linestyle=dash, label=name)
            axes.set_title(f"fitted to: {mode}")
            axes.set(xlabel="step", ylabel="PSNR of values [dB]" if mode == modes[0] else "")
            axes.grid(True)
        handles = panels[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=8, handlelength=3)
    return figure

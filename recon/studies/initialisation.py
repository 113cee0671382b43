"""`recon study init`: a field before it is trained, by depth, under several initialisations.

The theory (Sitzmann et al. 2020, section 3.2 and supplement 1): with hidden weights `U(±sqrt(6/n)/ω)`,
activations follow the arcsine law and products ωWh are N(0, 1), at every depth, and gradients keep their
size. To second order: where z = ωWh + ωb has the variance s² + t², s² that of the products and t² = ω²/(3n)
that of the biases `U(±1/sqrt(n))`, the next layer's is s² = 2 E[sin² z] = 1 - exp(-2(s² + t²)): 0.99 with the
biases of 256 units, 0.89 (squared: 0.80) without any. From a layer to the one below it, gradients grow by 2
E[cos² z] = 1 + exp(-2(s² + t²)).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.stats import arcsine, kstest, norm
from torch import Tensor

from recon.base.progress import ProgressCallback, no_progress, progress_within
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.geometry import Float
from recon.render.figures import new_figure, pixels
from recon.render.plots import CURVE_COLORS, CURVE_DASHES
from recon.signals.media.quality import psnr
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.values import values_task
from recon.studies.fits import curves_over_steps, train_measured
from recon.studies.page import Study
from recon.training.settings import FitConfig

DEPTH, WIDTH = 10, 256
FIELD_DRAWS, POINTS_PER_FIELD = 8, 256  # of each initialisation: one field alone is 2 to 6 % off
MAX_COMPARED_VALUES = 20_000  # of a distribution
TRAINED_FIELD = FieldConfig(width=64, hidden=4, spread=1.0)
TRAINING = FitConfig(rate=5e-4, optimizer="adam", beta2=0.999, warmup=0)
Bound = Callable[[int], float]


@dataclass(frozen=True)
class Initialisation:
    """Frequency factors of first and hidden layers, weight bounds by fan-in, whether there are biases.

    `bound` is half the range of the hidden and linear layers' weights, `first` of the first's; a SIREN's if
    None.
    """

    omegas: tuple[float, float] = (30.0, 30.0)
    bound: Bound | None = None
    first: Bound | None = None
    biases: bool = True

    def field(self, config: FieldConfig, inputs: int, seed: int = 0) -> Siren:
        """A field so initialised."""
        generator = torch.Generator().manual_seed(seed)
        config = replace(config, omega_first=self.omegas[0], omega_hidden=self.omegas[1])
        field = Siren(config, inputs, 1, generator)
        with torch.no_grad():
            for layer, weight in enumerate(field.weights):
                bound = self.bound if layer else self.first
                if bound:
                    weight.uniform_(-bound(weight.shape[1]), bound(weight.shape[1]), generator=generator)
            if not self.biases:
                torch._foreach_zero_(field.biases)
        return field


def linear_default(n: int) -> float:
    """Half the range of PyTorch's default weights of a linear layer."""
    return 1 / math.sqrt(n)


INITIALISATIONS = {
    "siren": Initialisation(),
    "siren, no biases": Initialisation(biases=False),
    "pytorch's default, sin(Wx+b)": Initialisation((1.0, 1.0), linear_default, linear_default),
    "the same, ω=30 first": Initialisation((30.0, 1.0), linear_default),
    "the same, ω=30 in all": Initialisation((30.0, 30.0), linear_default),
    "siren, not divided by ω": Initialisation(bound=lambda n: math.sqrt(6 / n)),
    "siren, ω=1": Initialisation((1.0, 1.0), lambda n: math.sqrt(6 / n)),
}


@dataclass(frozen=True)
class Layer:
    """One sine layer: a sample of products ωWh (n,), N(0, 1) in theory, and their sines `activations` (n,).

    `spread` is the standard deviation of all products, `gradient` the root mean square of ∂Φ/∂z over that of
    the last layer.
    """

    products: Float
    activations: Float
    spread: float
    gradient: float

    @property
    def from_normal(self) -> float:
        """Kolmogorov-Smirnov distance of the products from N(0, 1)."""
        return float(kstest(self.products, norm.cdf).statistic)

    @property
    def from_arcsine(self) -> float:
        """Kolmogorov-Smirnov distance of the activations from the arcsine law on [-1, 1]."""
        return float(kstest(self.activations, arcsine(-1, 2).cdf).statistic)


def layers_of(start: Initialisation, width: int = WIDTH, depth: int = DEPTH, seed: int = 0) -> list[Layer]:
    """The hidden sine layers of fields (2 → 1), first to last, at uniform points."""
    points = torch.from_numpy(
        np.random.default_rng(seed).uniform(-1, 1, (FIELD_DRAWS, POINTS_PER_FIELD, 2))
    ).float()
    config = FieldConfig(width=width, hidden=depth, spread=1.0)
    fields = [start.field(config, 2, seed + draw) for draw in range(FIELD_DRAWS)]
    each = [_stacks(field, some) for field, some in zip(fields, points, strict=True)]
    products, activations, slopes = (torch.stack(stacks, 1).flatten(1) for stacks in zip(*each, strict=True))
    steepness = slopes.square().mean(1).sqrt()
    every = max(1, products.shape[1] // MAX_COMPARED_VALUES)
    return [
        Layer(
            product[::every].numpy(),
            activation[::every].numpy(),
            float(product.std()),
            float(slope / steepness[-1]),
        )
        for product, activation, slope in zip(products, activations, steepness, strict=True)
    ]


def _stacks(field: Siren, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """ωWh, sin(ωWh + ωb) and ∂Φ/∂(ωWh + ωb) of the hidden layers (layers, n, width) float64."""
    h, products, inner, outer = points, [], [], []
    weights, biases = field.scaled()
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        products.append(h @ weight.t())
        inner.append(products[-1] + bias)
        h = torch.sin(inner[-1])
        outer.append(h)
    slopes = torch.autograd.grad((h @ weights[-1].t()).sum(), inner)
    stacks = (torch.stack(layers[1:]).detach().double() for layers in (products, outer, list(slopes)))
    return next(stacks), next(stacks), next(stacks)


def expected_spread(bias: float) -> float:
    """The standard deviation s of ωWh at depth, where that of ωb is `bias`: s² = 1 - exp(-2(s² + t²))."""
    square = 1.0
    for _ in range(200):
        square = 1 - math.exp(-2 * (square + bias**2))
    return math.sqrt(square)


def study_initialisation(
    picture: Float, steps: int = 200, seed: int = 0, progress: ProgressCallback = no_progress
) -> Study:
    """Run the study; fields are trained on `picture` (n, n), from -1 to 1."""
    found = {name: layers_of(start, seed=seed) for name, start in INITIALISATIONS.items()}
    progress(0.1, "training")
    curves = {}
    for place, (name, start) in enumerate(INITIALISATIONS.items()):
        at = 0.1 + 0.9 * place / len(INITIALISATIONS)
        curves[name] = _trained(
            start, picture, steps, seed, progress_within(progress, at, at + 0.9 / len(INITIALISATIONS)), name
        )
    progress(1.0, "")
    rows: list[dict[str, Any]] = [
        {
            "initialisation": name,
            "depth": depth,
            "std of ωWh": layer.spread,
            "KS from N(0,1)": layer.from_normal,
            "KS from arcsine": layer.from_arcsine,
            "gradient over last layer's": layer.gradient,
        }
        for name, layers in found.items()
        for depth, layer in enumerate(layers, 1)
    ]
    ends = {name: curve[-1]["psnr"] for name, curve in curves.items()}
    deepest = [row for row in rows if row["depth"] == DEPTH]
    table: list[dict[str, Any]] = [
        {**row, "PSNR trained [dB]": end} for row, end in zip(deepest, ends.values(), strict=True)
    ]
    theory = expected_spread(30 / math.sqrt(3 * WIDTH)), expected_spread(0.0)
    text = [
        "With the published initialisation the products ωWh of a SIREN are N(0, 1) and its activations "
        "follow the arcsine law at any depth, so signals and gradients neither die out nor run wild. To "
        f"second order the standard deviation at depth is {theory[0]:.3f} with biases U(±1/√n) of {WIDTH} "
        f"units and {theory[1]:.3f} without biases, where gradients grow by a tenth a layer.",
        f"Depth counts hidden layers, {WIDTH} wide, of {FIELD_DRAWS} fields at {POINTS_PER_FIELD} uniform "
        f"points each; the table is for depth {DEPTH}. Trained: {TRAINED_FIELD.width} wide, "
        f"{TRAINED_FIELD.hidden} hidden layers, {steps} steps of Adam on a picture of {picture.shape[1]} x "
        f"{picture.shape[0]}.",
    ]
    figures = [
        ("distributions", "ωWh and activations by depth, theory in black", pixels(_distributions(found))),
        ("depth", "what becomes of signal and gradient with depth", pixels(_by_depth(rows))),
        ("training", "a picture fitted from each initialisation", pixels(curves_over_steps(curves))),
    ]
    worst = max(abs(layer.spread - 1) for layer in found["siren"])
    results = {"largest_deviation_of_std": worst, "psnr": ends, "expected_std": theory}
    return Study("init", "Initialisation by depth", text, figures, rows, table, results)


def _trained(
    start: Initialisation, picture: Float, steps: int, seed: int, progress: ProgressCallback, name: str
) -> list[dict[str, float]]:
    grid = Grid.square(*picture.shape)
    values = torch.tensor(picture.reshape(len(grid), 1), dtype=torch.float32)
    points = grid.points(torch.arange(len(grid)))

    def measure(field: Siren) -> dict[str, float]:
        return {"psnr": psnr(field.values(points).double().numpy(), values.double().numpy(), 2.0)}

    task = values_task(grid, values.__getitem__, len(grid), seed)
    return train_measured(
        start.field(TRAINED_FIELD, 2, seed), task, replace(TRAINING, steps=steps), measure, progress, name
    )


def _distributions(found: dict[str, list[Layer]]) -> Any:
    shown, depths = list(INITIALISATIONS)[:5], (1, 4, DEPTH)
    z, h = np.linspace(-4, 4, 200), np.linspace(-0.999, 0.999, 200)
    with new_figure((11, 1.5 * len(shown) + 0.4)) as figure:
        panels = figure.subplots(len(shown), 2 * len(depths), squeeze=False)
        for row, name in zip(panels, shown, strict=True):
            for place, depth in enumerate(depths):
                layer = found[name][depth - 1]
                left, right = row[2 * place], row[2 * place + 1]
                left.hist(layer.products, 60, range=(-4, 4), density=True, color=CURVE_COLORS[0], alpha=0.6)
                right.hist(
                    layer.activations, 60, range=(-1, 1), density=True, color=CURVE_COLORS[4], alpha=0.6
                )
                left.plot(z, norm.pdf(z), color="k", linewidth=1)
                right.plot(h, arcsine(-1, 2).pdf(h), color="k", linewidth=1)
                left.set_title(f"ωWh, depth {depth}" if name == shown[0] else "")
                right.set_title("activations" if name == shown[0] else "")
                left.set(ylim=(0, 0.8), yticks=[], xlim=(-4, 4))
                right.set(ylim=(0, 2.5), yticks=[], xlim=(-1, 1))
            row[0].set_ylabel(name.replace(", ", ",\n"), rotation=0, ha="right", va="center")
    return figure


def _by_depth(rows: list[dict[str, Any]]) -> Any:
    names = ("std of ωWh", "KS from arcsine", "gradient over last layer's")
    with new_figure((11, 3.6)) as figure:
        panels = figure.subplots(1, len(names))
        for axes, quantity in zip(panels, names, strict=True):
            for name, color, dashes in zip(INITIALISATIONS, CURVE_COLORS, CURVE_DASHES, strict=True):
                selected = [row for row in rows if row["initialisation"] == name]
                values = np.maximum([row[quantity] for row in selected], 1e-12)
                axes.plot(
                    [row["depth"] for row in selected], values, color=color, linestyle=dashes, label=name
                )
            axes.set_yscale("log")
            axes.set_title(quantity)
            axes.set_xlabel("depth")
            axes.grid(True)
        figure.legend(
            *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=3
        )
    return figure

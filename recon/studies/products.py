"""Layers that compare their inputs with their weights otherwise than by the scalar product.

A unit of a SIREN computes sin(ω(w·h + b)). Here w·h gives way to another product P(w, h) of weights and
inputs: to the distance ‖w - h‖_p from the unit's weights, which then are a place among the inputs and give
waves around it, or to a power of the scalar product with its sign kept. What units compute before the sine
has the same spread at the start as a SIREN's, so fields differ in the product alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from recon.base.settings import Schedule
from recon.training.constraints import ConstraintTask

Product = Callable[[Tensor, Tensor], Tensor]  # of weights (out, in) and inputs (n, in): (n, out)


def distance(p: float) -> Product:
    """‖w - h‖_p."""
    return lambda weights, inputs: torch.cdist(inputs, weights, p)


def power(exponent: float) -> Product:
    """|w·h|^exponent with the sign of w·h."""

    def product(weights: Tensor, inputs: Tensor) -> Tensor:
        found = inputs @ weights.t()
        return found.sign() * found.abs().clamp_min(1e-12) ** exponent

    return product


PRODUCTS: Mapping[str, Product] = {
    "w·h": lambda weights, inputs: inputs @ weights.t(),
    "‖w - h‖₁": distance(1),
    "‖w - h‖₂": distance(2),
    "‖w - h‖∞": distance(math.inf),
    "root of w·h": power(0.5),
    "square of w·h": power(2),
}


class ProductField(nn.Module):
    """A field of sine layers with another product, and a linear last layer: Φ: R^m → R.

    Attributes:
        flat: (p,) all parameters.
        hidden_shape: (0, 0, 0): no matrices for an optimiser that treats them as such.
    """

    hidden_shape = (0, 0, 0)

    def __init__(
        self,
        product: Product,
        omega: float,
        width: int,
        hidden: int,
        points: Tensor,
        generator: torch.Generator,
    ) -> None:
        """`points` (n, m) are those that the spread of the layers is measured at."""
        super().__init__()
        self.product = product
        sizes = [points.shape[1], *[width] * (hidden + 1), 1]
        self._shapes = [(fan_out, fan_in) for fan_in, fan_out in pairwise(sizes)]
        parts = [_uniform(*shape, 1.0, generator) for shape in self._shapes[:-1]]
        parts.append(_uniform(*self._shapes[-1], math.sqrt(6 / width) / 30, generator))
        parts += [_uniform(fan_out, 1, 1 / math.sqrt(fan_in), generator) for fan_out, fan_in in self._shapes]
        self._lengths = [part.numel() for part in parts]
        self.flat = nn.Parameter(torch.cat([part.flatten() for part in parts]))
        self._omegas = [omega] + [1.0] * hidden
        self._scales: list[tuple[float, float]] = []  # of each layer: what is taken off, and a factor
        spreads = [1 / (3 * math.sqrt(points.shape[1]))] + [1.0] * hidden  # a SIREN's, over ω
        with torch.no_grad():
            for spread in spreads:
                found = self._hidden(points)[1]
                self._scales.append((float(found.mean()), spread / max(float(found.std()), 1e-12)))

    def forward(self, x: Tensor) -> Tensor:
        """(n, m) → (n, 1)."""
        weights, biases = self._layers()
        return torch.addmm(biases[-1], self._hidden(x)[0], weights[-1].t())

    def _layers(self) -> tuple[list[Tensor], list[Tensor]]:
        pieces = self.flat.split(self._lengths)
        count = len(self._shapes)
        return [piece.view(shape) for piece, shape in zip(pieces[:count], self._shapes, strict=True)], list(
            pieces[count:]
        )

    def _hidden(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last sine layer that has a scale, and the product of the one after it, as it is."""
        weights, biases = self._layers()
        h = x
        for (mean, factor), weight, bias, omega in zip(
            self._scales, weights, biases, self._omegas, strict=False
        ):
            h = torch.sin(omega * (factor * (self.product(weight, h) - mean) + bias))
        last = len(self._scales)
        return h, h if last == len(self._omegas) else self.product(weights[last], h)


def _uniform(rows: int, columns: int, bound: float, generator: torch.Generator) -> Tensor:
    return (2 * torch.rand(rows, columns, generator=generator) - 1) * bound


class Plainly:
    """A task for any field that can be called: differentiated by autograd."""

    def __init__(self, task: ConstraintTask) -> None:
        self.weights: Mapping[str, Schedule] = task.weights
        self._task = task

    def sample(self, step: int, progress: float = 0.0) -> Any:
        """Those of the task."""
        return self._task.sample(step, progress)

    def terms(self, field: Any, batch: Any) -> dict[str, Tensor]:
        """Those of the task."""
        return self._task.terms(field, batch)

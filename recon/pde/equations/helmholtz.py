"""The field of sources in a medium, by the equation in `recon.pde.absorbing_layer`.

    source  f = Σ exp(-|x - x_j|² / 2σ²) / (2πσ²)

Far from it the field of a source in a uniform medium is a point source's times exp(-k²σ²/2), the Gaussian's
Fourier transform at wavenumber k.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import hankel2
from torch import Tensor

from recon.field.jet import Jet
from recon.geometry import Float
from recon.pde.absorbing_layer import PURE_SECOND_DERIVATIVES, Layer, as_complex
from recon.pde.media import Map
from recon.pde.problem import Equation, Problem, inside
from recon.training.constraints import Draw

MAX_WAVENUMBER = 1e4  # far beyond what a field of any width follows
TYPICAL_FIELD = 0.05  # magnitude of the field of a unit source a few wavelengths away
SOURCE_SAMPLE_SIGMAS = 2.0  # standard deviation of the extra samples around a source, in its σ
SOURCE_DISCOUNT = 1.0  # share of f by which residuals are reduced within a source
FAR_FIELD_SIGMAS = 5.0  # from this many σ on, the field of a source is a point source's


def source(x: Tensor, y: Tensor, places: Sequence[tuple[float, float]], width: float) -> Tensor:
    """The sources f (n,) at coordinates (n,), for σ = `width`."""
    total = torch.zeros_like(x)
    for a, b in places:
        total += torch.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * width**2))
    return total / (2 * math.pi * width**2)


def helmholtz_problem(
    slowness: Map,
    wavenumber: float,
    places: Sequence[tuple[float, float]],
    width: float,
    layer: Layer,
    points: int,
    near: int,
) -> Problem:
    """The problem; its unknowns are real and imaginary part.

    `points` are drawn in the box each step, and `near` ones around sources.
    """
    size = TYPICAL_FIELD * math.exp(-((wavenumber * width) ** 2) / 2) / math.exp(-0.5)
    centres = torch.tensor(places)

    def residual(u: Jet, at: Tensor) -> Tensor:
        value, gradient, second = as_complex(u)
        x, y = at.T
        radiated = source(x, y, places, width)
        turned = (wavenumber * slowness(x, y)) ** 2 * value[:, 0]
        found = layer.laplacian(gradient, second, at)[:, 0] + turned + radiated
        return torch.view_as_real(found) / (size * wavenumber**2 + SOURCE_DISCOUNT * radiated)[:, None]

    def around(draw: Draw) -> Tensor:
        where = draw.generator.device
        chosen = torch.arange(near, device=where) % len(centres)
        moved = SOURCE_SAMPLE_SIGMAS * width * torch.randn(near, 2, generator=draw.generator, device=where)
        return (centres.to(where)[chosen] + moved).clamp(-layer.half, layer.half)

    return Problem(
        layer.box,
        2,
        {
            "helmholtz": Equation(
                inside(layer.box, points), residual, 1.0, PURE_SECOND_DERIVATIVES, adaptive=True
            ),
            "sources": Equation(around, residual, 1.0, PURE_SECOND_DERIVATIVES),
        },
        size,
        linear=True,
    )


def closed_form(
    x: Float, y: Float, wavenumber: float, places: Sequence[tuple[float, float]], width: float
) -> Float:
    """Φ complex in a uniform medium, at coordinates of any shape; NaN near sources."""
    factor = -0.25j * math.exp(-((wavenumber * width) ** 2) / 2)
    total = np.zeros(np.shape(x), complex)
    for a, b in places:
        distance = np.hypot(x - a, y - b)
        far = distance > FAR_FIELD_SIGMAS * width
        total += np.where(far, factor * hankel2(0, wavenumber * np.where(far, distance, 1.0)), np.nan)
    return total

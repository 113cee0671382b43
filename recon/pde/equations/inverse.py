"""Full waveform inversion: an unknown slowness from waves recorded around it (Sitzmann et al. 2020, 4.3).

The unknowns are the scattered field u of every source at every wavenumber, and the slowness s. With u₀, the
source's field in a uniform medium, in closed form, and s = 1 outside the ring of sources and receivers:

    ΔΦ + k² s² Φ = -f,   Φ = u₀ + u    ⇒    Δu + k² (s² u + (s² - 1) u₀) = 0,      u = data at the receivers

√|∇s| is kept small: regions of one slowness.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon.errors import UsageError
from recon.field.jet import GRADIENT, VALUE, Jet
from recon.geometry import Float
from recon.pde.absorbing_layer import PURE_SECOND_DERIVATIVES, Layer, as_complex
from recon.pde.equations.helmholtz import MAX_WAVENUMBER
from recon.pde.problem import Box, Equation, Problem, at_points, inside

TYPICAL_SCATTERED_FIELD = 0.05  # magnitude
TYPICAL_SLOWNESS_CHANGE = 0.5  # magnitude of s - 1
WEIGHTS = {"helmholtz": 1.0, "inside": 1.0, "receivers": 30.0, "regions": 1e-3}
RIM_FRACTION, RIM_SOFTNESS = 0.93, 0.01  # of the ring's radius; width of the step to 1 there
MIN_SQUARED_GRADIENT = 1e-4  # added to ‖∇s‖², whose fourth root has no derivative at zero


@dataclass(frozen=True, eq=False)
class Recording:
    """Waves of point sources (s, 2), recorded at receivers (r, 2), at wavenumbers (f,); float64.

    `scattered` (f, s, r) complex128 is the recorded field minus that in a uniform medium.
    """

    sources: Float
    receivers: Float
    wavenumbers: Float
    scattered: np.ndarray

    def check(self, region: float) -> None:
        """Raise UsageError if shapes do not match or places are outside ±`region`."""
        for name, places in (("sources", self.sources), ("receivers", self.receivers)):
            if places.ndim != 2 or places.shape[1:] != (2,) or not len(places):
                raise UsageError(f"{name} are {places.shape}, expected rows of x, y")
            if not np.abs(places).max() <= region:
                raise UsageError(f"{name} reach {np.abs(places).max():g}, expected all within ±{region:g}")
        k = self.wavenumbers
        if k.ndim != 1 or not len(k) or not ((k > 0) & (k <= MAX_WAVENUMBER)).all():
            raise UsageError(f"wavenumbers {k}, expected some, all above 0 and up to {MAX_WAVENUMBER:g}")
        wanted = (len(self.wavenumbers), len(self.sources), len(self.receivers))
        if self.scattered.shape != wanted:
            raise UsageError(
                f"scattered waves are {self.scattered.shape}, expected {wanted}: one a wavenumber, "
                "source and receiver"
            )
        if not np.isfinite(self.scattered).all():
            raise UsageError("some of the scattered waves are not finite")

    @property
    def ring(self) -> float:
        """The distance from zero within which the slowness is unknown."""
        return float(np.linalg.norm(np.concatenate((self.sources, self.receivers)), axis=1).min())


def incident(wavenumbers: Tensor, sources: Tensor, points: Tensor) -> Tensor:
    """The field u₀ (n, f, s) complex of unit point sources (s, 2) in a uniform medium, at points (n, 2)."""
    distance = torch.linalg.vector_norm(points[:, None] - sources, dim=2).clamp_min(1e-3)
    turned = wavenumbers[:, None] * distance[:, None]
    return torch.complex(-torch.special.bessel_y0(turned), -torch.special.bessel_j0(turned)) / 4


def slowness_of(output: Tensor, points: Tensor, ring: float) -> Tensor:
    """Slowness s (n,) from the field's last output (n,): one outside the ring."""
    within = torch.sigmoid((RIM_FRACTION * ring - torch.linalg.vector_norm(points, dim=1)) / RIM_SOFTNESS)
    return 1 + output * within


def inverse_problem(recording: Recording, layer: Layer, points: int) -> Problem:
    """The problem; unknowns: real and imaginary part of every scattered field by wavenumber, then s - 1.

    `points` are drawn in the box each step, and as many within the ring's square.
    """
    sources = torch.as_tensor(recording.sources).float()
    wavenumbers = torch.as_tensor(recording.wavenumbers).float()
    receivers = torch.as_tensor(recording.receivers).float()
    fields = len(wavenumbers) * len(sources)
    data = torch.as_tensor(recording.scattered).permute(2, 0, 1).to(torch.complex64)
    ring, even = recording.ring, 1 / math.sqrt(fields)

    def residual(u: Jet, at: Tensor) -> Tensor:
        value, gradient, second = as_complex(u, 2 * fields)
        turns = (wavenumbers.to(at) ** 2).repeat_interleave(len(sources))
        squared = slowness_of(u.value[:, -1], at, ring)[:, None] ** 2
        arriving = incident(wavenumbers.to(at), sources.to(at), at).flatten(1)
        found = layer.laplacian(gradient, second, at) / turns + squared * value + (squared - 1) * arriving
        return torch.view_as_real(found * (even / TYPICAL_SCATTERED_FIELD)).flatten(1)

    def misfit(u: Jet, at: Tensor, recorded: Tensor) -> Tensor:
        value = torch.view_as_complex(u.value[:, :-1].unflatten(-1, (-1, 2)).contiguous())
        return torch.view_as_real((value - recorded.flatten(1)) * (even / TYPICAL_SCATTERED_FIELD)).flatten(1)

    def regions(u: Jet, at: Tensor) -> Tensor:
        return (u.gradient[..., -1].square().sum(0) + MIN_SQUARED_GRADIENT).sqrt().sqrt()

    middle: Box = ((-ring, ring), (-ring, ring))
    return Problem(
        layer.box,
        2 * fields + 1,
        {
            "helmholtz": Equation(
                inside(layer.box, points), residual, WEIGHTS["helmholtz"], PURE_SECOND_DERIVATIVES
            ),
            "inside": Equation(inside(middle, points), residual, WEIGHTS["inside"], PURE_SECOND_DERIVATIVES),
            "receivers": Equation(at_points(receivers, data), misfit, WEIGHTS["receivers"], VALUE),
            "regions": Equation(inside(middle, points // 2), regions, WEIGHTS["regions"], GRADIENT),
        },
        (*[TYPICAL_SCATTERED_FIELD] * (2 * fields), TYPICAL_SLOWNESS_CHANGE),
    )

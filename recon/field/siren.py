"""The function: a multilayer perceptron with sine activations.

    h_0 = x,   h_{i+1} = sin(ω_i (W_i h_i + b_i)),   Φ(x) = W_n h_n + b_n

Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic
Activation Functions", NeurIPS 2020, arXiv:2006.09661, sections 3.1-3.2.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from recon.config import FieldConfig
from recon.field.kernels.rows import over_rows
from recon.field.kernels.sines import sine_


class Siren(nn.Module):
    """A SIREN `Φ: R^m → R^k` on coordinates of the unit frame.

    weights  n + 1 tensors (out, in); all but the last belong to sine layers
    biases   n + 1 tensors (out,)
    omegas   n floats, the frequency factor of each sine layer

    Initialised as the paper's section 3.2 says: the first layer `U(±1/m)`, every other
    `U(±sqrt(6/fan_in)/ω)`, so that ωWh is N(0, 1) at any depth. Biases, of which the paper
    does not speak, are `U(±1/sqrt(fan_in))`, as in its code.

    `generator` draws the weights (a CPU generator; None: a fresh one with seed 0), in float64 and
    then rounded, so that a seed names the same field on every device and in every precision.
    """

    def __init__(
        self,
        config: FieldConfig,
        inputs: int = 3,
        outputs: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        sizes = [inputs] + [config.width] * (config.hidden + 1) + [outputs]
        self.omegas = [config.omega_first] + [config.omega_hidden] * config.hidden
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for layer, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            omega = self.omegas[min(layer, config.hidden)]
            bound = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / omega
            self.weights.append(_uniform((fan_out, fan_in), bound, generator))
            self.biases.append(_uniform((fan_out,), 1 / math.sqrt(fan_in), generator))

    def forward(self, x: Tensor) -> Tensor:
        """Values: (n, m) → (n, k)."""
        h = x
        for weight, bias, omega in zip(self.weights[:-1], self.biases[:-1], self.omegas, strict=True):
            h = torch.addmm(omega * bias, h, (omega * weight).t()).sin()
        return torch.addmm(self.biases[-1], h, self.weights[-1].t())

    def values(self, x: Tensor) -> Tensor:
        """The same without gradients, the fast way."""
        return torch.cat(over_rows(lambda part: self._rows(x[part]), x))

    def _rows(self, h: Tensor) -> Tensor:
        for weight, bias, omega in zip(self.weights[:-1], self.biases[:-1], self.omegas, strict=True):
            h = sine_(torch.addmm(omega * bias, h, (omega * weight).t()))
        return torch.addmm(self.biases[-1], h, self.weights[-1].t())


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> nn.Parameter:
    draw = torch.rand(shape, generator=generator, dtype=torch.float64)
    return nn.Parameter(((2 * draw - 1) * bound).to(torch.get_default_dtype()))

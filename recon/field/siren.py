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

    flat     (p,) the one parameter: the hidden layers' weights, first, then all else
    weights  n + 1 views of it (out, in); all but the last belong to sine layers
    biases   n + 1 views of it (out,)
    omegas   n floats, the frequency factor of each sine layer
    factors  (p,) the one that belongs to each number of `flat`: its layer's ω, 1 in the linear layer

    Initialised as the paper's section 3.2 says: the first layer `U(±1/m)`, every other
    `U(±sqrt(6/fan_in)/ω)`, so that ωWh is N(0, 1) at any depth. Biases, of which the paper
    does not speak, are `U(±1/sqrt(fan_in))`, as in its code.

    With a `spread` above one, the first layer's units take evenly spaced octaves: the rows of its
    weights are those of the paper times 1 .. spread, in geometric steps.

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
        self.omegas = [config.omega_first] + [config.omega_hidden] * config.hidden
        sizes = [inputs] + [config.width] * (config.hidden + 1) + [outputs]
        self._shapes = [(fan_out, fan_in) for fan_in, fan_out in pairwise(sizes)]
        weights, biases, factors = [], [], []
        for layer, (fan_out, fan_in) in enumerate(self._shapes):
            omega = self.omegas[min(layer, config.hidden)]
            bound = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / omega
            weight = _uniform(fan_out * fan_in, bound, generator)
            if layer == 0:
                weight *= torch.logspace(0, math.log10(config.spread or 1), fan_out).repeat_interleave(fan_in)
            weights.append(weight)
            biases.append(_uniform(fan_out, 1 / math.sqrt(fan_in), generator))
            factors.append(omega if layer <= config.hidden else 1.0)
        ordered = [*weights[1:-1], weights[0], weights[-1], *biases]
        each = torch.tensor([*factors[1:-1], factors[0], factors[-1], *factors])
        self._lengths = [len(piece) for piece in ordered]
        self.flat = nn.Parameter(torch.cat(ordered).to(torch.get_default_dtype()))
        self.factors: Tensor
        self.register_buffer("factors", each.repeat_interleave(torch.tensor(self._lengths)), persistent=False)

    @property
    def weights(self) -> list[Tensor]:
        return self.split(self.flat)[0]

    @property
    def biases(self) -> list[Tensor]:
        return self.split(self.flat)[1]

    @property
    def hidden_shape(self) -> tuple[int, int, int]:
        """Number, rows and columns of the hidden layers' weights, with which `flat` begins."""
        return len(self._shapes) - 2, *self._shapes[1]

    def split(self, flat: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Views of a vector (p,) that is laid out as `flat`: weights, biases."""
        pieces = flat.split(self._lengths)
        hidden = len(self._shapes) - 2
        weights = [pieces[hidden], *pieces[:hidden], pieces[hidden + 1]]
        shaped = [piece.view(shape) for piece, shape in zip(weights, self._shapes, strict=True)]
        return shaped, list(pieces[hidden + 2 :])

    def scaled(self) -> tuple[list[Tensor], list[Tensor]]:
        """What points meet: ωW and ωb of the sine layers, and the linear layer's W and b."""
        return self.split(self.flat * self.factors)

    def forward(self, x: Tensor) -> Tensor:
        """Values: (n, m) → (n, k)."""
        h = x
        weights, biases = self.scaled()
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            h = torch.addmm(bias, h, weight.t()).sin()
        return torch.addmm(biases[-1], h, weights[-1].t())

    @torch.no_grad()
    def values(self, x: Tensor) -> Tensor:
        """The same without gradients, the fast way."""
        weights, biases = self.scaled()

        def rows(part: slice) -> Tensor:
            h = x[part]
            for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
                h = sine_(torch.addmm(bias, h, weight.t()))
            return torch.addmm(biases[-1], h, weights[-1].t())

        return torch.cat(over_rows(rows, x))


def _uniform(count: int, bound: float, generator: torch.Generator) -> Tensor:
    return (2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1) * bound

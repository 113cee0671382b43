"""The field: a multilayer perceptron with sine activations.

    h_0 = x,   h_{i+1} = sin(ω_i (W_i h_i + b_i)),   Φ(x) = W_n h_n + b_n

Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic Activation
Functions", NeurIPS 2020, arXiv:2006.09661, sections 3.1-3.2.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from recon.field.activations import ACTIVATIONS
from recon.field.jet import VALUE, Order
from recon.field.kernels.parallel_rows import over_rows
from recon.field.settings import FieldConfig

MAX_AXES, MAX_OUTPUTS = 16, 1 << 16


class Siren(nn.Module):
    """A SIREN `Φ: R^m → R^k` on coordinates of the unit frame.

    Initialised as in the paper's section 3.2: the first layer `U(±1/m)`, every other `U(±sqrt(6/fan_in)/ω)`,
    so that ωWh is N(0, 1) at any depth; biases `U(±1/sqrt(fan_in))`, as in its code. With a `spread` above
    one, the rows of the first layer's weights are multiplied by 1 .. spread, in geometric steps.

    `generator` draws the weights (a CPU generator; None: seed 0), in float64 and then rounded, so that a seed
    gives the same field on every device and in every precision.

    Attributes:
        flat: (p,) the only parameter: the hidden layers' weights, then all others.
        weights: n + 1 views of it (out, in); all but the last belong to sine layers.
        biases: n + 1 views of it (out,).
        axes: m.
        omegas: n floats, the frequency factor of each sine layer.
        factors: (p,) the layer's ω for each number of `flat`, 1 in the linear layer.
    """

    def __init__(
        self, config: FieldConfig, inputs: int = 3, outputs: int = 1, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        self.axes = inputs
        self.activation = activation = ACTIVATIONS[config.activation]
        wanted = [config.omega_first] + [config.omega_hidden] * config.hidden
        self.omegas = [activation.omega(omega) for omega in wanted]
        self.octaves = config.octaves if activation.encoded else 0
        features = inputs * (1 + 2 * (self.octaves or 0))
        sizes = [features] + [config.units] * (config.hidden + 1) + [outputs]
        self._shapes = [(fan_out, fan_in) for fan_in, fan_out in pairwise(sizes)]
        weights, biases, factors = [], [], []
        for layer, (fan_out, fan_in) in enumerate(self._shapes):
            omega = self.omegas[min(layer, config.hidden)]
            weight = _uniform(fan_out * fan_in, activation.bound(fan_in, omega, layer == 0), generator)
            if layer == 0 and activation.periodic:
                weight *= torch.logspace(0, math.log10(config.spread or 1), fan_out).repeat_interleave(fan_in)
            weights.append(weight)
            widest = 1 / math.sqrt(fan_in)
            if layer == 0:
                widest = activation.bias or widest
            biases.append(_uniform(fan_out, widest, generator))
            factors.append(omega if layer <= config.hidden else 1.0)
        ordered = [*weights[1:-1], weights[0], weights[-1], *biases]
        each = torch.tensor([*factors[1:-1], factors[0], factors[-1], *factors])
        self._lengths = [len(piece) for piece in ordered]
        self.flat = nn.Parameter(torch.cat(ordered).to(torch.get_default_dtype()))
        self.factors: Tensor
        self.register_buffer("factors", each.repeat_interleave(torch.tensor(self._lengths)), persistent=False)

    @classmethod
    def restored(
        cls, config: FieldConfig, state: dict[str, Tensor], inputs: int = 3, outputs: int = 1
    ) -> "Siren":
        """A field with the parameters in `state`. Raises ValueError or RuntimeError if they do not fit."""
        if config.width is None:
            raise ValueError("a field without a width")
        sizes = [inputs, *[config.units] * (config.hidden + 1), outputs]
        if not (0 < inputs < MAX_AXES and 0 < outputs < MAX_OUTPUTS):
            raise ValueError(f"a field from {inputs} to {outputs} numbers")
        if state["flat"].numel() < sum(a * b for a, b in pairwise(sizes)):  # before they are allocated
            raise ValueError(f"{state['flat'].numel():,} parameters for layers of {config.units:,} units")
        siren = cls(config, inputs, outputs)
        siren.load_state_dict(state)
        return siren

    @property
    def weights(self) -> list[Tensor]:
        """Views of `flat`, one (out, in) a layer."""
        return self.split(self.flat)[0]

    @property
    def biases(self) -> list[Tensor]:
        """Views of `flat`, one (out,) a layer."""
        return self.split(self.flat)[1]

    @property
    def hidden_shape(self) -> tuple[int, int, int]:
        """Number, rows and columns of the hidden layers' weights, with which `flat` begins."""
        return len(self._shapes) - 2, *self._shapes[1]

    def split(self, flat: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Views of vectors (…, p) laid out as `flat`: weights (…, out, in), biases (…, out)."""
        pieces = flat.split(self._lengths, -1)
        hidden = len(self._shapes) - 2
        weights = [pieces[hidden], *pieces[:hidden], pieces[hidden + 1]]
        more = flat.shape[:-1]
        shaped = [piece.view(*more, *shape) for piece, shape in zip(weights, self._shapes, strict=True)]
        return shaped, list(pieces[hidden + 2 :])

    def scaled(self) -> tuple[list[Tensor], list[Tensor]]:
        """Weights and biases as applied: ωW and ωb of the sine layers, W and b of the linear one."""
        return self.split(self.flat * self.factors)

    def forward(self, x: Tensor) -> Tensor:
        """Values: (n, m) → (n, k)."""
        return torch.addmm(self.biases[-1], self.hidden(x), self.weights[-1].t())

    def hidden(self, x: Tensor) -> Tensor:
        """The units of the last hidden layer: (n, m) → (n, K)."""
        weights, biases = self.scaled()
        h = self.encoded(x)[0]
        for weight, bias, omega in zip(weights[:-1], biases[:-1], self.omegas, strict=True):
            h = self.activation.plain(torch.addmm(bias, h, weight.t()), omega)
        return h

    @torch.no_grad()
    def values(self, x: Tensor) -> Tensor:
        """The same as `forward` without gradients, by the fast kernels."""
        weights, biases = self.scaled()

        def rows(part: slice) -> Tensor:
            h = self.encoded(x[part])[0]
            for weight, bias, omega in zip(weights[:-1], biases[:-1], self.omegas, strict=True):
                h = self.activation.derivatives(torch.addmm(bias, h, weight.t()), omega, 0)[0]
            return torch.addmm(biases[-1], h, weights[-1].t())

        return torch.cat(over_rows(rows, x))

    def encoded(self, x: Tensor, order: Order = VALUE) -> Tensor:
        """The first layer's input at x (n, m), and its derivatives: (blocks, n, features)."""
        n, axes = x.shape
        stack = x.new_zeros(order.blocks(axes), n, axes, 1 + 2 * (self.octaves or 0))
        stack[0, ..., 0] = x
        if order.first:
            for axis in range(axes):
                stack[1 + axis, :, axis, 0] = 1
        if self.octaves:
            rates = math.pi * 2.0 ** torch.arange(self.octaves, dtype=x.dtype, device=x.device)
            sine, cosine = torch.sin(x[..., None] * rates), torch.cos(x[..., None] * rates)
            stack[0, ..., 1:] = torch.cat((sine, cosine), -1)
            if order.first:
                slope = torch.cat((rates * cosine, -rates * sine), -1)
                for axis in range(axes):
                    stack[1 + axis, :, axis, 1:] = slope[:, axis]
            for place, pairs in enumerate(order.second, 1 + axes):
                for a, b in pairs:
                    if a == b:
                        stack[place, :, a, 1:] -= torch.cat((rates, rates)).square() * stack[0, :, a, 1:]
        return stack.flatten(2)


def _uniform(count: int, bound: float, generator: torch.Generator) -> Tensor:
    return (2 * torch.rand(count, generator=generator, dtype=torch.float64) - 1) * bound

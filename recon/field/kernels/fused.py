"""Value and input gradient of a scalar SIREN, and the parameters' gradients, in one derived pass.

With V_i = ω_i W_i, z_i = V_i h_{i-1} + ω_i b_i, h_i = sin z_i, c_i = cos z_i, the input gradient is
the sweep a_n = w, d_i = a_i ∘ c_i, a_{i-1} = V_iᵀ d_i, ∇Φ = a_0. Given ∂L/∂Φ and ∂L/∂∇Φ, the adjoint of
that sweep and then of the forward pass give all parameter gradients: six matrix products a layer
(autograd's double backward through the same field needs the same six, but stores and re-reads far
more). The plain version is `recon.field.calculus.value_and_gradient_plain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.field.kernels.rows import over_rows
from recon.field.kernels.sines import sine_cosine_


@dataclass(frozen=True)
class Layers:
    """The sine layers as V and β = ωb, the linear one as w and b; ω for the way back."""

    omegas: list[float]
    scaled: list[Tensor]
    shifts: list[Tensor]
    last: Tensor
    last_bias: Tensor

    @classmethod
    def of(cls, omegas: list[float], weights: tuple[Tensor, ...], biases: tuple[Tensor, ...]) -> Layers:
        scaled = [omega * weight for omega, weight in zip(omegas, weights, strict=False)]
        shifts = [omega * bias for omega, bias in zip(omegas, biases, strict=False)]
        return cls(omegas, scaled, shifts, weights[-1], biases[-1])


@dataclass(frozen=True)
class Passed:
    """What a forward pass over some rows leaves for the way back: h_0..h_n, c_1..c_n, a_1..a_n, d_1..d_n."""

    h: list[Tensor]
    cosines: list[Tensor]
    a: list[Tensor]
    d: list[Tensor]


def forward_rows(x: Tensor, layers: Layers) -> tuple[Tensor, Tensor, Passed]:
    """x (n, m) → Φ (n,), ∇Φ (n, m), and what is needed to go back."""
    h, cosines = [x], []
    for scaled, shift in zip(layers.scaled, layers.shifts, strict=True):
        sine, cosine = sine_cosine_(torch.addmm(shift, h[-1], scaled.t()))
        h.append(sine)
        cosines.append(cosine)
    value = torch.addmm(layers.last_bias, h[-1], layers.last.t()).squeeze(1)
    a, d = [layers.last.expand_as(h[-1])], []
    for scaled, cosine in zip(reversed(layers.scaled), reversed(cosines), strict=True):
        d.append(a[-1] * cosine)
        a.append(torch.mm(d[-1], scaled))
    gradient = a.pop()
    return value, gradient, Passed(h, cosines, a[::-1], d[::-1])


def backward_rows(value_grad: Tensor, gradient_grad: Tensor, layers: Layers, passed: Passed) -> list[Tensor]:
    """∂L/∂Φ (n,) and ∂L/∂∇Φ (n, m) → ∂L/∂ of all weights, then of all biases, summed over the rows."""
    weight_grads, bias_grads, z_grads = [], [], []
    a_grad = gradient_grad
    for layer, scaled in enumerate(layers.scaled):  # the adjoint of the sweep, from input to output
        weight_grads.append(torch.mm(passed.d[layer].t(), a_grad))
        d_grad = torch.mm(a_grad, scaled.t())
        a_grad = d_grad * passed.cosines[layer]
        z_grads.append(d_grad.mul_(passed.a[layer]).mul_(passed.h[layer + 1]).neg_())
    last_grad = a_grad.sum(0, keepdim=True).addmm_(value_grad[None, :], passed.h[-1])
    h_grad = value_grad[:, None] * layers.last
    for layer in reversed(range(len(layers.scaled))):  # the adjoint of the forward pass, back again
        z_grad = z_grads[layer].addcmul_(h_grad, passed.cosines[layer])
        weight_grads[layer].addmm_(z_grad.t(), passed.h[layer]).mul_(layers.omegas[layer])
        bias_grads.append(z_grad.sum(0).mul_(layers.omegas[layer]))
        if layer:
            h_grad = torch.mm(z_grad, layers.scaled[layer])
    return [*weight_grads, last_grad, *reversed(bias_grads), value_grad.sum().reshape(1)]


class ValueAndGradient(torch.autograd.Function):
    """(x (n, m), omegas, *weights, *biases) → Φ (n,), ∇Φ (n, m); differentiable once, in the parameters."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, omegas: list[float], *parameters: Tensor) -> tuple[Tensor, Tensor]:
        count = len(omegas) + 1
        layers = Layers.of(omegas, parameters[:count], parameters[count:])
        rows = over_rows(lambda part: (part, *forward_rows(x[part], layers)), x)
        if any(ctx.needs_input_grad):
            ctx.layers, ctx.passed = layers, [(part, passed) for part, _, _, passed in rows]
        return torch.cat([value for _, value, _, _ in rows]), torch.cat([slope for _, _, slope, _ in rows])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, value_grad: Tensor, gradient_grad: Tensor) -> tuple[Tensor | None, ...]:
        passed = {part.start: one for part, one in ctx.passed}
        rows = over_rows(
            lambda part: backward_rows(value_grad[part], gradient_grad[part], ctx.layers, passed[part.start]),
            value_grad,
        )
        return (None, None, *(sum_of(parts) for parts in zip(*rows, strict=True)))


def sum_of(parts: tuple[Tensor, ...]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total

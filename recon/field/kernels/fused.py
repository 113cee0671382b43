"""Value and input gradient of a scalar SIREN, and the parameters' gradients, in one derived pass.

With V_i = ω_i W_i, z_i = V_i h_{i-1} + ω_i b_i, h_i = sin z_i, c_i = cos z_i, the input gradient is the sweep
a_n = w, d_i = a_i ∘ c_i, a_{i-1} = V_iᵀ d_i, ∇Φ = a_0. Given ∂L/∂Φ and ∂L/∂∇Φ, the adjoints of that sweep and
of the forward pass give all parameter gradients: six matrix products a layer (autograd's double backward
needs the same six, but stores and re-reads far more). The plain version is
`recon.field.derivatives.jet_plain`. It has two thirds of the products of `jets.py`, which is for any number
of outputs, second derivatives and other activations.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.field.kernels.parallel_rows import over_rows
from recon.field.kernels.products import tf32_products
from recon.field.kernels.sines import sine_cosine_
from recon.field.siren import Siren

# (rows, Φ (n,), ∇Φ (n, m)) → ∂L/∂Φ (n,), ∂L/∂∇Φ (n, m), the sums that these rows add to the terms (k,)
LossOfRows = Callable[[slice, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class Layers:
    """The sine layers as V and β = ωb, the linear one as w and b."""

    field: Siren
    scaled: list[Tensor]
    shifts: list[Tensor]
    last: Tensor
    last_bias: Tensor

    @classmethod
    def of(cls, field: Siren) -> "Layers":
        """The layers of `field`, detached."""
        weights, biases = field.split(field.flat.detach() * field.factors)
        return cls(field, weights[:-1], biases[:-1], weights[-1], biases[-1])


@dataclass(frozen=True)
class ForwardCache:
    """What the forward pass stores for the backward pass: h_0..h_n, c_1..c_n, (a ∘ h)_1..n, d_1..d_n."""

    h: list[Tensor]
    cosines: list[Tensor]
    ah: list[Tensor]
    d: list[Tensor]


def forward_rows(x: Tensor, layers: Layers) -> tuple[Tensor, Tensor, ForwardCache]:
    """Φ (n,) and ∇Φ (n, m) at x (n, m), and the cache for `backward_rows`."""
    h, cosines = [x], []
    for scaled, shift in zip(layers.scaled, layers.shifts, strict=True):
        sine, cosine = sine_cosine_(torch.addmm(shift, h[-1], scaled.t()))
        h.append(sine)
        cosines.append(cosine)
    value = torch.addmm(layers.last_bias, h[-1], layers.last.t()).squeeze(1)
    ah, d = [layers.last * h[-1]], [layers.last * cosines[-1]]
    for layer in range(len(layers.scaled) - 1, 0, -1):
        a = torch.mm(d[-1], layers.scaled[layer])
        d.append(a * cosines[layer - 1])
        ah.append(a.mul_(h[layer]))
    return value, torch.mm(d[-1], layers.scaled[0]), ForwardCache(h, cosines, ah[::-1], d[::-1])


def backward_rows(value_grad: Tensor, gradient_grad: Tensor, layers: Layers, cache: ForwardCache) -> Tensor:
    """∂L/∂Φ (n,) and ∂L/∂∇Φ (n, m) → ∂L/∂ of all parameters (p,) in V and β, summed over the rows.

    The chain rule's last factor, `field.factors`, is left out. `cache` is overwritten.
    """
    with tf32_products(value_grad.device):
        return _backward_rows(value_grad, gradient_grad, layers, cache)


def _backward_rows(value_grad: Tensor, gradient_grad: Tensor, layers: Layers, cache: ForwardCache) -> Tensor:
    flat = torch.empty_like(layers.field.flat)
    weight_grads, bias_grads = layers.field.split(flat)
    a_grad, d_grads = gradient_grad, []
    for layer, scaled in enumerate(layers.scaled):  # the adjoint of the sweep, from input to output
        torch.mm(cache.d[layer].t(), a_grad, out=weight_grads[layer])
        d_grads.append(torch.mm(a_grad, scaled.t()))
        a_grad = d_grads[-1] * cache.cosines[layer]
    torch.sum(a_grad, 0, keepdim=True, out=weight_grads[-1]).addmm_(value_grad[None, :], cache.h[-1])
    torch.sum(value_grad, 0, keepdim=True, out=bias_grads[-1])
    h_grad = value_grad[:, None] * layers.last
    for layer in reversed(range(len(layers.scaled))):  # the adjoint of the forward pass, back again
        z_grad = h_grad.mul_(cache.cosines[layer]).addcmul_(d_grads[layer], cache.ah[layer], value=-1)
        weight_grads[layer].addmm_(z_grad.t(), cache.h[layer])
        torch.sum(z_grad, 0, out=bias_grads[layer])
        if layer:
            h_grad = torch.mm(z_grad, layers.scaled[layer])
    return flat


def loss_gradient(field: Siren, x: Tensor, loss_of_rows: LossOfRows) -> tuple[Tensor, Tensor]:
    """The parameters' gradient (p,) of a loss that is a sum over the points x (n, m), and its terms (k,)."""
    layers = Layers.of(field)

    def forward_backward(part: slice) -> tuple[Tensor, Tensor]:
        value, gradient, cache = forward_rows(x[part], layers)
        value_grad, gradient_grad, terms = loss_of_rows(part, value, gradient)
        return backward_rows(value_grad, gradient_grad, layers, cache), terms

    flats, terms = zip(*over_rows(forward_backward, x), strict=True)
    return reduce(Tensor.add_, flats).mul_(field.factors), reduce(Tensor.add_, terms)


class ValueAndGradient(torch.autograd.Function):
    """(x (n, m), field, its flat (p,)) → Φ (n,), ∇Φ (n, m); differentiable once, in `flat`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, field: Siren, flat: Tensor) -> tuple[Tensor, Tensor]:
        """Φ and ∇Φ, row by row."""
        layers = Layers.of(field)
        rows = over_rows(lambda part: (part, *forward_rows(x[part], layers)), x)
        if any(ctx.needs_input_grad):
            ctx.layers, ctx.cache = layers, {part.start: cache for part, _, _, cache in rows}
        return torch.cat([value for _, value, _, _ in rows]), torch.cat([slope for _, _, slope, _ in rows])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, value_grad: Tensor, gradient_grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient in `flat`."""
        rows = over_rows(
            lambda part: backward_rows(
                value_grad[part], gradient_grad[part], ctx.layers, ctx.cache.pop(part.start)
            ),
            value_grad,
        )
        return None, None, reduce(Tensor.add_, rows).mul_(ctx.layers.field.factors)

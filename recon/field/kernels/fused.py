"""Value and input gradient of a scalar SIREN, and the parameters' gradients, in one derived pass.

With V_i = ω_i W_i, z_i = V_i h_{i-1} + ω_i b_i, h_i = sin z_i, c_i = cos z_i, the input gradient is
the sweep a_n = w, d_i = a_i ∘ c_i, a_{i-1} = V_iᵀ d_i, ∇Φ = a_0. Given ∂L/∂Φ and ∂L/∂∇Φ, the adjoint of
that sweep and then of the forward pass give all parameter gradients: six matrix products a layer
(autograd's double backward through the same field needs the same six, but stores and re-reads far
more). The plain version is `recon.field.calculus.value_and_gradient_plain`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.field.kernels.sines import sine_cosine_


class ValueAndGradient(torch.autograd.Function):
    """(x (n, m), omegas, *weights, *biases) → Φ (n,), ∇Φ (n, m); differentiable once, in the parameters."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, omegas: list[float], *parameters: Tensor) -> tuple[Tensor, Tensor]:
        depth = len(omegas)
        weights, biases = parameters[: depth + 1], parameters[depth + 1 :]
        scaled = [omega * weight for omega, weight in zip(omegas, weights, strict=False)]
        h, cosines = [x], []
        for layer in range(depth):
            z = torch.addmm(omegas[layer] * biases[layer], h[-1], scaled[layer].t())
            sine, cosine = sine_cosine_(z)
            h.append(sine)
            cosines.append(cosine)
        last = weights[-1]
        value = torch.addmm(biases[-1], h[-1], last.t()).squeeze(1)
        a, d = [last.expand_as(h[-1])], []
        for layer in reversed(range(depth)):
            d.append(a[-1] * cosines[layer])
            a.append(torch.mm(d[-1], scaled[layer]))
        gradient = a.pop()
        ctx.omegas = omegas
        ctx.save_for_backward(*scaled, last, *h, *cosines, *reversed(a), *reversed(d))
        return value, gradient

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_value: Tensor, grad_gradient: Tensor) -> tuple[Tensor | None, ...]:
        omegas, n = ctx.omegas, len(ctx.omegas)
        saved = iter(ctx.saved_tensors)
        take = lambda count: [next(saved) for _ in range(count)]  # noqa: E731
        scaled, last, h, cosines, a, d = take(n), take(1)[0], take(n + 1), take(n), take(n), take(n)

        weight_grads, bias_grads, z_grads = [], [], []
        a_grad = grad_gradient
        for layer in range(n):  # the adjoint of the sweep, from the input to the output
            weight_grads.append(torch.mm(d[layer].t(), a_grad))
            d_grad = torch.mm(a_grad, scaled[layer].t())
            a_grad = d_grad * cosines[layer]
            z_grads.append(d_grad.mul_(a[layer]).mul_(h[layer + 1]).neg_())
        last_grad = a_grad.sum(0, keepdim=True).addmm_(grad_value[None, :], h[n])
        last_bias_grad = grad_value.sum().reshape(1)

        h_grad = grad_value[:, None] * last
        for layer in reversed(range(n)):  # the adjoint of the forward pass, back to the input
            z_grad = z_grads[layer].addcmul_(h_grad, cosines[layer])
            weight_grads[layer].addmm_(z_grad.t(), h[layer]).mul_(omegas[layer])
            bias_grads.append(z_grad.sum(0).mul_(omegas[layer]))
            if layer:
                h_grad = torch.mm(z_grad, scaled[layer])
        return (None, None, *weight_grads, last_grad, *reversed(bias_grads), last_bias_grad)

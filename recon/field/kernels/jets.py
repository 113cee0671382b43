"""Value, first and second derivatives of any field, and the parameters' gradients, in one derived pass.

Derivatives are propagated through the layers beside the value (h: value, J_a: first derivatives, Q_c: a sum
of second derivatives over pairs of axes), so that a layer is one matrix product of all of them stacked:

    h⁺ = f(z),   J⁺_a = f'(z) z_a,   Q⁺_c = f'(z) z_c + f''(z) Σ z_a z_b
    with z = V h + β,  z_a = V J_a,  z_c = V Q_c

Its adjoint, with ḣ for ∂L/∂h:

    ż_c = f' Q̇_c,   ż_a = f' J̇_a + f'' Σ_c Q̇_c Σ z_b
    ż = f' ḣ + f'' (Σ_a z_a J̇_a + Σ_c z_c Q̇_c) + f''' Σ_c Q̇_c Σ z_a z_b

needs f''', and one product for the weights and one for the layer below: three a layer in all, as for a plain
network, on as many rows as there are derivatives. The plain version is `recon.field.derivatives.jet_plain`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.field.jet import Jet, Order, Pairs
from recon.field.kernels.parallel_rows import in_parallel, over_rows
from recon.field.kernels.products import tf32_products
from recon.field.siren import Siren

# (rows, their jet) → the loss these rows add, differentiable in the jet, and what they add to the terms (t,)
LossOfRows = Callable[[slice, Jet], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class _LayerCache:
    """What a layer stores: input (blocks, n, in), z_a and z_c (blocks - 1, n, out), f' to f''' (n, out)."""

    below: Tensor
    slopes: Tensor
    derivatives: list[Tensor]


def forward_rows(
    x: Tensor, field: Siren, flat: Tensor, order: Order, back: bool
) -> tuple[Tensor, list[_LayerCache]]:
    """The stack (blocks, n, k) of value and derivatives at x (n, m) and, with `back`, the cache.

    `flat` is the field's, times its factors.
    """
    stack, cache = hidden_rows(x, field, flat, order, back)
    weights, biases = field.split(flat)
    if back:
        cache.append(_LayerCache(stack, stack[:0], []))
    return linear(stack, weights[-1], biases[-1]), cache


def hidden_rows(
    x: Tensor, field: Siren, flat: Tensor, order: Order, back: bool = False
) -> tuple[Tensor, list[_LayerCache]]:
    """The same of the last hidden layer's units (blocks, n, K)."""
    axes = x.shape[1]
    weights, biases = field.split(flat)
    stack, cache = field.encoded(x, order), []
    for weight, bias, omega in zip(weights[:-1], biases[:-1], field.omegas, strict=True):
        z = linear(stack, weight, bias)
        found = field.activation.derivatives(z[0], omega, order.highest + int(back))
        slopes = z[1:]
        if back:
            cache.append(_LayerCache(stack, slopes, found[1:]))
        stack = found[0][None] if len(stack) == 1 else _propagate(found, slopes, order, axes)
    return stack, cache


def linear(stack: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The stack (blocks, n, out) that a layer makes of one (blocks, n, in): the bias is the value's alone."""
    blocks, n, width = stack.shape
    if blocks == 1:
        return torch.addmm(bias, stack[0], weight.t())[None]
    z = torch.mm(stack.view(-1, width), weight.t()).view(blocks, n, -1)
    z[0] += bias
    return z


def _propagate(found: list[Tensor], slopes: Tensor, order: Order, axes: int) -> Tensor:
    stack = slopes.new_empty(len(slopes) + 1, *slopes.shape[1:])
    stack[0] = found[0]
    torch.mul(slopes, found[1], out=stack[1:])
    for place, pairs in enumerate(order.second, 1 + axes):
        stack[place].addcmul_(found[2], _products(slopes, pairs))
    return stack


def _products(slopes: Tensor, pairs: Pairs) -> Tensor:
    """Σ z_a z_b."""
    (a, b), *others = pairs
    total = slopes[a] * slopes[b]
    for a, b in others:
        total.addcmul_(slopes[a], slopes[b])
    return total


def backward_rows(
    out_grad: Tensor, field: Siren, flat: Tensor, order: Order, cache: list[_LayerCache]
) -> Tensor:
    """∂L/∂ of the stack (blocks, n, k) → ∂L/∂ of all parameters (p,) in V and β, summed over the rows.

    The factor `field.factors` is left out. `cache` is emptied.
    """
    result = torch.empty_like(flat)
    weight_grads, bias_grads = field.split(result)
    weights, _ = field.split(flat)
    grad = out_grad
    for layer in range(len(weights) - 1, -1, -1):
        layer_cache = cache.pop()
        if layer_cache.derivatives:
            grad = _backpropagate(grad, layer_cache, order)
        rows, below = grad.reshape(-1, grad.shape[2]), layer_cache.below.view(-1, layer_cache.below.shape[2])
        torch.mm(rows.t(), below, out=weight_grads[layer])
        torch.sum(grad[0], 0, out=bias_grads[layer])
        if layer:
            grad = torch.mm(rows, weights[layer]).view(*grad.shape[:2], -1)
    return result


def _backpropagate(grad: Tensor, layer_cache: _LayerCache, order: Order) -> Tensor:
    """∂L/∂ of a layer's output → of its z."""
    f1 = layer_cache.derivatives[0]
    if len(grad) == 1:
        return grad.mul_(f1)
    f2, slopes = layer_cache.derivatives[1], layer_cache.slopes
    axes = len(slopes) - len(order.second)
    bent = f2 * (slopes * grad[1:]).sum(0)
    lowered = grad * f1
    for place, pairs in enumerate(order.second, 1 + axes):
        curved = grad[place]
        bent.addcmul_(layer_cache.derivatives[2], _products(slopes, pairs).mul_(curved))
        curved = curved * f2
        for a, b in pairs:
            lowered[1 + a].addcmul_(curved, slopes[b])
            lowered[1 + b].addcmul_(curved, slopes[a])
    lowered[0] += bent
    return lowered


class JetFunction(torch.autograd.Function):
    """(x (n, m), field, order, its flat (p,)) → the stack (blocks, n, k); differentiable once, in `flat`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, field: Siren, order: Order, flat: Tensor) -> Tensor:
        """The stack, row by row."""
        scaled, back = flat.detach() * field.factors, any(ctx.needs_input_grad)
        depth = order.blocks(x.shape[1])
        rows = over_rows(lambda part: (part, *forward_rows(x[part], field, scaled, order, back)), x, depth)
        if back:
            ctx.saved = field, scaled, order, [(part, cache) for part, _, cache in rows]
        return torch.cat([stack for _, stack, _ in rows], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, out_grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient in `flat`."""
        field, scaled, order, saved = ctx.saved
        with tf32_products(out_grad.device):
            rows = in_parallel(
                lambda item: backward_rows(out_grad[:, item[0]], field, scaled, order, item[1]), saved
            )
        return None, None, None, reduce(Tensor.add_, rows).mul_(field.factors)


def jet_loss_gradient(
    field: Siren, x: Tensor, order: Order, loss_of_rows: LossOfRows
) -> tuple[Tensor, Tensor]:
    """The parameters' gradient (p,) of a loss that is a sum over the points, and its terms (t,).

    `x` is (n, m), or (n, s, m): n groups of s points, which `loss_of_rows` receives as rows of s each.
    """
    points, axes = x.shape[1:-1].numel(), x.shape[-1]
    flat = field.flat.detach() * field.factors

    def forward_backward(part: slice) -> tuple[Tensor, Tensor]:
        stack, cache = forward_rows(x[part].reshape(-1, axes), field, flat, order, back=True)
        with torch.enable_grad():
            stack.requires_grad_()
            loss, terms = loss_of_rows(part, Jet.of(stack, order, axes))
            (grad,) = torch.autograd.grad(loss, [stack])
        with tf32_products(x.device):
            return backward_rows(grad, field, flat, order, cache), terms.detach()

    flats, terms = zip(*over_rows(forward_backward, x, points * order.blocks(axes)), strict=True)
    return reduce(Tensor.add_, flats).mul_(field.factors), reduce(Tensor.add_, terms)

"""Values, gradients, Jacobians, Hessians and Laplacians of a SIREN in closed form.

Derivatives are carried through the layers, never taken by a graph over the input, so each result
is an ordinary function of the parameters that autograd differentiates once. With z = ω(Wh + b) and
h⁺ = sin z, elementwise in the units of a layer:

    J⁺_a  = cos z · ω W J_a                                    (first derivatives, a = 1..m)
    H⁺_ab = cos z · ω W H_ab − sin z · (ω W J_a)(ω W J_b)      (second derivatives)

Shapes: n points, m coordinates, k outputs. Derivatives are in the frame of the points.
"""

from __future__ import annotations

import torch
from torch import Tensor

from recon.field.kernels.fused import ValueAndGradient
from recon.field.siren import Siren


def value_and_gradient(field: Siren, x: Tensor) -> tuple[Tensor, Tensor]:
    """Φ (n,) and ∇Φ (n, m) of a scalar field at x (n, m), the fast way; differentiable once, in the
    parameters only. Raises ValueError for a field with several outputs."""
    if len(field.biases[-1]) != 1:
        raise ValueError(f"the gradient of {len(field.biases[-1])} outputs: use `value_and_jacobian`")
    return ValueAndGradient.apply(x, field, field.flat)


def value_and_gradient_plain(field: Siren, x: Tensor) -> tuple[Tensor, Tensor]:
    """The same in plain operations: what `value_and_gradient` is tested against."""
    value, jacobian = value_and_jacobian(field, x)
    return value[:, 0], jacobian[:, 0]


def value_and_jacobian(field: Siren, x: Tensor) -> tuple[Tensor, Tensor]:
    """Φ (n, k) and its Jacobian ∂Φ_j/∂x_a (n, k, m) at x (n, m)."""
    value, first, _ = _derivatives(field, x, second=None)
    return value, first.permute(1, 2, 0)


def hessian(field: Siren, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Φ (n, k), its Jacobian (n, k, m) and its Hessians ∂²Φ_j/∂x_a∂x_b (n, k, m, m) at x (n, m)."""
    m = x.shape[1]
    pairs = [(a, b) for a in range(m) for b in range(a, m)]
    value, first, second = _derivatives(field, x, pairs)
    full = value.new_empty(*value.shape, m, m)
    for (a, b), derivative in zip(pairs, second, strict=True):
        full[..., a, b] = full[..., b, a] = derivative
    return value, first.permute(1, 2, 0), full


def laplacian(field: Siren, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Φ (n, k), its Jacobian (n, k, m) and its Laplacian Σ_a ∂²Φ_j/∂x_a² (n, k) at x (n, m)."""
    value, first, second = _derivatives(field, x, [(a, a) for a in range(x.shape[1])])
    return value, first.permute(1, 2, 0), second.sum(0)


def _derivatives(
    field: Siren, x: Tensor, second: list[tuple[int, int]] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Φ (n, k), first derivatives (m, n, k) and the second derivatives of the pairs (len, n, k)."""
    n, m = x.shape
    pairs = second or []
    rows, columns = [a for a, _ in pairs], [b for _, b in pairs]
    h = x
    first = torch.eye(m, dtype=x.dtype, device=x.device)[:, None, :].expand(m, n, m)
    curved = x.new_zeros(len(pairs), n, m)  # of the coordinates themselves
    weights, biases = field.scaled()
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        z = torch.addmm(bias, h, weight.t())
        h, cosine = torch.sin(z), torch.cos(z)
        slope = first @ weight.t()
        curved = cosine * (curved @ weight.t()) - h * slope[rows] * slope[columns]
        first = cosine * slope
    last = weights[-1].t()
    return torch.addmm(biases[-1], h, last), first @ last, curved @ last

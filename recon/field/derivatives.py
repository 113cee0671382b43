"""Values, gradients, Jacobians, Hessians and Laplacians of a field in closed form.

Derivatives are propagated through the layers, not taken by a graph over the input, so each result is an
ordinary function of the parameters that autograd differentiates once.

Shapes: n points, m coordinates, k outputs. Derivatives are in the frame of the points.
"""

import torch
from torch import Tensor

from recon.field.jet import GRADIENT, Jet, Order, hessian_order, laplacian_order
from recon.field.kernels.fused import ValueAndGradient
from recon.field.kernels.jets import JetFunction
from recon.field.siren import Siren


def value_and_gradient(field: Siren, x: Tensor) -> tuple[Tensor, Tensor]:
    """Φ (n,) and ∇Φ (n, m) at x (n, m), once differentiable in the parameters; ValueError if not scalar."""
    if len(field.biases[-1]) != 1:
        raise ValueError(f"the gradient of {len(field.biases[-1])} outputs: use `value_and_jacobian`")
    return ValueAndGradient.apply(x, field, field.flat)


def jet(field: Siren, x: Tensor, order: Order) -> Jet:
    """Φ and the derivatives in `order` at x (n, m); differentiable once, in the parameters only."""
    return Jet.of(JetFunction.apply(x, field, order, field.flat), order, x.shape[1])


def value_and_jacobian(field: Siren, x: Tensor) -> tuple[Tensor, Tensor]:
    """Φ (n, k) and its Jacobian ∂Φ_j/∂x_a (n, k, m) at x (n, m)."""
    found = jet(field, x, GRADIENT)
    return found.value, found.gradient.permute(1, 2, 0)


def hessian(field: Siren, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Φ (n, k), its Jacobian (n, k, m) and its Hessians ∂²Φ_j/∂x_a∂x_b (n, k, m, m) at x (n, m)."""
    m = x.shape[1]
    found = jet(field, x, hessian_order(m))
    upper = torch.triu_indices(m, m, device=x.device)
    places = torch.empty(m, m, dtype=torch.long, device=x.device)
    places[upper[0], upper[1]] = places[upper[1], upper[0]] = torch.arange(upper.shape[1], device=x.device)
    return found.value, found.gradient.permute(1, 2, 0), found.second.permute(1, 2, 0)[..., places]


def laplacian(field: Siren, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Φ (n, k), its Jacobian (n, k, m) and its Laplacian Σ_a ∂²Φ_j/∂x_a² (n, k) at x (n, m)."""
    found = jet(field, x, laplacian_order(x.shape[1]))
    return found.value, found.gradient.permute(1, 2, 0), found.second[0]


def jet_plain(field: Siren, x: Tensor, order: Order) -> Jet:
    """The same as `jet` by autograd alone: the reference for the fast versions."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = field(x)
        axes, blocks = x.shape[1], [value]
        if order.first:
            gradients = [_gradients(output, x) for output in value.unbind(1)]
            first = torch.stack(gradients, dim=1)  # (n, k, m)
            blocks += first.unbind(2)
        if order.second:
            hessians = [[_gradients(first[:, j, a], x) for a in range(axes)] for j in range(value.shape[1])]
            second = torch.stack([torch.stack(row, dim=1) for row in hessians], dim=1)  # (n, k, m, m)
            for pairs in order.second:
                blocks.append(torch.stack([second[..., a, b] for a, b in pairs]).sum(0))
    return Jet.of(torch.stack(blocks), order, axes)


def _gradients(of: Tensor, x: Tensor) -> Tensor:
    """(n,) → its gradient at each point (n, m)."""
    if not of.requires_grad:
        return torch.zeros_like(x)
    (gradient,) = torch.autograd.grad(
        of.sum(), x, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient

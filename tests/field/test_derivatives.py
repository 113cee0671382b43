"""Derivatives in closed form against autograd's, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pytest
import torch
from torch import Tensor

from recon.field import derivatives
from recon.field.jet import GRADIENT
from recon.field.kernels import parallel_rows
from recon.field.settings import FieldConfig
from recon.field.siren import Siren


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def field_and_points(hidden: int, m: int, k: int, omega: float = 30.0) -> tuple[Siren, Tensor]:
    config = FieldConfig(width=24, hidden=hidden, omega_first=omega, omega_hidden=omega)
    x = torch.rand(40, m, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Siren(config, m, k), x


def close(a: Tensor, b: Tensor) -> None:
    assert a.shape == b.shape
    assert (a - b).abs().max() <= 1e-11 * b.abs().max()


@pytest.mark.parametrize("hidden", [0, 1, 3])
@pytest.mark.parametrize(("m", "k"), [(1, 1), (2, 3), (3, 1)])
def test_first_and_second_derivatives_are_autograds(hidden: int, m: int, k: int) -> None:
    field, x = field_and_points(hidden, m, k)
    x.requires_grad_()

    def slopes(of: Tensor) -> Tensor:
        """(n,) → its gradient at each point (n, m)."""
        if not of.requires_grad:
            return torch.zeros_like(x)
        return torch.autograd.grad(of.sum(), x, create_graph=True)[0]

    jacobian = torch.stack([slopes(output) for output in field(x).unbind(1)], dim=1)
    entries = [[slopes(entry) for entry in row.unbind(1)] for row in jacobian.unbind(1)]
    hessian = torch.stack([torch.stack(row, dim=1) for row in entries], dim=1)
    value, first, second = derivatives.hessian(field, x)
    close(value, field(x))
    close(first, jacobian)
    close(second, hessian)
    close(derivatives.value_and_jacobian(field, x)[1], jacobian)
    close(derivatives.laplacian(field, x)[2], hessian.diagonal(dim1=-2, dim2=-1).sum(-1))


@pytest.mark.parametrize("hidden", [0, 1, 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_fused_pass_is_autograds_double_backward(
    hidden: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Φ, ∇Φ and the parameters' gradients of a loss in both, in one piece and shared among workers."""
    monkeypatch.setattr(parallel_rows, "MIN_ROWS_PER_THREAD", 7)
    monkeypatch.setattr(parallel_rows, "MAX_ROWS_PER_SLICE", 9)
    field, x = field_and_points(hidden, 3, 1)

    def loss(value: Tensor, gradient: Tensor) -> Tensor:
        eikonal = (gradient.norm(dim=1) - 1).abs().sum()
        return eikonal + value.sin().sum() + (gradient**3).sum() + (value[:, None] * gradient).sum()

    followed = x.clone().requires_grad_()
    value = field(followed)[:, 0]
    gradient = torch.autograd.grad(value.sum(), followed, create_graph=True)[0]
    (wanted,) = torch.autograd.grad(loss(value, gradient), [field.flat])

    torch.set_num_threads(threads)
    with parallel_rows.row_workers():
        fast = derivatives.value_and_gradient(field, x)
        (found,) = torch.autograd.grad(loss(*fast), [field.flat])
    assert torch.get_num_threads() == threads
    close(fast[0], value)
    close(fast[1], gradient)
    plain = derivatives.jet_plain(field, x, GRADIENT)
    close(plain.value[:, 0], value)
    close(plain.gradient[..., 0].t(), gradient)
    for a, b in zip(chain(*field.split(found)), chain(*field.split(wanted)), strict=True):
        close(a, b)


@pytest.mark.parametrize("scale", [0.0, 1e-10, 1e-5, 1.0, 1e5, 1e10])
def test_gradients_of_the_eikonal_term_are_finite_at_every_magnitude(scale: float) -> None:
    field, x = field_and_points(3, 3, 1)
    with torch.no_grad():
        field.weights[-1].mul_(scale)
    _, gradient = derivatives.value_and_gradient(field, x)
    term = (torch.linalg.vector_norm(gradient, dim=1) - 1).abs().mean()
    assert all(g.isfinite().all() for g in torch.autograd.grad(term, list(field.parameters())))


def test_a_gradient_of_several_outputs_is_refused() -> None:
    field, x = field_and_points(1, 3, 2)
    with pytest.raises(ValueError, match="2 outputs"):
        derivatives.value_and_gradient(field, x)

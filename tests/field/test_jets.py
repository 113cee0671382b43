"""Value, first and second derivatives of any field in one derived pass, against autograd in float64."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from recon.field import derivatives
from recon.field.jet import GRADIENT, VALUE, Jet, Order, hessian_order, laplacian_order
from recon.field.kernels import parallel_rows
from recon.field.kernels.jets import jet_loss_gradient
from recon.field.settings import ACTIVATIONS, FieldConfig
from recon.field.siren import Siren

MIXED = Order(True, (((0, 0), (1, 1)), ((0, 1),)))


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def orders(axes: int) -> list[Order]:
    return [VALUE, GRADIENT, laplacian_order(axes), hessian_order(axes), *([MIXED] if axes > 1 else [])]


def field_and_points(activation: str, hidden: int, m: int, k: int) -> tuple[Siren, Tensor]:
    config = FieldConfig(
        width=24, hidden=hidden, omega_first=3, omega_hidden=3, activation=activation, octaves=3
    )
    return Siren(config, m, k), 2 * torch.rand(40, m, generator=torch.Generator().manual_seed(1)) - 1


def loss(jet: Jet) -> Tensor:
    """A scalar in which every entry of the jet counts differently."""
    parts = [part.flatten() for part in (jet.value, jet.gradient, jet.second)]
    flat = torch.cat(parts)
    return (flat.sin() * torch.linspace(0.5, 1.5, len(flat))).sum()


def close(a: Tensor, b: Tensor) -> None:
    assert a.shape == b.shape
    if a.numel():
        assert (a - b).detach().abs().max() <= 1e-10 * b.detach().abs().max()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("m", "k"), [(1, 1), (2, 3), (3, 2)])
@pytest.mark.parametrize("hidden", [0, 2])
def test_jets_and_their_parameter_gradients_are_autograds(
    activation: str, m: int, k: int, hidden: int
) -> None:
    field, x = field_and_points(activation, hidden, m, k)
    for order in orders(m):
        fast, plain = derivatives.jet(field, x, order), derivatives.jet_plain(field, x, order)
        for name in ("value", "gradient", "second"):
            close(getattr(fast, name), getattr(plain, name))
        (found,) = torch.autograd.grad(loss(fast), [field.flat])
        (wanted,) = torch.autograd.grad(loss(plain), [field.flat])
        close(found, wanted)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_loss_summed_over_shares_of_rows_is_the_whole_one(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_rows, "MIN_ROWS_PER_THREAD", 7)
    monkeypatch.setattr(parallel_rows, "MAX_ROWS_PER_SLICE", 9)
    field, x = field_and_points("sine", 2, 2, 2)
    order, target = laplacian_order(2), torch.linspace(-1, 1, len(x))

    def terms(jet: Jet, target: Tensor) -> Tensor:
        return (
            (jet.second[0].sum(1) - target).square() + jet.gradient.abs().sum((0, 2)) + jet.value[:, 0].cos()
        )

    def loss_of_rows(part: slice, jet: Jet) -> tuple[Tensor, Tensor]:
        total = terms(jet, target[part]).sum()
        return 3 * total, total[None]

    torch.set_num_threads(threads)
    with parallel_rows.row_workers():
        found, total = jet_loss_gradient(field, x, order, loss_of_rows)
    whole = terms(derivatives.jet_plain(field, x, order), target).sum()
    (wanted,) = torch.autograd.grad(3 * whole, [field.flat])
    close(found, wanted)
    close(total, whole[None])

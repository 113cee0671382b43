"""Orthogonalised momentum."""

from __future__ import annotations

import pytest
import torch

from recon.config import FitConfig
from recon.fit.optimizers import Muon, make_optimizer, orthogonalised


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_singular_values_become_about_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    values = torch.diagonal(u.t() @ orthogonalised(1e-7 * matrix) @ vt.t())
    rest = orthogonalised(matrix) - u @ torch.diag(values) @ vt
    assert values.min() > 0.6 and values.max() < 1.25
    assert rest.abs().max() < 1e-9


def test_a_zero_matrix_stays_zero() -> None:
    assert torch.equal(orthogonalised(torch.zeros(9, 9)), torch.zeros(9, 9))


@pytest.mark.parametrize("name", ["muon", "adam"])
def test_it_solves_least_squares(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    a, truth = torch.randn(64, 12, generator=generator), torch.randn(12, 10, generator=generator)
    weight = torch.nn.Parameter(torch.zeros(12, 10))
    optimizer = make_optimizer([weight], FitConfig(optimizer=name, rate=0.05))
    for step in range(2000):
        loss = (a @ weight - a @ truth).square().mean()
        (weight.grad,) = torch.autograd.grad(loss, [weight])
        for group in optimizer.param_groups:
            group["lr"] = 0.05 * (1 - step / 2000)
        optimizer.step()
    assert (weight - truth).norm() < 0.02 * truth.norm()


def test_small_parameters_get_adam_and_states_travel() -> None:
    def run(optimizer: Muon, parameters: list[torch.nn.Parameter], steps: range) -> None:
        for step in steps:
            for p in parameters:
                p.grad = torch.full_like(p, 1.0 + step) * (p + 0.5)
            optimizer.step()

    def fresh() -> list[torch.nn.Parameter]:
        return [torch.nn.Parameter(torch.ones(shape)) for shape in ((9, 9), (9, 3), (9,))]

    whole, halves = fresh(), fresh()
    run(Muon(whole, 1e-2), whole, range(6))
    first = Muon(halves, 1e-2)
    run(first, halves, range(3))
    second = Muon(halves, 1e-2)
    second.load_state_dict(first.state_dict())
    run(second, halves, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(whole, halves, strict=True))
    assert "second" not in first.state[halves[0]]
    assert "second" in first.state[halves[1]]

"""Orthogonalised momentum."""

from __future__ import annotations

import pytest
import torch

from recon.config import FieldConfig, FitConfig
from recon.field.siren import Siren
from recon.fit.optimizers import Muon, make_optimizer, orthogonalised


@pytest.mark.parametrize("shape", [(16, 16), (8, 40), (40, 8)])
def test_singular_values_become_about_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    matrices = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for matrix, found in zip(matrices, orthogonalised(1e-7 * matrices), strict=True):
        u, sizes, vt = torch.linalg.svd(matrix, full_matrices=False)
        values = torch.diagonal(u.t() @ found @ vt.t())
        assert values[sizes > 0.05 * sizes.norm()].min() > 0.6 and values.max() < 1.3
        assert (found - u @ torch.diag(values) @ vt).abs().max() < 1e-9


def test_a_zero_matrix_stays_zero() -> None:
    assert torch.equal(orthogonalised(torch.zeros(1, 9, 9)), torch.zeros(1, 9, 9))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["muon", "adam"])
@pytest.mark.parametrize("hidden", [0, 2])
def test_it_fits_another_field(name: str, hidden: int) -> None:
    config = FieldConfig(width=12, hidden=hidden, omega_first=3.0, omega_hidden=3.0)
    field, truth = (Siren(config, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0))
    with torch.no_grad():
        field.flat += 0.05 * torch.randn(field.flat.shape, generator=torch.Generator().manual_seed(1))
    optimizer = make_optimizer(field, FitConfig(optimizer=name))
    x = torch.rand(400, 3, generator=torch.Generator().manual_seed(2)) * 2 - 1
    for step in range(1500):
        loss = (field(x) - truth(x).detach()).square().mean()
        (field.flat.grad,) = torch.autograd.grad(loss, [field.flat])
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / 1500)
        optimizer.step()
    assert loss < 1e-6


def test_states_travel() -> None:
    def run(optimizer: Muon, field: Siren, steps: range) -> None:
        for step in steps:
            field.flat.grad = (1.0 + step) * (field.flat.detach() + 0.5)
            optimizer.step()

    def fresh() -> tuple[Muon, Siren]:
        field = Siren(FieldConfig(width=9))
        return Muon(field.flat, field.hidden_shape, 1e-2), field

    optimizer, whole = fresh()
    run(optimizer, whole, range(6))
    first, halves = fresh()
    run(first, halves, range(3))
    second = Muon(halves.flat, halves.hidden_shape, 1e-2)
    second.load_state_dict(first.state_dict())
    run(second, halves, range(3, 6))
    assert torch.equal(whole.flat, halves.flat)

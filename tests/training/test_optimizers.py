"""Orthogonalised momentum."""

from __future__ import annotations

import copy

import pytest
import torch
from tensors import assert_close
from torch import nn
from torch.optim.adam import adam

from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.training.optimizers import Muon, make_optimizer, orthogonalised
from recon.training.settings import FitConfig


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
    losses = []
    for step in range(1500):
        loss = (field(x) - truth(x).detach()).square().mean()
        losses.append(loss.item())
        optimizer.step(*torch.autograd.grad(loss, [field.flat]), 0.01 * (1 - step / 1500))
    assert losses[-1] < 1e-3 * losses[0]  # from six starts each: 1e-6 to 8e-5


def walk(optimizer: Muon, steps: range) -> None:
    for step in steps:
        optimizer.step((1.0 + step) * (optimizer.flat.detach() + 0.5), 1e-2)


def test_states_travel() -> None:
    def fresh() -> Muon:
        field = Siren(FieldConfig(width=9))
        return Muon(field.flat, field.hidden_shape)

    whole, first = fresh(), fresh()
    walk(whole, range(6))
    walk(first, range(3))
    second = Muon(first.flat, first.shape)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    walk(second, range(3, 6))
    assert torch.equal(whole.flat, second.flat)


@pytest.mark.slow
def test_without_matrices_it_is_the_adam_of_pytorch_and_takes_up_its_state() -> None:
    """The state of torch.optim.Adam is what older checkpoints hold; one of step 0 holds none.

    It is stepped by its function, as the class imports PyTorch's compiler.
    """
    flat, other = nn.Parameter(torch.linspace(-1, 1, 40)), torch.linspace(-1, 1, 40)
    group = {"lr": 1e-2, "betas": (0.9, 0.98), "eps": 1e-8, "weight_decay": 0, "params": [0]}
    mean, square, steps = torch.zeros_like(other), torch.zeros_like(other), torch.tensor(0.0)
    own = Muon(flat)
    for step in range(8):
        state = {0: {"step": steps, "exp_avg": mean, "exp_avg_sq": square}} if step else {}
        own.load_state_dict(copy.deepcopy({"state": state, "param_groups": [group]}))
        walk(own, range(step, step + 1))
        gradient = (1.0 + step) * (other + 0.5)
        terms = {"beta1": 0.9, "beta2": 0.98, "lr": 1e-2, "eps": 1e-8, "weight_decay": 0.0}
        adam(
            *([other], [gradient], [mean], [square], [], [steps]),
            **terms,
            foreach=False,
            amsgrad=False,
            maximize=False,
        )
        assert_close(flat, other, rtol=1e-6, atol=1e-7)

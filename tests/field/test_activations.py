"""Every activation: closed derivatives, and initial weights that carry a signal through the layers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tensors import assert_close

from recon.field.activations import ACTIVATIONS
from recon.field.settings import ACTIVATIONS as NAMES
from recon.field.settings import FieldConfig
from recon.field.siren import Siren

SMOOTH = sorted(set(NAMES) - {"relu", "relu-pe"})


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_the_settings_name_what_there_is() -> None:
    assert set(NAMES) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_are_those_of_the_plain_function(name: str) -> None:
    activation, omega = ACTIVATIONS[name], 3.0
    z = torch.linspace(-4, 4, 403).requires_grad_()
    wanted = [activation.plain(z, omega)]
    for _ in range(3):
        wanted.append(torch.autograd.grad(wanted[-1].sum(), z, create_graph=True, materialize_grads=True)[0])
        if not wanted[-1].requires_grad:
            wanted[-1] = wanted[-1] + 0 * z
    for order in range(4):
        found = activation.derivatives(z.detach().clone(), omega, order)
        assert len(found) > order
        for a, b in zip(found, wanted, strict=False):
            assert_close(a, b.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_signals_neither_die_nor_explode_with_depth(name: str) -> None:
    """Spread of the last of 1 to 8 hidden layers over 2,000 points, at initialisation."""
    x = 2 * torch.rand(2000, 2, generator=torch.Generator().manual_seed(1)) - 1
    for hidden in (1, 4, 8):
        field = Siren(FieldConfig(width=128, hidden=hidden, activation=name, octaves=4), 2, 1)
        weights, biases = field.scaled()
        h = field.encoded(x)[0]
        for weight, bias, omega in zip(weights[:-1], biases[:-1], field.omegas, strict=True):
            h = field.activation.plain(h @ weight.t() + bias, omega)
        spread = h.std(0).mean()
        assert 0.02 < spread < 5, (hidden, float(spread))


def test_a_positional_encoding_is_sines_and_cosines_of_octaves() -> None:
    field = Siren(FieldConfig(width=8, activation="relu-pe", octaves=3), 2, 1)
    x = torch.tensor([[0.25, -0.5]])
    rates = torch.pi * torch.tensor([1.0, 2.0, 4.0])
    wanted = torch.cat([torch.cat((v[None], torch.sin(rates * v), torch.cos(rates * v))) for v in x[0]])
    assert_close(field.encoded(x)[0, 0], wanted)
    assert field.weights[0].shape == (8, 14)


@pytest.mark.parametrize("name", SMOOTH)
def test_values_are_the_plain_forward_pass(name: str) -> None:
    field = Siren(FieldConfig(width=24, activation=name, octaves=3), 3, 2)
    x = 2 * torch.rand(301, 3, generator=torch.Generator().manual_seed(2)) - 1
    assert_close(field.values(x), field(x).detach(), rtol=1e-12, atol=1e-12)

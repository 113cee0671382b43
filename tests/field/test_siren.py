"""The initialisation does what the paper claims, at any depth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.surface.settings import PRESETS


def test_the_published_field_has_the_published_size() -> None:
    field = Siren(PRESETS["paper"].field)
    assert sum(p.numel() for p in field.parameters()) == 198_657


def statistics(factor: float) -> list[tuple[float, float, float]]:
    """For each hidden layer: the standard deviation of its pre-activations, their Kolmogorov-Smirnov
    distance from a normal law, and that of its activations from the arcsine law, with all hidden
    weights times `factor`. Biases, of which the claim does not speak, are left out."""
    torch.set_default_dtype(torch.float64)
    try:
        field = Siren(FieldConfig(width=1024, hidden=6))
    finally:
        torch.set_default_dtype(torch.float32)
    h = torch.tensor(np.random.default_rng(0).uniform(-1, 1, (2048, 3)))
    out = []
    with torch.no_grad():
        h = torch.sin(field.omegas[0] * torch.addmm(field.biases[0], h, field.weights[0].t()))
        for omega, weight in zip(field.omegas[1:], field.weights[1:], strict=False):
            z = factor * omega * (h @ weight.t())
            h = torch.sin(z)
            some, spread = z.flatten()[::97].numpy(), float(z.std())
            arcsine = kstest((np.sin(some) + 1) / 2, "arcsine").statistic
            out.append((spread, kstest(some / spread, "norm").statistic, arcsine))
    return out


def test_preactivations_are_normal_and_activations_about_arcsine_at_every_depth() -> None:
    """The variance of the hidden weights is 2/n, so that of z is s² = 2 E[sin²]: 1 after arcsine
    activations, and at depth, where activations are sines of normal numbers, the root of
    s² = 1 - exp(-2 s²), s = 0.893: the paper's N(0, 1) and arcsine law, to first order."""
    found = statistics(1.0)
    assert found[0][0] == pytest.approx(1.0, abs=0.03)
    assert found[-1][0] == pytest.approx(0.893, abs=0.01)
    for spread, normal, arcsine in found:
        assert 0.88 < spread < 1.03
        assert normal < 0.02
        assert arcsine < 0.08


def test_with_weights_of_another_size_it_would_not_hold() -> None:
    assert statistics(0.5)[-1][0] < 0.1  # the signal dies out
    assert statistics(2.0)[-1][0] > 1.8  # and runs wild


def test_a_seed_names_one_field_in_every_precision() -> None:
    def field(seed: int) -> Siren:
        return Siren(FieldConfig(width=16), generator=torch.Generator().manual_seed(seed))

    once, again, other = field(5), field(5), field(6)
    assert all(torch.equal(a, b) for a, b in zip(once.parameters(), again.parameters(), strict=True))
    assert not torch.equal(once.weights[1], other.weights[1])
    torch.set_default_dtype(torch.float64)
    try:
        wide = field(5)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(wide.weights[1].float(), once.weights[1])


def test_a_spread_scales_the_first_layers_rows_and_nothing_else() -> None:
    plain, spread = Siren(FieldConfig(width=16)), Siren(FieldConfig(width=16, spread=3.0))
    rows = (spread.weights[0] / plain.weights[0]).mean(1)
    assert rows[0].item() == pytest.approx(1.0) and rows[-1].item() == pytest.approx(3.0)
    assert rows.log().diff().std() < 1e-5  # geometric
    for a, b in zip([*plain.weights[1:], *plain.biases], [*spread.weights[1:], *spread.biases], strict=True):
        assert torch.equal(a, b)


def test_fast_values_are_the_plain_ones() -> None:
    field = Siren(FieldConfig(width=64), outputs=2)
    x = torch.tensor(np.random.default_rng(0).uniform(-1, 1, (777, 3)), dtype=torch.float32)
    with torch.no_grad():
        assert (field.values(x) - field(x)).abs().max() < 1e-5

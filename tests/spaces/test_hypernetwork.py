"""Encoders and predicted fields."""

from __future__ import annotations

import pytest
import torch
from tensors import assert_close
from torch import Tensor

from recon.field.siren import Siren
from recon.spaces.encoders import ConvEncoder, Observation
from recon.spaces.hypernetwork import Space
from recon.spaces.settings import ENCODERS, SpaceConfig

SMALL = SpaceConfig().with_(
    encoder={"width": 24, "latent": 16, "hidden": 20}, field={"width": 12, "hidden": 2}
)


def space(kind: str = "set-sine", size: int = 16) -> Space:
    return Space(SMALL.with_(encoder={"kind": kind}), 2, 3, 3, size)


def observation(count: int = 9, size: int = 16, pictures: int = 4, seed: int = 0) -> Observation:
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(pictures, size * size, generator=generator).argsort(1)[:, :count]
    points = (torch.stack((order % size, order // size), 2) + 0.5) * 2 / size - 1
    values = 2 * torch.rand(pictures, count, 3, generator=generator) - 1
    return Observation(points, values, torch.ones(pictures, count))


def close(a: Tensor, b: Tensor) -> None:
    assert_close(a, b, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ENCODERS)
def test_an_encoder_sees_a_set_whatever_its_order_and_what_fills_it_up(kind: str) -> None:
    one, seen = space(kind), observation()
    latents = one.encode(seen)
    assert latents.shape == (4, 16) and latents.std() > 1e-3
    turned = Observation(seen.points.flip(1), seen.values.flip(1), seen.known)
    close(one.encode(turned), latents)
    more = observation(5, seed=1)
    padded = Observation(
        torch.cat((seen.points, more.points), 1),
        torch.cat((seen.values, more.values), 1),
        torch.cat((seen.known, torch.zeros(4, 5)), 1),
    )
    close(one.encode(padded), latents)
    other = Observation(seen.points, -seen.values, seen.known)
    assert (one.encode(other) - latents).abs().max() > 1e-3


def test_partial_convolutions_average_over_known_pixels_alone() -> None:
    """With kernels that are averages, a picture of one colour has the same code however many pixels are
    known."""
    encoder, full = ConvEncoder(3, 16, 8, partial=True), observation(16 * 16)
    with torch.no_grad():
        encoder.reset(torch.Generator().manual_seed(0))
        for layer in encoder.layers:
            layer.weight.fill_(0.1)
    plain = torch.full_like(full.values, 0.3)
    checks = ((full.points * 8 + 7.5).round().sum(2) % 2 == 0).float()
    assert checks.mean() == 0.5
    close(
        encoder(Observation(full.points, plain, checks)),
        encoder(Observation(full.points, plain, torch.ones_like(checks))),
    )


@pytest.mark.parametrize("kind", ENCODERS)
def test_predicted_fields_begin_as_sirens(kind: str) -> None:
    """All of one start, and what is added to it is a small share of each parameter's size: without this
    fields of predicted weights do not train."""
    one = space(kind)
    weights = one.weights(one.encode(observation(40)))
    start = Siren(SMALL.field, 2, 3, torch.Generator().manual_seed(0)).flat
    moved = (weights - start) / one.sizes
    assert 0 < moved.abs().mean() < 0.25
    for part, wanted in zip(one.siren.split(weights)[0], one.siren.split(start)[0], strict=True):
        assert part.std().item() == pytest.approx(wanted.std().item(), rel=0.1), part.shape


def test_batched_fields_are_the_fields_one_by_one() -> None:
    one = space()
    weights = one.weights(one.encode(observation()))
    x = 2 * torch.rand(30, 2, generator=torch.Generator().manual_seed(2)) - 1
    together = one.values(weights, x)
    assert together.shape == (4, 30, 3)
    each = x + torch.arange(4.0)[:, None, None] / 10
    apart = one.values(weights, each)
    for place, row in enumerate(weights):
        field = one.field(row)
        close(together[place], field(x))
        close(apart[place], field(each[place]))


def test_all_numbers_are_one_vector_and_a_seed_names_them() -> None:
    one = space()
    assert [name for name, _ in one.named_parameters()] == ["flat"]
    assert list(one.state_dict()) == ["flat"]
    again = Space(SMALL, 2, 3, 3, 16, torch.Generator().manual_seed(0))
    other = Space(SMALL, 2, 3, 3, 16, torch.Generator().manual_seed(1))
    assert torch.equal(one.flat, again.flat) and not torch.equal(one.flat, other.flat)
    (gradient,) = torch.autograd.grad(
        one.values(one.weights(one.encode(observation())), torch.zeros(1, 2)).sum(), [one.flat]
    )
    assert (gradient != 0).float().mean() > 0.5

"""Tiles, and a field with heads in them, against closed forms and autograd, in float64."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from tensors import assert_close
from torch import Tensor

from recon.field.derivatives import jet_plain, value_and_gradient
from recon.field.heads import HeadedField
from recon.field.jet import GRADIENT, hessian_order
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.field.tiles import Tiles

EDGE = 0.13


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def on_sphere(count: int) -> Tensor:
    return 0.6 * torch.nn.functional.normalize(random(count, 3) - 0.5)


def headed(hidden: int = 2) -> HeadedField:
    trunk = Siren(FieldConfig(width=20, hidden=hidden))
    tiles = Tiles.around(on_sphere(500), EDGE)
    heads = random(len(tiles) + 1, 1, 21, seed=2) - 0.5
    heads[-1] = 0
    return HeadedField(trunk, tiles, heads)


def everywhere(count: int = 700) -> Tensor:
    """Points on the sphere, near it and far from all tiles, in no order."""
    near = on_sphere(count) * (1 + 0.3 * (random(count, 1, seed=3) - 0.5))
    return torch.cat((near, 3 * random(count, 3, seed=4) - 1.5))[torch.randperm(2 * count)]


def test_the_hats_sum_to_one_around_the_points_and_to_zero_far_away() -> None:
    points = on_sphere(400)
    tiles = Tiles.around(points, EDGE)
    there = tiles.corners(points) < len(tiles)
    assert there.all()
    assert_close(tiles.hats(points)[0].sum(1), torch.ones(400))
    assert (tiles.corners(torch.zeros(1, 3)) == len(tiles)).all()


def test_a_hat_is_one_at_its_node_and_zero_an_edge_away() -> None:
    tiles = Tiles(EDGE, torch.tensor([[0, 0, 0]]))
    x = torch.tensor([[1e-12, 1e-12, 1e-12], [EDGE - 1e-12, 0.01, 0.01], [0.5 * EDGE, 1e-12, 1e-12]])
    weight = (tiles.hats(x)[0] * (tiles.corners(x) == 0)).sum(1)
    assert_close(weight, torch.tensor([1.0, 0.0, 0.5]), atol=1e-9, rtol=0)


def test_the_gradients_of_hats_are_autograds() -> None:
    tiles, x = Tiles.around(on_sphere(100), EDGE), everywhere(50).requires_grad_()
    hats, *gradients = tiles.hats(x, GRADIENT)
    for corner in range(8):
        (expected,) = torch.autograd.grad(hats[:, corner].sum(), x, retain_graph=True)
        assert_close(torch.stack(gradients, -1)[:, corner], expected)


@pytest.mark.parametrize("hidden", [0, 1, 3])
def test_values_and_gradients_are_those_of_the_plain_version_and_autograd(hidden: int) -> None:
    field, x = headed(hidden), everywhere().requires_grad_()
    expected = field.plain(x)[:, 0]
    (slopes,) = torch.autograd.grad(expected.sum(), x)
    value, gradient = field.value_and_gradient(x.detach())
    assert_close(value, expected.detach())
    assert_close(gradient, slopes)
    assert_close(field.values(x.detach()), expected.detach())


def test_the_order_and_the_number_of_points_in_a_query_change_nothing() -> None:
    field, x = headed(), everywhere()
    whole = field.values(x)
    assert_close(torch.cat([field.values(part) for part in x.split(37)]), whole)
    order = torch.randperm(len(x))
    assert_close(field.values(x[order]), whole[order])
    assert field.values(x[:0]).shape == (0,)


def test_away_from_the_tiles_and_without_any_the_field_is_its_trunk() -> None:
    field, x = headed(), everywhere()
    far = x[(field.tiles.corners(x) == len(field.tiles)).all(1)]  # type: ignore[union-attr, arg-type]
    assert len(far) > 100
    expected = value_and_gradient(field.trunk, far)
    for one in (field, HeadedField(field.trunk)):
        for found, wanted in zip(one.value_and_gradient(far), expected, strict=True):
            assert_close(found, wanted.detach())


def test_the_field_is_smooth_across_the_faces_of_cells() -> None:
    field, step = headed(), 1e-7
    faces = EDGE * torch.round(on_sphere(300) / EDGE)  # a corner of cells each
    before, after = (field.value_and_gradient(faces + sign * step) for sign in (-1, 1))
    slope = before[1].norm(dim=1).max()
    assert (before[0] - after[0]).abs().max() < 4 * math.sqrt(3) * step * slope
    assert (before[1] - after[1]).abs().max() < 1e-4 * slope


@pytest.mark.parametrize(("axes", "activation"), [(1, "sine"), (2, "finer"), (3, "sine"), (3, "relu-pe")])
def test_all_derivatives_of_several_outputs_are_autograds(axes: int, activation: str) -> None:
    trunk = Siren(FieldConfig(width=12, hidden=1, activation=activation, octaves=2), axes, 2)
    tiles = Tiles.around(0.5 * random(200, axes), [0.3, 0.2, 0.4][:axes])
    field = HeadedField(trunk, tiles, random(len(tiles) + 1, 2, 13, seed=2) - 0.5)
    field.heads[-1] = 0  # type: ignore[index]
    x, order = random(100, axes, seed=3) - 0.2, hessian_order(axes)
    found, expected = field.jet(x, order), jet_plain(field.plain, x, order)  # type: ignore[arg-type]
    for part in ("value", "gradient", "second"):
        assert_close(getattr(found, part), getattr(expected, part).detach())

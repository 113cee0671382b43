"""Tiles, and a field with heads in them, against closed forms and autograd, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from tensors import assert_close
from torch import Tensor

from recon.field.derivatives import jet_plain, value_and_gradient
from recon.field.heads import HeadedField
from recon.field.jet import GRADIENT, hessian_order
from recon.field.lattice import Lattice
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


def of_one_size(points: Tensor) -> Tiles:
    return Tiles.around(points, EDGE)


def of_several_sizes(points: Tensor) -> Tiles:
    """The largest below: they meet tiles of a quarter of their size."""
    doublings = torch.where(points[:, 2] < -0.1, 2, torch.where(points[:, 2] < 0.2, 0, -1))
    return Tiles.around(points, EDGE, doublings)


SIZES = pytest.mark.parametrize("tiles_around", [of_one_size, of_several_sizes])


def headed(hidden: int = 2, tiles_around: Callable[[Tensor], Tiles] = of_several_sizes) -> HeadedField:
    trunk = Siren(FieldConfig(width=20, hidden=hidden))
    tiles = tiles_around(on_sphere(500))
    heads = random(len(tiles) + 1, 1, 21, seed=2) - 0.5
    heads[-1] = 0
    return HeadedField(trunk, tiles, heads)


def everywhere(count: int = 700) -> Tensor:
    """Points on the sphere, near it and far from all tiles, in no order."""
    near = on_sphere(count) * (1 + 0.3 * (random(count, 1, seed=3) - 0.5))
    return torch.cat((near, 3 * random(count, 3, seed=4) - 1.5))[torch.randperm(2 * count)]


@SIZES
def test_the_hats_sum_to_one_around_the_points_and_to_zero_far_away(
    tiles_around: Callable[[Tensor], Tiles],
) -> None:
    points = on_sphere(400)
    tiles = tiles_around(points)
    corners = tiles.corners(points)
    there = corners.tiles < len(tiles)
    assert_close((corners.hats(points)[0] * there).sum(1), torch.ones(400))
    assert (tiles.corners(torch.full((1, 3), 0.99)).tiles == len(tiles)).all()


def test_the_hats_of_several_sizes_never_sum_to_more_than_one() -> None:
    x = everywhere(3000)
    tiles = of_several_sizes(on_sphere(500))
    corners = tiles.corners(x)
    total = (corners.hats(x)[0] * (corners.tiles < len(tiles))).sum(1)
    assert total.min() > -1e-12 and total.max() < 1 + 1e-12
    assert ((total > 0.1) & (total < 0.9)).any()  # where tiles end


def test_cells_that_do_not_nest_are_refused() -> None:
    node = torch.zeros(1, 3, dtype=torch.long)
    for edge in (0.3, 0.1, 0.05):
        with pytest.raises(ValueError, match="do not hold whole ones"):
            Tiles([Lattice(0.1, node), Lattice(edge, node)])


def test_a_hat_is_one_at_its_node_and_zero_an_edge_away() -> None:
    tiles = Tiles([Lattice(EDGE, torch.tensor([[0, 0, 0]]))])
    x = torch.tensor([[1e-12, 1e-12, 1e-12], [EDGE - 1e-12, 0.01, 0.01], [0.5 * EDGE, 1e-12, 1e-12]])
    corners = tiles.corners(x)
    weight = (corners.hats(x)[0] * (corners.tiles == 0)).sum(1)
    assert_close(weight, torch.tensor([1.0, 0.0, 0.5]), atol=1e-9, rtol=0)


@SIZES
def test_the_gradients_of_hats_are_autograds(tiles_around: Callable[[Tensor], Tiles]) -> None:
    x = everywhere(50).requires_grad_()
    corners = tiles_around(on_sphere(100)).corners(x.detach())
    hats, *gradients = corners.hats(x, GRADIENT)
    for corner in range(corners.tiles.shape[1]):
        (expected,) = torch.autograd.grad(hats[:, corner].sum(), x, retain_graph=True)
        assert_close(torch.stack(gradients, -1)[:, corner], expected)


@SIZES
def test_points_with_one_number_have_the_same_tiles(tiles_around: Callable[[Tensor], Tiles]) -> None:
    """Those far away, in line with a cell, too."""
    points, far = everywhere(), torch.eye(3).repeat(2, 1) * torch.tensor([[5.0]] * 3 + [[-5.0]] * 3)
    x = torch.cat((points, *(points + step for step in far)))
    tiles = tiles_around(on_sphere(500))
    cell = tiles.cell(x)
    alone = torch.cat([tiles.corners(part).tiles.sort(1).values[:, :8] for part in x.split(1)])
    for number in torch.unique(cell).tolist():
        assert (alone[cell == number] == alone[cell == number][0]).all()


@SIZES
@pytest.mark.parametrize("hidden", [0, 1, 3])
def test_values_and_gradients_are_those_of_the_plain_version_and_autograd(
    hidden: int, tiles_around: Callable[[Tensor], Tiles]
) -> None:
    field, x = headed(hidden, tiles_around), everywhere().requires_grad_()
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
    far = x[(field.tiles.corners(x).tiles == len(field.tiles)).all(1)]  # type: ignore[union-attr, arg-type]
    assert len(far) > 100
    expected = value_and_gradient(field.trunk, far)
    for one in (field, HeadedField(field.trunk)):
        for found, wanted in zip(one.value_and_gradient(far), expected, strict=True):
            assert_close(found, wanted.detach())


def test_the_field_is_smooth_across_the_faces_of_cells() -> None:
    field, step = headed(), 1e-7
    faces = EDGE * torch.round(on_sphere(300) / EDGE)  # a corner of cells each, of all but the largest
    before, after = (field.value_and_gradient(faces + sign * step) for sign in (-1, 1))
    slope = before[1].norm(dim=1).max()
    assert (before[0] - after[0]).abs().max() < 4 * math.sqrt(3) * step * slope
    assert (before[1] - after[1]).abs().max() < 1e-4 * slope


@pytest.mark.parametrize(("axes", "activation"), [(1, "sine"), (2, "finer"), (3, "sine"), (3, "relu-pe")])
def test_all_derivatives_of_several_outputs_are_autograds(axes: int, activation: str) -> None:
    trunk = Siren(FieldConfig(width=12, hidden=1, activation=activation, octaves=2), axes, 2)
    points, sizes = 0.5 * random(200, axes), torch.arange(200) % 3 - 1
    tiles = Tiles.around(points, [0.3, 0.2, 0.4][:axes], torch.where(points[:, 0] < 0.25, sizes, 0))
    field = HeadedField(trunk, tiles, random(len(tiles) + 1, 2, 13, seed=2) - 0.5)
    field.heads[-1] = 0  # type: ignore[index]
    x, order = random(100, axes, seed=3) - 0.2, hessian_order(axes)
    found, expected = field.jet(x, order), jet_plain(field.plain, x, order)  # type: ignore[arg-type]
    for part in ("value", "gradient", "second"):
        assert_close(getattr(found, part), getattr(expected, part).detach())

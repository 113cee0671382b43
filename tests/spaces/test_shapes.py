"""The family of shapes is what it says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon.spaces.shape_sampler import (
    TRUNCATION,
    ShapeSampler,
    Solids,
    distances,
    observe,
    on_surface,
    random_solids,
    truncated_distances,
)


def box(half: tuple[float, float, float], cut: bool) -> Solids:
    """A box without rounding, with a rod of radius 0.2 and half length 0.9 along x."""
    return Solids(
        torch.tensor([half]),
        torch.zeros(1),
        torch.zeros(1, dtype=torch.long),
        torch.zeros(1, 3),
        torch.tensor([0.9]),
        torch.tensor([0.2]),
        torch.tensor([cut]),
    )


@pytest.mark.parametrize(
    ("point", "added", "cut"),
    [
        ((0.0, 0.0, 0.0), -0.4, 0.2),  # in the middle: inside, or in the hole
        ((0.95, 0.0, 0.0), 0.05, 0.4924),  # before the rod's end; before the hole, from its edge
        ((0.5, 0.7, 0.0), 0.3, 0.3),  # beside the box
        ((0.2, 0.3, 0.0), -0.1, -0.1),  # in the wall
    ],
)
def test_distances_of_a_box_with_a_rod(point: tuple[float, float, float], added: float, cut: float) -> None:
    x = torch.tensor([[point]])
    assert distances(box((0.5, 0.4, 0.4), False), x).item() == pytest.approx(added, abs=1e-4)
    if point != (0.95, 0.0, 0.0):  # where the difference has a bound only
        assert distances(box((0.5, 0.4, 0.4), True), x).item() == pytest.approx(cut, abs=1e-4)


def slopes(solids: Solids, x: Tensor) -> Tensor:
    x = x.requires_grad_()
    (found,) = torch.autograd.grad(distances(solids, x).sum(), [x])
    return found.norm(dim=2)


def test_distances_grow_at_a_rate_of_one_and_shapes_stay_in_the_box() -> None:
    generator = torch.Generator().manual_seed(0)
    solids = random_solids(200, generator)
    x = 2 * torch.rand(200, 100, 3, generator=generator) - 1
    rates = slopes(solids, x)
    assert (rates.sub(1).abs() < 1e-3).float().mean() > 0.999
    shell = x / x.abs().max(2, keepdim=True).values
    assert distances(solids, shell).min() > 0.05
    inner = torch.rand(200, 2000, 3, generator=generator) - 0.5
    assert (distances(solids, inner) < 0).any(1).all()


def test_observed_points_are_of_the_surface_and_of_one_side() -> None:
    generator = torch.Generator().manual_seed(1)
    solids = random_solids(50, generator)
    points, normals, on = on_surface(solids, 200, generator)
    assert on.float().mean() > 0.97
    assert distances(solids, points)[on].abs().max() < 2e-3
    ahead = distances(solids, points + 0.01 * normals)
    assert (ahead[on] - 0.01).abs().median() < 1e-4
    seen = observe(solids, 60, False, generator)
    assert seen.known.mean() > 0.99
    spread = seen.points.mean(1).norm(dim=1)
    assert spread.min() > 0.1 > observe(solids, 400, True, generator).points.mean(1).norm(dim=1).median()


def test_lessons_are_of_signed_distances_cut_off_and_the_same_for_the_same_step() -> None:
    lessons = ShapeSampler(4, 64, 0.5)
    one, again = (lessons(3, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.values, again.values) and torch.equal(one.seen.points, again.seen.points)
    assert one.values.shape == (4, 64, 1) and one.values.abs().max() <= 1
    assert 0.1 < (one.values < 0).float().mean() < 0.6
    solids = random_solids(3, torch.Generator().manual_seed(0))
    x = torch.tensor([[0.0, 0.0, 0.99]])
    assert torch.equal(
        truncated_distances(solids, x)[..., 0], (distances(solids, x) / TRUNCATION).clamp(max=1)
    )

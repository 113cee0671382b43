"""Error bars of heads in closed form, against what they are about: the spread of many solutions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recon.field.heads import HeadedField
from recon.field.posterior import posterior_deviations
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.field.solve import Deviations, solve_heads
from recon.field.tiles import Tiles

NOISE, POINTS, DRAWS, EDGE = 0.01, 3000, 80, 0.5
TOLD = Deviations(value=NOISE, normal=1.0, change=1.0, turn=10.0)  # next to no prior


def trunk() -> Siren:
    return Siren(FieldConfig(width=16, hidden=1))


def plane() -> Tensor:
    points = torch.rand(POINTS, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    points[:, 2] = 0
    return points


def noise(seed: int) -> Tensor:
    return NOISE * torch.randn(POINTS, 1, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("doublings", [0, 1])
def test_the_deviation_is_the_spread_of_solutions_for_other_noise(doublings: int) -> None:
    """At nodes, where one tile counts, to the error of a spread; elsewhere it is a bound, not far off."""
    field, points = trunk(), plane()
    tiles = Tiles.around(points, EDGE, torch.where(points[:, 0] < 0, 0, doublings))
    nodes = tiles.lattices[0].nodes
    nodes = EDGE * nodes[(nodes[:, 2] == 0) & (nodes[:, 0] <= 0)].float()
    places = torch.cat((nodes, points[:200]))
    draws = []
    for seed in range(DRAWS):
        heads = solve_heads(field, tiles, points, noise(seed), None, TOLD)
        draws.append(HeadedField(field, tiles, heads).values(places).double())
    found, covered = posterior_deviations(field, tiles, points, noise(0), None, TOLD, places)
    ratio = found / torch.stack(draws).std(0)
    assert torch.allclose(covered, torch.ones_like(covered))
    assert 0.8 < ratio[: len(nodes)].mean() < 1.2  # 9 spreads of 80: 0.03, that of one tile's noise: 0.05
    assert 1.0 < ratio[len(nodes) :].mean() < 1.4


@pytest.mark.parametrize("factor", [1 / 3, 3.0])
def test_the_noise_is_told_from_the_data(factor: float) -> None:
    field, points = trunk(), plane()
    asked = Tiles.around(points, EDGE), points, noise(0), None
    found, _ = posterior_deviations(field, *asked, replace(TOLD, value=factor * NOISE), points)
    right, _ = posterior_deviations(field, *asked, TOLD, points)
    assert abs((found / right).mean() - 1) < 0.15


def test_nothing_is_known_where_no_tile_is() -> None:
    field, points = trunk(), plane()
    asked = Tiles.around(points, EDGE), points, noise(0), None
    found, covered = posterior_deviations(field, *asked, TOLD, points + 5.0)
    assert not found.any()
    assert not covered.any()


def test_where_points_are_few_the_prior_bounds_the_deviation() -> None:
    """A wide trunk has more unknowns in a head than points and a few samples of the prior say anything of."""
    field, points = Siren(FieldConfig(width=96, hidden=1)), 0.3 * plane()[:5]
    tight = replace(TOLD, change=1e-3, turn=1e-3 / EDGE)
    found, _ = posterior_deviations(
        field, Tiles.around(points, EDGE), points, noise(0)[:5], None, tight, plane()
    )
    assert found.max() < 5 * tight.change

"""Heads in closed form: what they must reach, and that they depend on nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tensors import assert_close
from torch import Tensor

from recon.field import solve
from recon.field.heads import HeadedField
from recon.field.jet import VALUE
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.field.solve import Deviations, solve_heads
from recon.field.tiles import Tiles

EXACT = Deviations(value=1e-5, normal=0.02, change=0.3, turn=3.0)  # of points; the trunk is random
EDGE = 0.1


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def on_sphere(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    normals = torch.nn.functional.normalize(
        torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    )
    return 0.6 * normals, normals


def on_plane(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    normal = torch.nn.functional.normalize(torch.tensor([1.0, 2.0, -1.5]), dim=0)
    across = torch.linalg.svd(normal[None]).Vh[1:]
    return (1.2 * random(count, 2, seed=seed) - 0.6) @ across + 0.1 * normal, normal.expand(count, 3)


def trunk() -> Siren:
    return Siren(FieldConfig(width=48, hidden=2))


def solved(
    points: Tensor, normals: Tensor | None, deviations: Deviations = EXACT, field: Siren | None = None
) -> HeadedField:
    field = field or trunk()
    tiles = Tiles.around(points, EDGE)
    values = torch.zeros(len(points), 1, dtype=points.dtype)
    return HeadedField(field, tiles, solve_heads(field, tiles, points, values, normals, deviations))


@pytest.mark.parametrize("surface", [on_plane, on_sphere])
def test_one_solve_on_random_features_meets_a_surface_and_its_normals(
    surface: Callable[..., tuple[Tensor, Tensor]],
) -> None:
    field = solved(*surface(10_000))
    points, normals = surface(4_000, seed=1)  # others than those it was solved for
    inner = points.norm(dim=1) < 0.55 if surface is on_plane else slice(None)  # the plane has an edge
    value, gradient = field.value_and_gradient(points[inner])
    before, _ = HeadedField(field.trunk).value_and_gradient(points[inner])
    assert value.abs().mean() < 2e-3 * before.abs().mean()
    assert value.abs().max() < 1e-2 * EDGE
    assert (gradient - normals[inner]).norm(dim=1).max() < 0.05


def test_values_alone_are_met_without_normals() -> None:
    points, _ = on_sphere(10_000)
    value = solved(points, None).values(on_sphere(4_000, seed=1)[0])
    assert value.abs().max() < 1e-2 * EDGE


def test_the_values_asked_for_are_met_off_the_surface() -> None:
    points, normals = on_sphere(10_000)
    heights = 0.02 * (random(len(points), seed=3) - 0.5)
    field, tiles = trunk(), Tiles.around(points, EDGE)
    places = points + heights[:, None] * normals
    heads = solve_heads(field, tiles, places, heights[:, None], normals, EXACT)
    probes, directions = on_sphere(2_000, seed=1)
    for height in (-0.005, 0.0, 0.005):
        value = HeadedField(field, tiles, heads).values(probes + height * directions)
        assert_close(value, torch.full((2_000,), height), atol=1e-2 * EDGE, rtol=0)


def test_a_strong_prior_keeps_the_trunk_and_without_points_there_is_no_head() -> None:
    points, normals = on_sphere(2_000)
    sure = Deviations(value=1.0, normal=100.0, change=1e-6, turn=1e-4)
    field = solved(points, normals, sure)
    probes = on_sphere(500, seed=1)[0]
    assert_close(field.values(probes), HeadedField(field.trunk).values(probes), atol=1e-4, rtol=0)


def test_single_precision_is_that_of_double_to_a_ten_thousandth_of_the_change() -> None:
    points, normals = on_sphere(6_000)
    single = solved(points, normals)
    with_double = trunk().double()
    double = solved(points.double(), normals.double(), field=with_double)
    probes = on_sphere(2_000, seed=1)[0]
    change = single.values(probes) - HeadedField(single.trunk).values(probes)
    difference = single.values(probes) - double.values(probes.double())
    assert difference.norm() < 1e-4 * change.norm()


def test_blocks_and_chunks_change_nothing_beyond_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    points, normals = on_sphere(3_000)
    whole = solved(points, normals)
    monkeypatch.setattr(solve, "BLOCK_SIZE", 150_000)
    monkeypatch.setattr(solve, "CHUNK_SIZE", 25_000)
    parts = solved(points, normals)
    probes = on_sphere(1_000, seed=1)[0]
    assert_close(parts.values(probes), whole.values(probes), atol=1e-4, rtol=0)


def test_of_very_many_points_of_a_cell_some_are_enough() -> None:
    kept = solve._thinned(torch.tensor([7] * 100 + [3] * 5), 20, torch.Generator().manual_seed(0))
    assert len(kept) == 25
    assert (kept >= 100).sum() == 5
    assert (kept.diff() > 0).all()


@torch.no_grad()
def test_outputs_are_solved_for_as_if_each_were_alone() -> None:
    both, points = Siren(FieldConfig(width=24, hidden=1), 2, 2), random(600, 2)
    values, tiles = random(600, 2, seed=1), Tiles.around(points, (0.3, 0.2))
    heads = solve_heads(both, tiles, points, values, None, EXACT)
    for output in (0, 1):
        one = Siren(FieldConfig(width=24, hidden=1), 2, 1)
        for mine, theirs in zip(one.weights[:-1], both.weights[:-1], strict=True):
            mine.copy_(theirs)
        for mine, theirs in zip(one.biases[:-1], both.biases[:-1], strict=True):
            mine.copy_(theirs)
        one.weights[-1][0], one.biases[-1][0] = both.weights[-1][output], both.biases[-1][output]
        alone = solve_heads(one, tiles, points, values[:, output : output + 1], None, EXACT)
        found = HeadedField(one, tiles, alone).values(points)
        together = HeadedField(both, tiles, heads).jet(points, VALUE).value[:, output]
        assert_close(found, together, atol=1e-3, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tiles_of_two_sizes_are_as_good_as_the_better_one_where_points_are_dense_and_where_not(
    seed: int,
) -> None:
    def wanted(x: Tensor) -> Tensor:
        return torch.sin(9 * x[:, :1]) * torch.cos(7 * x[:, 1:])

    points = 2 * random(9000, 2, seed=seed) - 1
    points = points[(points[:, 0] < 0) | (torch.arange(9000) % 25 == 0)]
    field = Siren(FieldConfig(width=24, hidden=1), 2, 1, generator=torch.Generator().manual_seed(seed))
    probes = 1.8 * random(4000, 2, seed=seed + 10) - 0.9
    errors = {}
    for name, tiles in {
        "small": Tiles.around(points, 0.06),
        "large": Tiles.around(points, 0.24),
        "both": Tiles.around(points, 0.06, torch.where(points[:, 0] < 0, 0, 2)),
    }.items():
        heads = solve_heads(field, tiles, points, wanted(points), None, Deviations(1e-3, 1.0, 1.0, 10.0))
        error = (HeadedField(field, tiles, heads).values(probes) - wanted(probes)[:, 0]).abs()
        errors[name] = {side: float(error[side * probes[:, 0] > 0.1].mean()) for side in (-1, 1)}
    assert errors["both"][-1] == pytest.approx(errors["small"][-1], rel=0.01)
    assert errors["both"][-1] < 0.2 * errors["large"][-1]
    assert errors["both"][1] < 1.4 * errors["large"][1]
    assert errors["both"][1] < 0.7 * errors["small"][1]


def test_two_tilings_give_surfaces_closer_than_the_noise() -> None:
    points, normals = on_sphere(10_000)
    noise = 0.005
    moved = noise * torch.randn(len(points), generator=torch.Generator().manual_seed(4))
    noisy = points + moved[:, None] * normals
    about = Deviations(value=noise, normal=0.05, change=0.3, turn=3.0)
    probes = on_sphere(2_000, seed=1)[0]
    found = []
    for edge in (0.1, 0.14):
        field, tiles = trunk(), Tiles.around(points, edge)
        heads = solve_heads(field, tiles, noisy, moved[:, None], normals, about)
        found.append(HeadedField(field, tiles, heads).values(probes))
    assert (found[0] - found[1]).square().mean().sqrt() < 0.2 * noise

"""Heads for the samples of a grid: what they must reach at the samples and between them, in any dimension."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import recon
from recon.errors import FitError, UsageError
from recon.field.heads import HeadedField
from recon.field.jet import VALUE
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.signals import heads
from recon.signals.fits.image import fit_image
from recon.signals.fits.train import Job
from recon.signals.heads import with_heads
from recon.signals.media.images import write_image
from recon.signals.settings import PRESETS
from recon.signals.tasks.grid import Grid

GRIDS = [
    (Grid((3000,), (2.0,)), 40.0),
    (Grid.square(48, 70), 7.0),
    (Grid((12, 20, 26), (1.0, 0.8, 1.0)), 5.0),
]


def signal(x: Tensor) -> Tensor:
    """Two smooth functions (n, 2) of x (n, m)."""
    return torch.stack((torch.sin(4 * x.sum(1)), torch.cos(5 * x).prod(1)), 1)


def error(field: HeadedField, x: Tensor) -> float:
    return float((field.jet(x, VALUE).value - signal(x)).square().mean().sqrt())


@pytest.mark.parametrize(("grid", "tile"), GRIDS)
def test_heads_of_an_untrained_trunk_meet_a_smooth_signal_at_its_samples_and_between(
    grid: Grid, tile: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = len(grid.counts)
    trunk = Siren(FieldConfig(width=64, hidden=1, omega_first=10.0), axes, 2)
    points = grid.points(torch.arange(len(grid)))
    between = points + torch.tensor(grid.spacings) / 2
    inside = (between.abs() < torch.tensor(grid.halves[::-1])).all(1)
    before = error(HeadedField(trunk), points)
    for samples in (heads.BLOCK_SAMPLES, 500):  # in one block, and in many
        monkeypatch.setattr(heads, "BLOCK_SAMPLES", samples)
        shares: list[float] = []
        field = with_heads(trunk, grid, lambda indices: signal(grid.points(indices)), tile, 0, shares.append)
        assert error(field, points) < 0.04 * before
        assert error(field, between[inside]) < 1.25 * error(field, points)
        assert shares[-1] == 1.0 and shares == sorted(shares)


def test_a_block_of_samples_is_the_samples_in_it() -> None:
    for grid, _ in GRIDS:
        sizes = torch.tensor(grid.spacings)
        places = grid.points(torch.arange(len(grid))) / sizes
        low, high = [-7.3, -2.6, -1.1][: len(sizes)], [900.2, 1e9, 4.9][: len(sizes)]
        inside = ((places > torch.tensor(low)) & (places < torch.tensor(high))).all(1)
        assert grid.within(low, high).tolist() == inside.nonzero()[:, 0].tolist()


def test_a_constant_signal_and_a_single_sample_have_heads_too() -> None:
    for counts in ((1, 1), (9, 1), (20, 20)):
        grid, trunk = Grid.square(*counts), Siren(FieldConfig(width=16, hidden=1), 2, 1)
        field = with_heads(trunk, grid, lambda indices: torch.full((len(indices), 1), 0.25), 4.0)
        points = grid.points(torch.arange(len(grid)))
        after, before = (one.jet(points, VALUE).value - 0.25 for one in (field, HeadedField(trunk)))
        assert after.norm() < 0.1 * before.norm()


def test_very_many_samples_have_larger_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MAX_TILES", 30)
    grid, trunk = Grid.square(64, 64), Siren(FieldConfig(width=16, hidden=1), 2, 1)
    field = with_heads(trunk, grid, lambda indices: torch.zeros(len(indices), 1), 2.0)
    assert field.tiles is not None
    assert len(field.tiles) < 70
    assert field.tiles.lattices[0].edge[0] == pytest.approx(math.sqrt(64 * 64 / 30) * 2 / 64)


def test_a_tile_smaller_than_a_sample_and_heads_for_derivatives_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"heads\.tile is 0\.5, expected 0 or at least 1"):
        PRESETS["standard"]["image"].with_(heads={"tile": 0.5})
    write_image(np.zeros((12, 12, 1)), tmp_path / "a.png")
    config = PRESETS["standard"]["gradient"].with_(heads={"tile": 8.0})
    with pytest.raises(UsageError, match="mode gradient has no heads"):
        fit_image(tmp_path / "a.png", Job(tmp_path / "o.png", config, tmp_path / "run"), "gradient")
    assert {mode for mode, config in PRESETS["paper"].items() if config.heads.tile} == set()


@pytest.mark.slow
def test_a_run_keeps_its_heads_and_solves_for_them_if_it_was_stopped_before(tmp_path: Path) -> None:
    write_image(0.5 + 0.5 * np.sin(np.arange(30.0))[:, None, None] * np.ones((1, 20, 3)), tmp_path / "a.png")
    config = PRESETS["standard"]["image"].with_(field={"width": 24}, fit={"steps": 5})
    job = Job(tmp_path / "o.png", config, tmp_path / "run", "cpu", overwrite=True)
    first, summary = fit_image(tmp_path / "a.png", job)
    kept = tmp_path / "run" / "heads.npz"
    content = kept.read_bytes()
    places = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    np.testing.assert_array_equal(recon.load_fit(tmp_path / "run").at(places), first.at(places))
    kept.unlink()  # stopped after the training
    again, resumed = fit_image(tmp_path / "a.png", job)
    np.testing.assert_array_equal(again.at(places), first.at(places))
    assert resumed["steps"] == summary["steps"] and resumed["psnr"] == summary["psnr"]
    kept.write_bytes(content[: len(content) // 2])
    with pytest.raises(FitError, match=r"heads\.npz is not as recon writes it .* remove the folder"):
        recon.load_fit(tmp_path / "run")

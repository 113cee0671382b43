"""Blocks fill space, share the points, and own each brick of the mesh's grid once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.made_scene import cut

from recon.errors import UsageError
from recon.surface.scenes.plan import lattice, read_plan
from recon.surface.settings import PRESETS


def shell(count: int) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True) * (0.9, 0.5, 0.7)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 27])
def test_blocks_fill_space_and_share_the_points(count: int, tmp_path: Path) -> None:
    points = shell(40_000)
    made = cut(points, count, tmp_path)
    assert len(made) == count
    places = np.random.default_rng(1).uniform(-2, 2, (5000, 3))
    for some in (places, points):
        inside = ((some[:, None] >= made.corners[:, 0]) & (some[:, None] < made.corners[:, 1])).all(2)
        assert (inside.sum(1) == 1).all()
    shares = inside.mean(0) * count
    assert shares.min() > 0.5 and shares.max() < 1.6  # cut between cells of the sorted points


@pytest.mark.parametrize("settings", [{"resolution": 40}, {"cell": 0.013}, {"finest": 64}])
def test_each_brick_is_of_one_block(settings: dict, tmp_path: Path) -> None:
    made = cut(shell(40_000), 27, tmp_path)
    grid = lattice(made, PRESETS["draft"].with_(mesh=settings))
    owners = np.zeros(grid.grid.bricks, int)
    for low, high in zip(grid.lows, grid.highs, strict=True):
        owners[low[0] : high[0], low[1] : high[1], low[2] : high[2]] += 1
    assert (owners == 1).all()
    places = grid.grid.origin + 2 * grid.grid.cell * np.stack([grid.lows, grid.highs], axis=1)
    off = np.abs(places - made.corners)[made.inner]
    assert off.max() <= grid.grid.cell * (1 + 1e-9)  # half a brick


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = cut(shell(20_000), 5, tmp_path)
    made.write(tmp_path)
    again = read_plan(tmp_path)
    for name in ("box", "corners", "overlap", "margin", "spacing", "side"):
        assert np.array_equal(getattr(again, name), getattr(made, name)), name


def test_more_blocks_than_there_is_room_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too many for 3,000 points"):
        cut(shell(3000), 500, tmp_path)

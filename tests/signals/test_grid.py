"""Where the samples of a grid are, and which of them a step sees."""

from __future__ import annotations

import torch

from recon.signals.tasks import grid as module
from recon.signals.tasks.grid import Grid, Shuffled
from recon.training.constraints import Draw


def draw(step: int) -> Draw:
    return Draw(step, 0.0, torch.Generator().manual_seed(step))


def test_points_are_pixel_centres_columns_first() -> None:
    grid = Grid.square(2, 4)
    points = grid.points(torch.arange(8)).double()
    assert grid.halves == (0.5, 1.0) and grid.spacing == 0.5
    wanted = [[-0.75, -0.25], [-0.25, -0.25], [0.25, -0.25], [0.75, -0.25]]
    assert points[:4].tolist() == wanted
    assert points[4:].tolist() == [[x, 0.25] for x, _ in wanted]


def test_a_film_counts_time_last_in_its_coordinates() -> None:
    points = Grid((2, 3, 4), (1.0, 0.75, 1.0)).points(torch.tensor([0, 12, 23])).double()
    assert points.tolist() == [[-0.75, -0.5, -0.5], [-0.75, -0.5, 0.5], [0.75, 0.5, 0.5]]


def test_each_sample_is_seen_once_before_any_is_seen_again() -> None:
    shuffled = Shuffled(60, 20, seed=1)
    turns = [torch.cat([shuffled(draw(3 * turn + k)) for k in range(3)]) for turn in range(2)]
    for turn in turns:
        assert turn.sort().values.tolist() == list(range(60))
    assert not torch.equal(*turns)
    assert torch.equal(Shuffled(60, 20, seed=1)(draw(4)), turns[1][20:40])  # whatever was asked for before
    assert not torch.equal(Shuffled(60, 20, seed=2)(draw(4)), turns[1][20:40])


def test_a_batch_larger_than_the_grid_is_the_grid() -> None:
    assert Shuffled(7, 100, seed=0)(draw(5)).sort().values.tolist() == list(range(7))


def test_huge_grids_are_drawn_from_without_a_table() -> None:
    count = module.MAX_SHUFFLED_SAMPLES + 1
    drawn = Shuffled(count, 100_000, seed=0)(draw(0)).double()
    assert drawn.min() >= 0 and drawn.max() < count
    assert abs(drawn.mean() / count - 0.5) < 0.005

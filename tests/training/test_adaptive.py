"""Samples where they are needed."""

import torch
from torch import Tensor

from recon.training.adaptive_sampling import POOL_DRAWS, REFRESH_STEPS, AdaptiveSampler
from recon.training.constraints import Draw, Samples


def draw(step: int) -> Draw:
    return Draw(step, 0.0, torch.Generator().manual_seed(step))


def uniform(draw: Draw) -> Samples:
    points = torch.rand(1000, 1, generator=draw.generator)
    return points, 2 * points


def left(samples: Samples) -> Tensor:
    """A residual that is all in the left tenth."""
    return (samples[0][:, 0] < 0.1).float()


def test_half_of_the_points_go_where_the_residual_is() -> None:
    """Of these, in proportion to residual plus mean: 0.1 x 1.1 of 0.2 in the left tenth."""
    points, data = AdaptiveSampler(uniform, left)(draw(7))
    assert points.shape == (1000, 1)
    assert torch.equal(data, 2 * points)
    share = float((points < 0.1).float().mean())
    assert abs(share - (0.1 + 0.11 / 0.2) / 2) < 0.05


def test_without_a_residual_all_places_are_alike() -> None:
    sample = AdaptiveSampler(uniform, lambda samples: torch.zeros(len(samples[0])))
    points = torch.cat([sample(draw(step))[0] for step in range(20)])
    assert abs(float(points.mean()) - 0.5) < 0.02


def test_residuals_are_looked_at_where_a_training_can_be_taken_up_again() -> None:
    """And then only: what is drawn from a snapshot on is what was drawn without a break."""
    asked: list[int] = []

    def sizes(samples: Samples) -> Tensor:
        asked.append(len(samples[0]))
        return left(samples)

    whole, later = AdaptiveSampler(uniform, sizes), AdaptiveSampler(uniform, sizes)
    steps = range(2 * REFRESH_STEPS + 3)
    first = [whole(draw(step))[0] for step in steps]
    assert asked == [POOL_DRAWS * 1000] * 3
    again = [later(draw(step))[0] for step in steps[REFRESH_STEPS:]]
    assert all(torch.equal(a, b) for a, b in zip(first[REFRESH_STEPS:], again, strict=True))

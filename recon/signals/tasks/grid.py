"""Samples on a regular grid: where they are in the unit frame, and which of them a step sees."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.training.constraints import Draw, Samples

MAX_SHUFFLED_SAMPLES = 1 << 22  # larger grids are sampled uniformly with replacement


@dataclass(frozen=True)
class Grid:
    """The centres of cells that fill a box around zero; coordinates are reversed: (x, y), (x, y, t).

    `counts` are cells along each axis, in the order of an array's axes; `halves` half the box along each.
    """

    counts: tuple[int, ...]
    halves: tuple[float, ...]

    @classmethod
    def square(cls, *counts: int) -> "Grid":
        """A grid of square cells, the longest side of the box from -1 to 1."""
        return cls(counts, tuple(count / max(counts) for count in counts))

    def __len__(self) -> int:
        return torch.Size(self.counts).numel()

    @property
    def spacing(self) -> float:
        """From a sample to the next along the axis on which they are closest."""
        return min(self.spacings)

    @property
    def spacings(self) -> tuple[float, ...]:
        """From a sample to the next along each coordinate."""
        sizes = zip(reversed(self.halves), reversed(self.counts), strict=True)
        return tuple(2 * half / count for half, count in sizes)

    def within(self, low: Sequence[float], high: Sequence[float]) -> Tensor:
        """Flat indices (n,) of the samples between `low` and `high`: coordinates, by sample."""
        found, stride = torch.zeros(1, dtype=torch.long), 1
        for count, first, last in zip(reversed(self.counts), low, high, strict=True):
            middle = (count - 1) / 2
            start, stop = max(0, math.ceil(first + middle)), min(count, math.floor(last + middle) + 1)
            found = (stride * torch.arange(start, stop)[:, None] + found).flatten()
            stride *= count
        return found

    def points(self, indices: Tensor) -> Tensor:
        """The coordinates (n, m) float32 of the cells with these flat indices (n,)."""
        axes = []
        for count, half in zip(reversed(self.counts), reversed(self.halves), strict=True):
            axes.append((2 * (indices % count) + 1 - count).float() * (half / count))
            indices = indices // count
        return torch.stack(axes, dim=1)


@dataclass
class Shuffled:
    """Which `batch` of `count` samples a step sees: a new permutation every epoch, by seed and step."""

    count: int
    batch: int
    seed: int

    def __post_init__(self) -> None:
        self.batch = min(self.batch, self.count)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def __call__(self, draw: Draw) -> Tensor:
        """Indices (batch,) on the CPU."""
        if self.count > MAX_SHUFFLED_SAMPLES:
            where = draw.generator.device
            return torch.randint(self.count, (self.batch,), generator=draw.generator, device=where).cpu()
        epoch, place = divmod(draw.step, self.count // self.batch)
        if epoch != self._epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, torch.randperm(self.count, generator=generator)
        return self._order[place * self.batch : (place + 1) * self.batch]


Sampler = Callable[[Draw], Samples]
Table = Callable[[Tensor], Tensor]  # indices (n,) on the CPU → values (n, …) float32


def grid_sampler(grid: Grid, table: Table, batch: int, seed: int, device: torch.device | str) -> Sampler:
    """For a `Constraint`: points of `grid` and their values."""
    shuffled = Shuffled(len(grid), batch, seed)

    def sample(draw: Draw) -> Samples:
        indices = shuffled(draw)
        return grid.points(indices).to(device), table(indices).to(device)

    return sample

"""Pictures of which some pixels are known: training and test data of a space of pictures."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon.signals.tasks.grid import Grid
from recon.spaces.encoders import Observation
from recon.spaces.task import SpaceBatch

MIN_KNOWN_PIXELS = 5  # in training


class Pictures:
    """Pictures (n, size, size, c) uint8 as values from -1 to 1 at the centres of their pixels."""

    def __init__(self, images: NDArray[np.uint8], device: torch.device | str = "cpu") -> None:
        self.device = device
        self.images = torch.tensor(images).to(device).flatten(1, 2)
        self.size = images.shape[1]
        grid = Grid.square(self.size, self.size)
        self.points = grid.points(torch.arange(len(grid))).to(device)

    def __len__(self) -> int:
        return len(self.images)

    def values(self, which: Tensor | slice) -> Tensor:
        """(b, size², c)."""
        return self.images[which].float() / 127.5 - 1

    def observed(self, values: Tensor, places: Tensor, room: int | None = None) -> Observation:
        """The pixels with indices (b, n), or (n,) in all pictures; padded to `room` rows."""
        places = places.to(self.device).expand(len(values), -1)
        n = places.shape[1]
        known = torch.ones(places.shape, device=self.device)
        if room is not None:
            places = torch.nn.functional.pad(places, (0, room - n))
            known = torch.nn.functional.pad(known, (0, room - n))
        seen = values.gather(1, places[..., None].expand(-1, -1, values.shape[2]))
        return Observation(self.points[places], seen, known)

    def half(self, side: int) -> Tensor:
        """Indices of the pixels of the left, right, upper or lower half."""
        places = torch.arange(self.size**2).view(self.size, self.size)
        middle = self.size // 2
        return (places[:, :middle], places[:, middle:], places[:middle], places[middle:])[side].flatten()


def random_places(count: int, total: int, known: int, generator: torch.Generator) -> Tensor:
    """Indices (count, known) of random pixels of `total`, without repetition."""
    return torch.rand(count, total, generator=generator).argsort(1)[:, :known]


class PictureSampler:
    """For a `SpaceTask`: shuffled pictures, half of them mirrored, with random known pixels or a half.

    On a GPU the known pixels are padded, so that every step has the same shapes.
    """

    def __init__(self, pictures: Pictures, batch: int, targets: int, halves: float, seed: int) -> None:
        self.pictures, self.halves, self.seed = pictures, halves, seed
        self.batch, self.total = min(batch, len(pictures)), pictures.size**2
        self.targets = min(targets, self.total)
        self.room = self.total if torch.device(pictures.device).type == "cuda" else None
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.long)

    def __call__(self, step: int, generator: torch.Generator) -> SpaceBatch:
        """The batch of a step."""
        pictures, device = self.pictures, self.pictures.device
        epoch, place = divmod(step, len(pictures) // self.batch)
        if epoch != self._epoch:
            order_generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, torch.randperm(len(pictures), generator=order_generator)
        which = self._order[place * self.batch : (place + 1) * self.batch].to(device)
        values = pictures.values(which)
        mirrored = values.unflatten(1, (pictures.size, pictures.size)).flip(2).flatten(1, 2)
        turned = (torch.rand(self.batch, generator=generator) < 0.5).to(device)
        values = torch.where(turned[:, None, None], mirrored, values)
        kind, amount, side = torch.rand(3, generator=generator).tolist()
        if kind < self.halves:
            known = pictures.half(int(4 * side))
        else:
            low, high = math.log(MIN_KNOWN_PIXELS), math.log(self.total)
            count = round(math.exp(low + amount * (high - low)))
            known = random_places(self.batch, self.total, count, generator)
        seen = pictures.observed(values, known, self.room)
        some = torch.randperm(self.total, generator=generator)[: self.targets].to(device)
        return SpaceBatch(seen, pictures.points[some], values[:, some])

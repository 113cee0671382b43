"""Media: maps of the slowness 1/c over a square."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon.errors import UsageError
from recon.geometry import Float

MEDIA = ("uniform", "square", "circle")
INCLUSION_SPEED = 2.0  # relative to the medium around it
INCLUSION_CENTRE, INCLUSION_SIZE = (0.5, 0.0), 0.25  # radius or half side; in half-widths of the region
MAP_CELLS, SAMPLES_PER_CELL = 256, 8  # a side of an inclusion's map; a side of a cell, which is their mean


@dataclass(frozen=True, eq=False)
class Map:
    """Values over the square of half-width `half` around zero; those at its sides continue outside.

    `table` is (n, n) float64 at the centres of n² cells, rows along y.
    """

    table: Float
    half: float

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """The values (n,) at coordinates (n,), bilinear between the cells' centres."""
        table = torch.as_tensor(self.table).to(x)
        places = torch.stack((x, y), -1)[None, None] / self.half
        return torch.nn.functional.grid_sample(
            table[None, None], places, mode="bilinear", padding_mode="border", align_corners=False
        )[0, 0, 0]

    def on(self, axis: Float) -> Float:
        """(m, m) float64 on the product of `axis` with itself, rows along y."""
        y, x = torch.meshgrid(torch.as_tensor(axis), torch.as_tensor(axis), indexing="ij")
        return self(x.reshape(-1), y.reshape(-1)).reshape(x.shape).numpy()


def named_medium(name: str, half: float) -> Map:
    """The slowness of a medium in `MEDIA`, 1 but for its inclusion. Raises UsageError for another name."""
    if name not in MEDIA:
        raise UsageError(
            f"unknown medium '{name}': expected {', '.join(MEDIA)}, or a .npy file with the slowness"
        )
    if name == "uniform":
        return Map(np.ones((1, 1)), half)
    fine = (np.arange(MAP_CELLS * SAMPLES_PER_CELL) + 0.5) / (MAP_CELLS * SAMPLES_PER_CELL) * 2 - 1
    x, y = np.abs(fine - INCLUSION_CENTRE[0])[None, :], np.abs(fine - INCLUSION_CENTRE[1])[:, None]
    within = np.maximum(x, y) < INCLUSION_SIZE if name == "square" else np.hypot(x, y) < INCLUSION_SIZE
    cover = within.reshape(MAP_CELLS, SAMPLES_PER_CELL, MAP_CELLS, SAMPLES_PER_CELL).mean((1, 3))
    return Map(1 + cover * (1 / INCLUSION_SPEED - 1), half)

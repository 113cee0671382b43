"""How well pictures are completed, compared with baselines without learning or without a field.

Mean squared errors of values from 0 to 1, over pixels and colours of all pictures, known pixels included, by
the number of known pixels:

    mean image      of the training set
    nearest pixel   each pixel is the known one nearest to it
    nearest image   of the training set, by the known pixels
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon.base.progress import ProgressCallback, no_progress
from recon.spaces.learned import Learned
from recon.spaces.picture_sampler import Pictures, random_places

CHUNK_PICTURES = 64  # at a time
LEFT_HALF = 0  # index of the half that is known
Completed = Callable[[Tensor, Tensor], Tensor]  # values (b, p, c), known places (b, n) → values (b, p, c)


def contexts(total: int) -> dict[str, int | None]:
    """Names of what is known of pictures of `total` pixels, and how many random pixels; None: a half."""
    return {
        "10": 10,
        "100": min(100, total),
        f"{total // 2} (half, random)": total // 2,
        "left half": None,
        "all": total,
    }


def scores(
    space: Learned,
    known: NDArray[np.uint8],
    unseen: NDArray[np.uint8],
    seed: int = 0,
    progress: ProgressCallback = no_progress,
) -> dict[str, dict[str, float]]:
    """Errors by method and by what is known of the pictures `unseen` (n, size, size, c).

    `known` are the training set.
    """
    pictures, before = Pictures(unseen, space.device), Pictures(known, space.device)
    learnt = before.values(slice(None))
    mean, squares = learnt.mean(0), learnt.square()

    def completed(values: Tensor, places: Tensor) -> Tensor:
        seen = pictures.observed(values, places)
        return space.values(space.weights(space.latents(seen)), pictures.points)

    methods: dict[str, Completed] = {
        "field": completed,
        "mean image": lambda values, places: mean.expand_as(values),
        "nearest pixel": lambda values, places: _nearest_pixel(pictures, values, places),
        "nearest image": lambda values, places: learnt[_nearest_image(learnt, squares, values, places)],
    }
    found = {name: errors(pictures, method, seed) for name, method in methods.items()}
    progress(1.0, "")
    return found


def errors(pictures: Pictures, method: Completed, seed: int = 0) -> dict[str, float]:
    """Mean squared errors of `method` by what is known; the same pixels for every method."""
    total, found = pictures.size**2, {}
    for name, count in contexts(total).items():
        generator = torch.Generator().manual_seed(seed)
        sums = 0.0
        for first in range(0, len(pictures), CHUNK_PICTURES):
            values = pictures.values(slice(first, first + CHUNK_PICTURES))
            if count is None:
                places = pictures.half(LEFT_HALF).expand(len(values), -1)
            else:
                places = random_places(len(values), total, count, generator)
            made = method(values, places.to(values.device)).clamp(-1, 1)
            sums += float((made - values).double().square().mean((1, 2)).sum())
        found[name] = sums / len(pictures) / 4
    return found


def _nearest_pixel(pictures: Pictures, values: Tensor, places: Tensor) -> Tensor:
    every = pictures.points.expand(len(places), -1, -1)
    nearest = torch.cdist(every, pictures.points[places]).argmin(2)
    return values.gather(1, places.gather(1, nearest)[..., None].expand_as(values))


def _nearest_image(learnt: Tensor, squares: Tensor, values: Tensor, places: Tensor) -> Tensor:
    """Indices (b,) of the nearest of `learnt` (n, p, c), with squares `squares`, at `places`."""
    known = torch.zeros_like(values[..., 0]).scatter_(1, places, 1.0)[..., None].expand_as(values)
    distances = known.flatten(1) @ squares.flatten(1).t()
    return distances.sub_(2 * (known * values).flatten(1) @ learnt.flatten(1).t()).argmin(1)

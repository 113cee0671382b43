"""The standard deviation of a field with heads, from the equations that its heads solve.

With A the matrix of a tile, the covariance of its head d_t is A⁻¹ B A⁻¹. B is A with the hats of the data
squared: a hat says how much a point counts in a tile, not how precise it is, so this is the covariance of an
estimate with such weights (White 1980, doi:10.2307/1912934), to which the prior adds as data do. The
deviation of r_t(x) is the root of (h, 1)ᵀ A⁻¹ B A⁻¹ (h, 1). Tiles share most of their points, so their errors
are taken as one: the deviation of the field is the sum of the tiles', times their hats at x.

How precise the values are is told from the data, tile by tile, by the fixed point for the evidence (MacKay
1992, doi:10.1162/neco.1992.4.3.415): σ² is the sum of the squared residuals over the number of points less
the number of unknowns that they determine, tr(A⁻¹ H) with the values' part H of A.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recon.field.kernels.fused import Layers
from recon.field.kernels.parallel_rows import in_parallel
from recon.field.siren import Siren
from recon.field.solve import (
    Asked,
    Block,
    Deviations,
    blocks_of,
    features,
    pairs_by_tile,
    positive_definite_solution,
    rows_of,
)
from recon.field.tiles import Tiles

MIN_FREE_POINTS = 30.0  # beyond the unknowns: a tile with fewer takes the precision it was told


def posterior_deviations(
    trunk: Siren,
    tiles: Tiles,
    points: Tensor,
    values: Tensor,
    normals: Tensor | None,
    deviations: Deviations,
    places: Tensor,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[Tensor, Tensor]:
    """The standard deviation of the field at `places` (m, 3), and the sum of the hats there.

    The other arguments are those of `recon.field.solve.solve_heads`. Both results are (m,) float64; the sum
    is 1 near the data and 0 where no tile is, as is the deviation: nothing is known there.
    """
    precisions = torch.as_tensor(deviations.value, device=points.device).double().pow(-2).expand(len(points))
    rows = rows_of(tiles, points, values, precisions, normals, seed)
    numbers, hats, starts = pairs_by_tile(tiles, places, torch.zeros_like(places[:, 0]))
    layers = Layers.of(trunk)
    found = torch.zeros(len(places), 2, dtype=torch.float64, device=places.device)
    for block in blocks_of(rows, layers, deviations):

        def in_tiles(some: Tensor, block: Block = block) -> list[tuple[Tensor, Tensor]]:
            parts = []
            for tile, covariance in zip(some.tolist(), head_covariances(block, some), strict=True):
                there = slice(int(starts[tile]), int(starts[tile + 1]))
                number, weight = numbers[there], hats[there].double()
                h = features(places[number], layers)[:, 0].double()
                deviation = ((h @ covariance) * h).sum(1).clamp_min(0).sqrt()
                parts.append((number, torch.stack((weight * deviation, weight), 1)))
            return parts

        for parts in in_parallel(in_tiles, block.chunks):
            for number, part in parts:
                found.index_add_(0, number, part)
        progress(block.last / len(tiles))
    return found[:, 0], found[:, 1]


def head_covariances(block: Block, tiles: Tensor) -> Tensor:
    """The covariances (b, K + 1, K + 1) float64 of the heads of `tiles` (b,)."""
    asked = block.asked(tiles)
    rows, flat = asked.features.double(), asked.features.double().flatten(1, 2)

    def moments(weights: Tensor) -> Tensor:
        return (rows * weights[..., None]).flatten(1, 2).mT @ flat

    matrix = moments(asked.weights)
    right = flat.mT @ (asked.weights * asked.wanted).flatten(1)[..., None]
    unit = torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    solved = positive_definite_solution(matrix, torch.cat((right, unit), 2))
    head, inverse = solved[..., :1], solved[..., 1:]
    is_data = asked.hats > 0
    weights = asked.weights * torch.where(is_data, asked.hats, 1.0)[..., None]
    excess = value_variance_ratio(asked, head, inverse)[:, None]
    weights[..., 0] *= torch.where(is_data, excess, 1.0)
    return inverse @ moments(weights) @ inverse


def value_variance_ratio(asked: Asked, head: Tensor, inverse: Tensor) -> Tensor:
    """The variance of the values (b,) that the data show, over that which was told.

    `head` (b, K + 1, 1) is what was solved for, `inverse` (b, K + 1, K + 1) that of its matrix.
    """
    values = asked.features[:, :, 0].double()
    precisions = torch.where(asked.hats > 0, asked.weights[..., 0], 0)
    residual = asked.wanted[:, :, 0] - (values @ head)[..., 0]
    determined = (inverse * (values.mT @ (values * precisions[..., None]))).sum((1, 2))
    free = asked.hats.sum(1) - determined
    ratio = (precisions * residual.square()).sum(1) / free.clamp_min(MIN_FREE_POINTS)
    return torch.where(free > MIN_FREE_POINTS, ratio, 1.0)

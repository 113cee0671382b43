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

import math
from collections.abc import Callable

import torch
from torch import Tensor

from recon.field.jet import VALUE
from recon.field.kernels.parallel_rows import in_parallel
from recon.field.siren import Siren
from recon.field.solve import (
    Block,
    Deviations,
    blocks_of,
    features,
    pairs_by_tile,
    positive_definite_solution,
    rows_of,
)
from recon.field.tiles import Tiles

PRIOR_SHARE = 2.0  # of a head's unknowns: the prior's equations; with fewer, some unknowns are free
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
    equations = (1 + trunk.axes) * 2**trunk.axes  # of the prior at one sample a cell, in each tile
    samples = math.ceil(PRIOR_SHARE * (trunk.weights[-1].shape[1] + 1) / equations)
    asked = rows_of(tiles, points, values, normals, deviations, seed, samples)
    numbers, hats, starts = pairs_by_tile(tiles, places, 0.0)
    flat = trunk.flat.detach() * trunk.factors
    found = torch.zeros(len(places), 2, dtype=torch.float64, device=places.device)
    for block in blocks_of(*asked, trunk):

        def in_tiles(some: Tensor, block: Block = block) -> list[tuple[Tensor, Tensor]]:
            parts = []
            for tile, covariance in zip(some.tolist(), head_covariances(block, some), strict=True):
                there = slice(int(starts[tile]), int(starts[tile + 1]))
                number, weight = numbers[there], hats[there].double()
                h = features(places[number], trunk, flat, VALUE)[:, 0].double()
                deviation = ((h @ covariance) * h).sum(1).clamp_min(0).sqrt()
                parts.append((number, torch.stack((weight * deviation, weight), 1)))
            return parts

        for parts in in_parallel(in_tiles, block.chunks):
            for number, part in parts:
                found.index_add_(0, number, part)
        progress(block.last / len(tiles))
    return found[:, 0], found[:, 1]


def head_covariances(block: Block, tiles: Tensor) -> Tensor:
    """The covariances (b, K + 1, K + 1) float64 of the heads of `tiles` (b,), of one output."""
    (matrix, right), (prior, mean) = block.data.equations(tiles), block.prior.equations(tiles)
    unit = torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    solved = positive_definite_solution(matrix + prior, torch.cat((right + mean, unit), 2))
    head, inverse = solved[..., :1], solved[..., 1:]
    points, hats = block.data.of(tiles)
    rows, precisions = block.data.features[points].double(), block.data.precisions[points]
    residual = block.data.missing[points][:, :, 0, 0] - (rows[:, :, 0] @ head)[..., 0]
    weights = hats.square()[..., None] * precisions
    ratio = value_variance_ratio(rows[:, :, 0], hats, precisions[..., 0], residual, inverse)
    weights[..., 0] *= ratio[:, None]
    spread = (rows * weights[..., None]).flatten(1, 2).mT @ rows.flatten(1, 2)
    return inverse @ (spread + prior) @ inverse


def value_variance_ratio(
    values: Tensor, hats: Tensor, precisions: Tensor, residual: Tensor, inverse: Tensor
) -> Tensor:
    """The variance of the values (b,) that the data show, over that which was told.

    Of p points in each of b tiles: features (b, p, K + 1), hats, precisions and residuals (b, p); `inverse`
    (b, K + 1, K + 1) is that of the tile's matrix.
    """
    weights = hats * precisions
    determined = (inverse * (values.mT @ (values * weights[..., None]))).sum((1, 2))
    free = hats.sum(1) - determined
    ratio = (weights * residual.square()).sum(1) / free.clamp_min(MIN_FREE_POINTS)
    return torch.where(free > MIN_FREE_POINTS, ratio, 1.0)

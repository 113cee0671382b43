"""The colours of a scan as a field: heads on the features that its shape has trained.

Between the points it goes on with the detail that they show, where a mean of the nearest ones smooths it. How
large the tiles are and how well the colours are to be met is chosen by what predicts points best that were
left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon.field.heads import HeadedField
from recon.field.jet import VALUE
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.field.solve import Deviations, solve_heads
from recon.field.tiles import Tiles
from recon.geometry import Float
from recon.scan.preparation.spatial_order import spatial_order

TILE_SPACINGS = 6.0, 4.0  # the edge of a tile's cell: to choose from
CHANGE = 0.3  # standard deviation of a colour from the mean, and, over two spacings, of its change
NOISES = 0.003, 0.01, 0.03, 0.1  # standard deviations of the given colours, to choose from
TRIED_POINTS, LEFT_OUT = 20_000, 10  # that choose; one in so many is predicted from the others
QUERY_POINTS = 1 << 16  # at a time

log = logging.getLogger("recon")


def color_field(
    trunk: Siren,
    config: FieldConfig,
    points: Float,
    colors: NDArray[np.uint8],
    spacing: float,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> HeadedField:
    """A field of three outputs, RGB from 0 to 1 in sRGB, for `colors` (n, 3) at `points` (n, 3), unit.

    Args:
        trunk: of the shape; it stays as it is.
        config: its settings.
        points: of the scan.
        colors: theirs.
        spacing: of the points, unit.
        seed: of the solve's random draws.
        progress: called with the share done.
    """
    where = torch.tensor(points).to(trunk.flat)
    wanted = torch.tensor(colors).to(trunk.flat) / 255
    features = _colorless(trunk, config, wanted.mean(0))
    edge, noise = _chosen(features, where, wanted, spacing, seed)
    log.info("the colours are met to %.2g of their range, in tiles of %.2g spacings", noise, edge)
    return _solved(features, where, wanted, spacing, edge, noise, seed, progress)


def colors_at(field: HeadedField, places: Tensor) -> Tensor:
    """The colours (m, 3) uint8 of a `color_field` at `places` (m, 3), unit."""
    found = [field.jet(part, VALUE).value for part in places.split(QUERY_POINTS)]
    return (255 * torch.cat(found).clamp(0, 1)).round().to(torch.uint8)


def _colorless(trunk: Siren, config: FieldConfig, mean: Tensor) -> Siren:
    """A field with the hidden layers of `trunk`, and the values `mean` (k,) everywhere."""
    field = Siren(config, trunk.axes, len(mean)).to(trunk.flat)
    with torch.no_grad():
        for ours, theirs in ((field.weights, trunk.weights), (field.biases, trunk.biases)):
            for layer, given in zip(ours[:-1], theirs[:-1], strict=True):
                layer.copy_(given)
        field.weights[-1].zero_()
        field.biases[-1].copy_(mean)
    return field


def _solved(
    features: Siren,
    points: Tensor,
    wanted: Tensor,
    spacing: float,
    edge: float,
    noise: float,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> HeadedField:
    """`features` with heads for the values `wanted` (n, k) at `points` (n, 3); `edge` in spacings."""
    tiles = Tiles.around(points, edge * spacing)
    told = Deviations(noise, 1.0, CHANGE, CHANGE / (2 * spacing))
    heads = solve_heads(features, tiles, points, wanted, None, told, seed, progress)
    return HeadedField(features, tiles, heads)


def _chosen(
    features: Siren, points: Tensor, wanted: Tensor, spacing: float, seed: int
) -> tuple[float, float]:
    """Those of `TILE_SPACINGS` and `NOISES` with which some of the points predict those left out best.

    The points are side by side.
    """
    order = spatial_order(points.double().cpu().numpy())
    first = max(0, (len(order) - TRIED_POINTS) // 2)
    some = torch.from_numpy(order[first : first + TRIED_POINTS]).to(points.device)
    left_out = torch.arange(len(some), device=points.device) % LEFT_OUT == 0
    asked, kept = points[some[left_out]], some[~left_out]
    errors = {}
    for edge, noise in product(TILE_SPACINGS, NOISES):
        field = _solved(features, points[kept], wanted[kept], spacing, edge, noise, seed)
        error = field.jet(asked, VALUE).value - wanted[some[left_out]]
        errors[edge, noise] = float(error.square().mean())
    return min(errors, key=errors.__getitem__)

"""From a trunk that knows the shape to a field that knows the detail: the heads of a scan's tiles.

Noise needs care. A point off the surface by ε has |Φ| = ε, not 0: asked to vanish at all points of a noisy
scan, a linear fit flattens Φ across the surface. So each point moves along the trunk's gradient by that part
of its distance which is noise, and the field is asked for the distance it has moved. Noise and the trunk's
own error are told apart by their variances.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from recon.field.heads import HeadedField
from recon.field.siren import Siren
from recon.field.solve import Deviations, solve_heads
from recon.field.tiles import Tiles
from recon.geometry import Float, PointCloud
from recon.scan.preparation.noise import normal_noise
from recon.scan.preparation.spacing import local_spacings
from recon.surface.settings import MIN_TILE, HeadsConfig

VALUE_PER_SPACING = 0.0025  # the least deviation of a value: exact points are met this well
MIN_NORMAL_DEVIATION = 0.06  # tighter normals would win over the points at sharp edges
# Normals made of noisy points turn by about noise over spacing, an error that neighbours share, so that their
# normals do not show it: so do a scanner's in part, and all estimated ones, which say nothing new.
NORMAL_PER_NOISE, MAX_GIVEN_DEVIATION, MAX_ESTIMATED_DEVIATION = 2.0, 0.2, 0.5
MIN_CHANGE = 2e-4  # what the trunk's value may be off by at least, unit frame
# And its gradient, by length. If that may be much, the normals of both sides of a sharp edge, which
# contradict each other, leave bubbles and handles in the solid.
TURN = 0.03
LARGE_QUANTILE, GAUSSIAN_QUANTILE = 0.9, 1.645  # of |x|, the latter in standard deviations
MAX_MOVE_SIGMAS = 4.0
CELL_SAMPLES = 2  # of a cell, with known distances
# A part of a scan has tiles of another size if theirs would differ by this many doublings: more than by the
# half that a wall thinner than the spacing pretends; and fewer points than these do not.
OTHER_SIZE, FEW_POINTS = 0.65, 200
DISTANCE_ERROR = 0.2  # of a distance in space, and in point spacings
SURE_SPACINGS = 0.5  # this far from the scan its side is known better than the trunk's
QUERY_POINTS = 1 << 16  # at a time

log = logging.getLogger("recon")


def with_heads(
    trunk: Siren,
    cloud: PointCloud,
    config: HeadsConfig,
    spacing: float,
    noise: float,
    distance_to: Callable[[Float], Float],
    estimated: bool = False,
    seed: int = 0,
    threads: int = 1,
    progress: Callable[[float], None] = lambda share: None,
) -> HeadedField:
    """`trunk` with heads for an oriented `cloud`, both in the unit frame.

    Args:
        trunk: trained.
        cloud: points (n, 3) with unit normals; a cloud without normals gets no heads.
        config: of the tiles, with the edge of their cells; 0 for no heads.
        spacing: of the points.
        noise: standard deviation of the points from the surface.
        distance_to: the scan's signed distance (n,) from places (n, 3), or NaN.
        estimated: whether the normals were estimated from the points.
        seed: of the solve's random draws.
        threads: of the search for neighbours.
        progress: called with the share done.
    """
    if cloud.normals is None or not config.tile:
        return HeadedField(trunk)
    data = scan_data(trunk, cloud, spacing, noise, estimated, threads)
    told = data.deviations
    tiles = tiles_for(data.points, config, spacing, noise, threads)
    log.info(
        "%s heads; standard deviations: points %.2g, normals %.2g, trunk %.2g",
        f"{len(tiles):,}",
        told.value,
        told.normal,
        told.change,
    )
    generator = torch.Generator().manual_seed(seed + 1)  # the solve's own samples are others
    places = torch.cat(tiles.samples(CELL_SAMPLES, generator))
    where, heights = _known_distances(HeadedField(trunk), places, distance_to, spacing)
    about = DISTANCE_ERROR * (heights.abs() + spacing) + noise
    deviations = replace(told, value=torch.cat((torch.ones_like(data.values[:, 0]) * told.value, about)))
    assert data.normals is not None
    normals = torch.cat((data.normals, torch.zeros_like(where)))
    asked = torch.cat((data.points, where)), torch.cat((data.values, heights[:, None])), normals, deviations
    return HeadedField(trunk, tiles, solve_heads(trunk, tiles, *asked, seed, progress))


def tiles_for(points: Tensor, config: HeadsConfig, spacing: float, noise: float, threads: int) -> Tiles:
    """Tiles about `points` (n, 3), `spacing` apart for the most part: smaller where these are denser."""
    assert config.tile
    local = local_spacings(points.cpu().double().numpy(), threads)
    edge = config.edge_for(local, noise).clip(MIN_TILE)  # copies of a point are no distance apart
    doublings = np.log2(edge / config.edge_for(spacing, noise)).clip(np.log2(MIN_TILE / config.tile))
    doublings = np.trunc(doublings + np.sign(doublings) * (1 - OTHER_SIZE))
    few = min(FEW_POINTS, len(local) // 10)
    least, most = np.partition(doublings, (few, len(local) - 1 - few))[[few, -1 - few]]
    return Tiles.around(points, config.tile, torch.tensor(doublings.clip(least, most), device=points.device))


@dataclass(frozen=True)
class ScanData:
    """What a scan asks of heads, unit frame: values (n, 1) and normals (n, 3), if known, at points (n, 3)."""

    points: Tensor
    values: Tensor
    normals: Tensor | None
    deviations: Deviations


def scan_data(
    trunk: Siren, cloud: PointCloud, spacing: float, noise: float, estimated: bool, threads: int
) -> ScanData:
    """What `cloud` asks of the heads of `trunk`; the arguments are those of `with_heads`."""
    device = trunk.flat.device
    points = torch.tensor(cloud.points, dtype=torch.float32, device=device)
    distance, gradient = _distances(HeadedField(trunk), points)
    direction = torch.nn.functional.normalize(gradient, dim=1)
    value = max(noise, VALUE_PER_SPACING * spacing)
    change = _excess(distance, value, MIN_CHANGE)
    move = distance * (value**2 / (value**2 + change**2))
    move = move.clamp_(-MAX_MOVE_SIGMAS * value, MAX_MOVE_SIGMAS * value)
    points = points - move[:, None] * direction
    if cloud.normals is None:
        return ScanData(points, -move[:, None], None, Deviations(value, math.inf, change, TURN))
    largest = MAX_ESTIMATED_DEVIATION if estimated else MAX_GIVEN_DEVIATION
    shared = min(NORMAL_PER_NOISE * noise / spacing, largest)
    normal = max(normal_noise(cloud, threads), shared, MIN_NORMAL_DEVIATION)
    normals = torch.tensor(cloud.normals, dtype=torch.float32, device=device)
    normals = normals / (1 - min(normal, 0.5) ** 2)  # the mean of normals that deviate is that much shorter
    return ScanData(points, -move[:, None], normals, Deviations(value, normal, change, TURN))


def _distances(field: HeadedField, points: Tensor) -> tuple[Tensor, Tensor]:
    """First-order distances (n,) of points from the zero set, and the gradients (n, 3) there."""
    parts = [field.value_and_gradient(part) for part in points.split(QUERY_POINTS)]
    value, gradient = (torch.cat(part) for part in zip(*parts, strict=True))
    return value / gradient.norm(dim=1).clamp_min(1e-3), gradient


def _known_distances(
    trunk: HeadedField, places: Tensor, distance_to: Callable[[Float], Float], spacing: float
) -> tuple[Tensor, Tensor]:
    """Those of `places` (n, 3) whose distance (m,) to the scan is known, and it.

    At sharp edges the points on both sides contradict each other, and a head that fits them all may vanish
    in between. Next to the scan, where the trunk is on another side, nothing is said.
    """
    where = places.to(trunk.device, torch.float32)
    heights = torch.tensor(distance_to(places.cpu().numpy())).to(where)
    agreed = torch.cat([trunk.values(part) for part in where.split(QUERY_POINTS)]).sign() == heights.sign()
    sure = agreed | (heights.abs() > SURE_SPACINGS * spacing)
    return where[sure], heights[sure]


def _excess(error: Tensor, known: float, least: float) -> float:
    """The standard deviation of `error` (n,), most of it, beyond that which is `known`."""
    size = error.abs().sort().values
    large = float(size[int(LARGE_QUANTILE * (len(size) - 1))]) / GAUSSIAN_QUANTILE
    return max(large**2 - known**2, least**2) ** 0.5

"""From a trunk that knows a signal roughly to a field that meets its samples: heads on tiles of the grid.

A fit that is exact at the samples may ring between them; the prior keeps it from that. How far it lets a head
go is measured at the samples: the root mean square of the trunk's error, and that of the error's difference
from one sample to the next along each axis. It is a mean over random places, as many as have more equations
than a head has unknowns: a head with fewer is free to oscillate.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from recon.field.heads import HeadedField
from recon.field.siren import Siren
from recon.field.solve import Deviations, solve_heads
from recon.field.tiles import Tiles
from recon.signals.tasks.grid import Grid, Table

VALUE_SHARE = 0.1  # of the trunk's error: standard deviation of the samples
TURN_SHARE = 0.3  # of its difference from sample to sample: that of a head's
MIN_ERROR = 1e-6  # of the trunk, whose values are about one
EQUATIONS_PER_UNKNOWN = 2.0  # of the prior
MEASURED_SAMPLES, CHUNK_SAMPLES = 1 << 16, 1 << 14  # at which the trunk's error is measured; at a time
BLOCK_SAMPLES = 1 << 18  # whose heads are solved for together, for memory's sake
MAX_TILES = 1 << 16  # larger signals have larger tiles

log = logging.getLogger("recon")


def with_heads(
    trunk: Siren,
    grid: Grid,
    table: Table,
    tile: float,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> HeadedField:
    """`trunk` with heads for the samples of a signal; memory does not grow with their number.

    Args:
        trunk: trained, with m coordinates and k outputs.
        grid: where the samples are.
        table: their values (n, k).
        tile: the edge of a tile's cell, in samples; larger where that makes more than MAX_TILES.
        seed: of the random draws.
        progress: called with the share done.
    """
    axes, where = trunk.axes, trunk.flat
    outputs, units = trunk.weights[-1].shape
    tile = max(tile, (len(grid) / MAX_TILES) ** (1 / axes))
    edge = [tile * spacing for spacing in grid.spacings]
    deviations = _deviations(trunk, grid, table, seed)
    volume_samples = math.ceil(EQUATIONS_PER_UNKNOWN * (units + 1) / (2**axes * (1 + axes)))
    spans = [_nodes(count, tile) for count in reversed(grid.counts)]
    side = max(1, math.floor(BLOCK_SAMPLES ** (1 / axes) / tile))  # of a block, in nodes
    blocks = list(product(*(span.split(side) for span in spans)))
    heads = where.new_zeros(*map(len, spans), outputs, units + 1)
    log.info(
        "%s heads; the trunk's standard deviation is %.2g",
        f"{math.prod(map(len, spans)):,}",
        deviations.change,
    )
    for number, block in enumerate(blocks):
        ends = [(int(nodes[0]), int(nodes[-1])) for nodes in block]
        indices = grid.within(
            *zip(*((tile * (first - 1), tile * (last + 1)) for first, last in ends), strict=True)
        )
        solved = solve_heads(
            trunk,
            Tiles(edge, _lattice(block).to(where.device)),
            grid.points(indices).to(where),
            table(indices).to(where),
            None,
            deviations,
            seed + number,
            volume_samples=volume_samples,
        )
        places = zip(ends, spans, strict=True)
        place = tuple(slice(first - int(span[0]), last + 1 - int(span[0])) for (first, last), span in places)
        heads[place] = solved[:-1].view_as(heads[place])
        progress((number + 1) / len(blocks))
    heads = heads.flatten(0, axes - 1)
    every = Tiles(edge, _lattice(spans).to(where.device))
    return HeadedField(trunk, every, torch.cat((heads, torch.zeros_like(heads[:1]))))


def _nodes(count: int, tile: float) -> Tensor:
    """The lattice's nodes along an axis with `count` samples around zero, whose cells hold all of them."""
    end = (count - 1) / 2 / tile
    return torch.arange(math.floor(-end), math.floor(end) + 2)


def _lattice(spans: Sequence[Tensor]) -> Tensor:
    """All nodes (t, m) with these numbers along the axes, in rising order."""
    return torch.cartesian_prod(*spans).view(-1, len(spans))


def _deviations(trunk: Siren, grid: Grid, table: Table, seed: int) -> Deviations:
    """Of samples and trunk, measured at some samples and the next ones along each axis."""
    generator = torch.Generator().manual_seed(seed)
    some = torch.randint(len(grid), (MEASURED_SAMPLES,), generator=generator)

    def error(indices: Tensor) -> Tensor:
        found = [trunk.values(part) for part in grid.points(indices).to(trunk.flat).split(CHUNK_SAMPLES)]
        return table(indices).to(trunk.flat) - torch.cat(found)

    def size(errors: Tensor) -> float:
        return max(float(errors.square().mean().sqrt()), MIN_ERROR)

    here, turns, stride = error(some), [], 1
    for count, spacing in zip(reversed(grid.counts), grid.spacings, strict=True):
        inner = (some // stride) % count < count - 1
        next_ones = error(some[inner] + stride) if inner.any() else here
        turns.append(TURN_SHARE * size(next_ones - here[inner]) / spacing)
        stride *= count
    change = size(here)
    return Deviations(VALUE_SHARE * change, math.inf, change, turns)

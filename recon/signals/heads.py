"""From a trunk that knows a signal roughly to a field that meets its samples: heads on tiles of the grid.

A fit that is exact at the samples may ring between them; the prior keeps it from that. How far it lets a head
go is measured at the samples: the root mean square of the trunk's error, and that of the error's difference
from one sample to the next along each axis. The prior is a mean over random places, so many that it has more
equations than a head has unknowns: with fewer, a head is free to oscillate.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor

from recon.field.heads import HeadedField
from recon.field.lattice import Lattice
from recon.field.siren import Siren
from recon.field.solve import Deviations, solve_heads
from recon.field.tiles import Tiles
from recon.signals.tasks.grid import Grid, Table

VALUE_SHARE = 0.1  # of the trunk's error: standard deviation of the samples
TURN_SHARE = 0.3  # of its difference from sample to sample: that of a head's
MIN_ERROR = 1e-6  # of the trunk, whose values are about one
PRIOR_SHARE, SAMPLES_SHARE = 2.0, 8.0  # of a head's unknowns: the prior's equations; the samples, at most
MEASURED_SAMPLES, CHUNK_SAMPLES = 1 << 16, 1 << 14  # at which the trunk's error is measured; at a time
BLOCK_SAMPLES = 1 << 18  # whose heads are solved for together, for memory's sake
MAX_TILES = 1 << 15  # larger signals have larger tiles

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
    axes, where, unknowns = trunk.axes, trunk.flat, trunk.weights[-1].shape[1] + 1
    tile = max(tile, (len(grid) / MAX_TILES) ** (1 / axes))
    edge = [tile * spacing for spacing in grid.spacings]
    deviations = _deviations(trunk, grid, table, seed)
    shares = PRIOR_SHARE / (1 + axes), SAMPLES_SHARE
    in_a_cell = [math.ceil(share * unknowns / 2**axes) for share in shares]
    spans = [_nodes(count, tile) for count in reversed(grid.counts)]
    heads = where.new_zeros(*map(len, spans), len(trunk.weights[-1]), unknowns)
    blocks = _blocks([len(span) for span in spans], BLOCK_SAMPLES ** (1 / axes) / tile)
    number = f"{math.prod(map(len, spans)):,}"
    log.info("%s heads; the trunk's standard deviation is %.2g", number, deviations.change)
    for done, block in enumerate(blocks):
        nodes = [span[part] for span, part in zip(spans, block, strict=True)]
        low, high = (
            [tile * (float(some[0]) - 1) for some in nodes],
            [tile * (float(some[-1]) + 1) for some in nodes],
        )
        indices = grid.within(low, high)
        solved = solve_heads(
            trunk,
            Tiles([Lattice(edge, _lattice(nodes).to(where.device))]),
            grid.points(indices).to(where),
            table(indices).to(where),
            None,
            deviations,
            seed + done,
            lambda share, done=done: progress((done + share) / len(blocks)),  # type: ignore[misc]
            *in_a_cell,
        )
        heads[block] = solved[:-1].view_as(heads[block])
    heads = heads.flatten(0, axes - 1)
    every = Tiles([Lattice(edge, _lattice(spans).to(where.device))])
    return HeadedField(trunk, every, torch.cat((heads, torch.zeros_like(heads[:1]))))


def _blocks(sizes: Sequence[int], side: float) -> list[tuple[slice, ...]]:
    """Parts of a lattice with `sizes` nodes along its axes, of about `side` nodes a side."""
    cuts = [torch.arange(size).tensor_split(math.ceil(size / max(1, side))) for size in sizes]
    return list(product(*([slice(int(part[0]), int(part[-1]) + 1) for part in axis] for axis in cuts)))


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
        step = error(some[inner] + stride) - here[inner] if inner.any() else here
        turns.append(TURN_SHARE * size(step) / spacing)
        stride *= count
    change = size(here)
    return Deviations(VALUE_SHARE * change, math.inf, change, turns)

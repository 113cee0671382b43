"""The heads of a field by linear least squares: one solve, in closed form, independent in each tile.

At points p with values v and normals n the head of tile t minimises

      Σ_p b_t(p) [ (Φ_t(p) - v)² / σ_value² + ‖∇Φ_t(p) - n‖² / σ_normal² ]
    + E[ r_t² / σ_change² + ‖∇r_t‖² / σ_turn² ]

with Φ_t = Φ₀ + r_t, and the mean over the tile's volume: the prior says how far the trunk may be off. It has
to be in the space of functions: a penalty on the coefficients lets surface appear where there are no points.
Linear in d_t, each is a symmetric positive definite system of K + 1 unknowns. Features are random ones that a
short training has made (Chen, Chi, E, Yang 2022, arXiv:2207.13380); with normals it is a Hermite fit (Macedo,
Gois, Velho 2011, doi:10.1111/j.1467-8659.2010.01785.x).

The features of a tile are nearly dependent, so normal equations are summed and factorised in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.field.kernels.fused import Layers
from recon.field.kernels.parallel_rows import in_parallel, over_rows
from recon.field.kernels.sines import sine_cosine_
from recon.field.siren import Siren
from recon.field.tiles import Tiles

VOLUME_SAMPLES = 2  # for the prior's mean, in each cell: 16 in a tile
MAX_CELL_POINTS = 1000  # more points of a cell are left out
MIN_HAT = 1e-4  # a point of less weight is left out of a tile
BLOCK_PAIRS, CHUNK_PAIRS = 1 << 18, 1 << 13  # of a point and a tile: with their features, solved at once
PAIRED_POINTS = 1 << 18  # at once
RELATIVE_DAMPING = (1e-11, 1e-8, 1e-5)  # of the mean diagonal: the first that a factorisation succeeds with


@dataclass(frozen=True)
class Deviations:
    """Standard deviations: of the data, and of the trunk's error; unit frame.

    Attributes:
        value: of the values asked for, one for all or (n,).
        normal: of a component of a normal.
        change: of the trunk's value.
        turn: of its gradient, by length.
    """

    value: float | Tensor
    normal: float
    change: float
    turn: float


@dataclass(frozen=True)
class Rows:
    """What is asked at points (n, 3), the first `data` of them the scan's, the others the prior's.

    Pairs of a point and a tile are sorted by tile: those of tile t from `starts[t]` on. `hats` (pairs,) are
    the points' weights in it, `precisions` (n,) one over the variances of the values.
    """

    points: Tensor
    values: Tensor
    precisions: Tensor
    normals: Tensor | None
    data: int
    pairs: Tensor
    hats: Tensor
    starts: Tensor


@dataclass(frozen=True)
class Asked:
    """The rows of the least-squares problems of b tiles: for each of m points a value and a gradient.

    Attributes:
        features: (b, m, 4, K + 1), (h, 1) and its derivatives along the axes.
        wanted: (b, m, 4), of the correction.
        weights: (b, m, 4) float64, precisions.
        hats: (b, m) float64, of the scan's points; 0 for those of the prior, and where there is none.
    """

    features: Tensor
    wanted: Tensor
    weights: Tensor
    hats: Tensor


def solve_heads(
    trunk: Siren,
    tiles: Tiles,
    points: Tensor,
    values: Tensor,
    normals: Tensor | None,
    deviations: Deviations,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Tensor:
    """The heads (t + 1, K + 1) of `tiles` for `values` (n,) and `normals` (n, 3) at `points` (n, 3).

    A normal of zero length stands for none.

    Memory is bounded, whatever the number of tiles; the result depends on `seed`, which draws the places of
    the prior's mean, but on neither device nor threads beyond rounding.
    """
    precisions = torch.as_tensor(deviations.value, device=points.device).double().pow(-2).expand(len(points))
    rows = rows_of(tiles, points, values, precisions, normals, seed)
    layers = Layers.of(trunk)
    heads = points.new_zeros(len(tiles) + 1, layers.last.shape[1] + 1)
    for block in blocks_of(rows, layers, deviations):
        for some, solved in zip(block.chunks, in_parallel(block.solved, block.chunks), strict=True):
            heads[some] = solved
        progress(block.last / len(tiles))
    return heads


def rows_of(
    tiles: Tiles, points: Tensor, values: Tensor, precisions: Tensor, normals: Tensor | None, seed: int
) -> Rows:
    """What is asked at the points, at most `MAX_CELL_POINTS` in a cell, and in the tiles' volume."""
    generator = torch.Generator().manual_seed(seed)
    kept = _thinned(tiles.cell(points), generator)
    points, values, precisions = points[kept], values[kept], precisions[kept]
    normals = None if normals is None else normals[kept]
    every = torch.cat((points, tiles.samples(VOLUME_SAMPLES, generator).to(points.dtype)))
    least = torch.full_like(every[:, 0], MIN_HAT)
    least[len(points) :] = -1.0
    return Rows(every, values, precisions, normals, len(points), *pairs_by_tile(tiles, every, least))


def pairs_by_tile(tiles: Tiles, points: Tensor, least: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The tiles that `points` (n, 3) weigh more than `least` (n,) in.

    Returns the points' numbers (pairs,), sorted by tile, their weights (pairs,), and where each tile's begin
    (t + 1,).
    """
    parts = []
    for rows in torch.arange(len(points), device=points.device).split(PAIRED_POINTS):
        tile, hats = tiles.corners(points[rows]), tiles.hats(points[rows])
        wanted = (hats > least[rows, None]) & (tile < len(tiles))
        parts.append((tile[wanted], hats[wanted], rows[:, None].expand_as(tile)[wanted]))
    tile, hats, number = (torch.cat(part) for part in zip(*parts, strict=True))
    order = torch.argsort(tile, stable=True)
    starts = torch.zeros(len(tiles) + 1, dtype=torch.long, device=tile.device)
    torch.cumsum(torch.bincount(tile, minlength=len(tiles)), 0, out=starts[1:])
    return number[order], hats[order], starts


def _thinned(cells: Tensor, generator: torch.Generator) -> Tensor:
    """Indices of `cells` (n,) with each number at most `MAX_CELL_POINTS` times, drawn at random."""
    drawn = torch.randperm(len(cells), generator=generator).to(cells.device)
    order = drawn[torch.argsort(cells[drawn], stable=True)]
    _, counts = torch.unique_consecutive(cells[order], return_counts=True)
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    rank = torch.arange(len(cells), device=cells.device) - first
    return order[rank < MAX_CELL_POINTS].sort().values


def blocks_of(rows: Rows, layers: Layers, deviations: Deviations) -> Iterator[Block]:
    """Neighbouring tiles, for the most part, with about `BLOCK_PAIRS` pairs in each block."""
    bounds = rows.starts.tolist()
    first = 0
    for last in range(1, len(bounds)):
        if last == len(bounds) - 1 or bounds[last + 1] - bounds[first] > BLOCK_PAIRS:
            yield Block(rows, layers, deviations, first, last)
            first = last


class Block:
    """The tiles from `first` up to `last`, with the features at the points of all of them.

    `chunks` are their numbers, those with about as many points together.
    """

    def __init__(self, rows: Rows, layers: Layers, deviations: Deviations, first: int, last: int) -> None:
        self.rows, self.deviations, self.first, self.last = rows, deviations, first, last
        pairs = slice(int(rows.starts[first]), int(rows.starts[last]))
        counts = rows.starts[first + 1 : last + 1] - rows.starts[first:last]
        each = max(1, CHUNK_PAIRS * (last - first) // max(1, pairs.stop - pairs.start))
        self.chunks = (torch.argsort(counts) + first).split(each)
        used, self.place = torch.unique(rows.pairs[pairs], return_inverse=True)
        points = rows.points[used]
        parts = over_rows(lambda part: features(points[part], layers), points, 4)
        self.features = torch.cat(parts)  # (points, 4, K + 1)
        own = torch.cat((layers.last[0], layers.last_bias))
        self.wanted = -(self.features @ own)
        self.data = used < rows.data
        self.precisions = points.new_zeros(len(used), dtype=torch.float64)
        self.precisions[self.data] = rows.precisions[used[self.data]]
        self.with_normal = torch.zeros_like(self.data)
        self.wanted[self.data, 0] += rows.values[used[self.data]]
        if rows.normals is not None:
            normals = rows.normals[used[self.data]]
            self.wanted[self.data, 1:] += normals
            self.with_normal[self.data] = (normals != 0).any(1)
        self.wanted *= self.data[:, None]  # the prior's mean is for no change at all

    def solved(self, tiles: Tensor) -> Tensor:
        """The heads (b, K + 1) of `tiles` (b,)."""
        return positive_definite_solution(*self.equations(tiles))[..., 0].to(self.features.dtype)

    def equations(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """The matrices (b, K + 1, K + 1) and right sides (b, K + 1, 1) float64 of `tiles` (b,)."""
        asked = self.asked(tiles)
        roots = asked.weights.sqrt()
        rows = (asked.features * roots[..., None].to(self.features.dtype)).flatten(1, 2).double()
        right = (asked.wanted * roots).flatten(1)[..., None]
        return rows.mT @ rows, rows.mT @ right

    def asked(self, tiles: Tensor) -> Asked:
        """What is asked of the heads of `tiles` (b,)."""
        starts, sigma = self.rows.starts, self.deviations
        counts = starts[tiles + 1] - starts[tiles]
        slot = torch.arange(int(counts.max()), device=tiles.device)
        there = slot < counts[:, None]
        pairs = torch.where(there, starts[tiles][:, None] + slot, starts[tiles][:, None])
        points, hats = self.place[pairs - starts[self.first]], self.rows.hats[pairs].double()
        data = self.data[points]
        share = (there / (there & ~data).sum(1, keepdim=True).clamp_min(1)).double()  # of the prior's mean
        hats = hats * there
        value = torch.where(data, hats * self.precisions[points], share / sigma.change**2)
        slope = torch.where(data, hats * self.with_normal[points] / sigma.normal**2, share / sigma.turn**2)
        weights = torch.stack((value, slope, slope, slope), -1)
        return Asked(self.features[points], self.wanted[points], weights, torch.where(data, hats, 0))


def features(x: Tensor, layers: Layers) -> Tensor:
    """(h, 1) and its derivatives along the axes, at x (n, 3): (n, 4, K + 1)."""
    h, along = x, None
    for scaled, shift in zip(layers.scaled, layers.shifts, strict=True):
        sine, cosine = sine_cosine_(torch.addmm(shift, h, scaled.t()))
        through = scaled.t()[:, None] if along is None else torch.matmul(along, scaled.t())
        along = cosine * through
        h = sine
    assert along is not None
    found = x.new_zeros(len(x), 4, h.shape[1] + 1)
    found[:, 0, :-1], found[:, 0, -1], found[:, 1:, :-1] = h, 1, along.transpose(0, 1)
    return found


def positive_definite_solution(matrix: Tensor, right: Tensor) -> Tensor:
    """The x (b, k, m) of `matrix` (b, k, k) x = `right` (b, k, m), damped as little as rounding allows."""
    mean = matrix.diagonal(dim1=1, dim2=2).mean(1)
    found = torch.zeros_like(right)
    left = torch.arange(len(matrix), device=matrix.device)
    for damping in RELATIVE_DAMPING:
        some = matrix[left]
        some.diagonal(dim1=1, dim2=2).add_(damping * mean[left, None])
        factor, failed = torch.linalg.cholesky_ex(some)
        fine = failed == 0
        found[left[fine]] = torch.cholesky_solve(right[left[fine]], factor[fine])
        left = left[~fine]
        if not len(left):
            break
    return found

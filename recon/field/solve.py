"""The heads of a field by linear least squares: one solve, in closed form, independent in each tile.

At points p with values v and, of a signed distance, normals n the head of tile t minimises

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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.field.jet import GRADIENT, VALUE, Order
from recon.field.kernels.jets import hidden_rows
from recon.field.kernels.parallel_rows import in_parallel, over_rows
from recon.field.siren import Siren
from recon.field.tiles import Tiles

VOLUME_SAMPLES = 2  # for the prior's mean, in each cell: 16 in a tile
MAX_CELL_POINTS = 1000  # of which there may be more
MIN_HAT = 1e-4  # a point of less weight is left out of a tile
# Pairs of a point and a tile, times K + 1: with their features at once; solved at once.
BLOCK_SIZE, CHUNK_SIZE = 1 << 24, 1 << 19
PAIRED_POINTS = 1 << 18  # at once
RELATIVE_DAMPING = (1e-11, 1e-8, 1e-5)  # of the mean diagonal: the first that a factorisation succeeds with


@dataclass(frozen=True)
class Deviations:
    """Standard deviations: of the data, and of the trunk's error; unit frame.

    Attributes:
        value: of the values asked for, one for all or (n,).
        normal: of a component of a normal.
        change: of the trunk's value.
        turn: of its gradient, by length, or of each of its m components.
    """

    value: float | Tensor
    normal: float
    change: float
    turn: float | Sequence[float]


@dataclass(frozen=True)
class Rows:
    """What is asked at points (n, m): c equations each, for the value and perhaps the gradient.

    Pairs of a point and a tile are sorted by tile: those of tile t from `starts[t]` on. Its equations have
    the pair's share (pairs,) of the point's precisions (n, c) as their weights.
    """

    points: Tensor
    order: Order
    wanted: Tensor | None  # (n, c, k) of Φ; None: no change of the trunk
    precisions: Tensor
    pairs: Tensor
    shares: Tensor
    starts: Tensor


def solve_heads(
    trunk: Siren,
    tiles: Tiles,
    points: Tensor,
    values: Tensor,
    normals: Tensor | None,
    deviations: Deviations,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
    volume_samples: int = VOLUME_SAMPLES,
    max_cell_points: int = MAX_CELL_POINTS,
) -> Tensor:
    """The heads (t + 1, k, K + 1) of `tiles` for `values` (n, k) at `points` (n, m).

    `normals` (n, m) are for one output; one of zero length stands for none. In each cell `volume_samples` are
    drawn for the prior's mean, and all but `max_cell_points` are left out.

    Memory is bounded, whatever the number of tiles; the result depends on `seed`, which draws the places of
    the prior's mean, but on neither device nor threads beyond rounding.
    """
    asked = rows_of(tiles, points, values, normals, deviations, seed, volume_samples, max_cell_points)
    weights = trunk.weights[-1]
    heads = points.new_zeros(len(tiles) + 1, weights.shape[0], weights.shape[1] + 1)
    for block in blocks_of(*asked, trunk):
        for some, solved in zip(block.chunks, in_parallel(block.solved, block.chunks), strict=True):
            heads[some] = solved
        progress(block.last / len(tiles))
    return heads


def rows_of(
    tiles: Tiles,
    points: Tensor,
    values: Tensor,
    normals: Tensor | None,
    deviations: Deviations,
    seed: int = 0,
    volume_samples: int = VOLUME_SAMPLES,
    max_cell_points: int = MAX_CELL_POINTS,
) -> tuple[Rows, Rows]:
    """What data and prior ask of heads; the arguments are those of `solve_heads`."""
    generator = torch.Generator().manual_seed(seed)
    kept = _thinned(tiles.cell(points), max_cell_points, generator)
    data = _data_rows(tiles, points, values, normals, deviations, kept)
    samples = [some.to(points.dtype) for some in tiles.samples(volume_samples, generator)]
    return data, _prior_rows(tiles, samples, deviations)


def _data_rows(
    tiles: Tiles,
    points: Tensor,
    values: Tensor,
    normals: Tensor | None,
    deviations: Deviations,
    kept: Tensor,
) -> Rows:
    """The rows of the points `kept`, indices."""
    precisions = torch.as_tensor(deviations.value, device=points.device).double().pow(-2).expand(len(points))
    points, wanted, precisions = points[kept], values[kept, None], precisions[kept, None]
    if normals is not None:
        normals = normals[kept]
        known = (normals != 0).any(1, keepdim=True) / deviations.normal**2
        wanted = torch.cat((wanted, normals[..., None]), 1)
        precisions = torch.cat((precisions, known.double().expand(-1, normals.shape[1])), 1)
    number, hats, starts = pairs_by_tile(tiles, points, MIN_HAT)
    order = VALUE if normals is None else GRADIENT
    return Rows(points, order, wanted, precisions, number, hats.double(), starts)


def _prior_rows(tiles: Tiles, samples: list[Tensor], deviations: Deviations) -> Rows:
    """The rows of the mean over the volume of each tile, by the `samples` of its lattice."""
    places, parts, points, first = torch.cat(samples), [], 0, 0
    for lattice, some in zip(tiles.lattices, samples, strict=True):
        for number in torch.arange(len(some), device=some.device).split(PAIRED_POINTS):
            tile = lattice.corners(some[number])
            wanted = tile < len(lattice)
            parts.append((points + number[:, None].expand_as(tile)[wanted], first + tile[wanted]))
        points, first = points + len(some), first + len(lattice)
    number, tile = (torch.cat(part) for part in zip(*parts, strict=True))
    order, starts = _by_tile(tile, len(tiles))
    turn = places.new_tensor(deviations.turn, dtype=torch.float64).expand(places.shape[1])
    precisions = torch.cat((turn.new_tensor([deviations.change]), turn)).pow(-2).expand(len(places), -1)
    counts = starts.diff()
    shares = (1 / counts.double()).repeat_interleave(counts)  # of a mean
    return Rows(places, GRADIENT, None, precisions, number[order], shares, starts)


def pairs_by_tile(tiles: Tiles, points: Tensor, least: float) -> tuple[Tensor, Tensor, Tensor]:
    """The tiles that `points` (n, m) have a hat of at least `least` in.

    Returns the points' numbers (pairs,), sorted by tile, their hats (pairs,), and where each tile's begin
    (t + 1,).
    """
    parts = []
    for some in torch.arange(len(points), device=points.device).split(PAIRED_POINTS):
        corners = tiles.corners(points[some])
        tile, hats = corners.tiles, corners.hats(points[some])[0]
        wanted = (hats >= least) & (tile < len(tiles))
        parts.append((some[:, None].expand_as(tile)[wanted], tile[wanted], hats[wanted]))
    number, tile, hats = (torch.cat(part) for part in zip(*parts, strict=True))
    order, starts = _by_tile(tile, len(tiles))
    return number[order], hats[order], starts


def _by_tile(tile: Tensor, tiles: int) -> tuple[Tensor, Tensor]:
    """The order that sorts `tile` (pairs,), and where each tile's pairs begin in it (t + 1,)."""
    counts = torch.bincount(tile, minlength=tiles)
    return torch.argsort(tile, stable=True), torch.cat((counts.new_zeros(1), counts.cumsum(0)))


def _thinned(cells: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Indices of `cells` (n,) with each number at most `most` times, drawn at random."""
    drawn = torch.randperm(len(cells), generator=generator).to(cells.device)
    order = drawn[torch.argsort(cells[drawn], stable=True)]
    _, counts = torch.unique_consecutive(cells[order], return_counts=True)
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    rank = torch.arange(len(cells), device=cells.device) - first
    return order[rank < most].sort().values


class Part:
    """The equations `rows` of neighbouring tiles, with the features at the points of all of them."""

    def __init__(self, rows: Rows, trunk: Siren, flat: Tensor, first: int, last: int) -> None:
        self.rows, self.first = rows, int(rows.starts[first])
        used, self.place = torch.unique(rows.pairs[self.first : int(rows.starts[last])], return_inverse=True)
        self.features = features(rows.points[used], trunk, flat, rows.order)
        self.precisions = rows.precisions[used]
        weights, biases = trunk.split(flat)
        linear = torch.cat((weights[-1], biases[-1][:, None]), 1)
        found = self.features @ linear.t()
        self.missing = torch.zeros_like(found) if rows.wanted is None else rows.wanted[used] - found

    def of(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """The points (b, p) of `tiles` (b,), rows of `features`, and their shares (b, p), 0 past the last."""
        starts = self.rows.starts[tiles][:, None]
        counts = self.rows.starts[tiles + 1][:, None] - starts
        slot = torch.arange(int(counts.max()), device=tiles.device)
        there = slot < counts
        pairs = torch.where(there, starts + slot, self.first)
        return self.place[pairs - self.first], self.rows.shares[pairs] * there

    def equations(self, tiles: Tensor) -> tuple[Tensor, Tensor]:
        """The normal equations of `tiles` (b,): (b, K + 1, K + 1) and (b, K + 1, k)."""
        points, shares = self.of(tiles)
        roots = (shares[..., None] * self.precisions[points]).sqrt_()[..., None]
        rows = (self.features[points] * roots.to(self.features.dtype)).flatten(1, 2).double()
        right = (self.missing[points] * roots).flatten(1, 2)
        return rows.mT @ rows, rows.mT @ right


class Block:
    """The tiles from `first` up to `last`: what data and prior ask of them.

    `chunks` are their numbers, those with about as many points together.
    """

    def __init__(self, data: Rows, prior: Rows, trunk: Siren, flat: Tensor, first: int, last: int) -> None:
        self.data, self.prior = (Part(rows, trunk, flat, first, last) for rows in (data, prior))
        self.last = last
        counts = (data.starts + prior.starts)[first : last + 1].diff()
        each = max(1, CHUNK_SIZE // self.data.features.shape[2] * len(counts) // max(1, int(counts.sum())))
        self.chunks = (torch.argsort(counts) + first).split(each)

    def solved(self, tiles: Tensor) -> Tensor:
        """The heads (b, k, K + 1) of `tiles` (b,)."""
        (matrix, right), (prior, mean) = self.data.equations(tiles), self.prior.equations(tiles)
        heads = positive_definite_solution(matrix.add_(prior), right.add_(mean))
        return heads.mT.to(self.data.features.dtype)


def blocks_of(data: Rows, prior: Rows, trunk: Siren) -> Iterator[Block]:
    """Neighbouring tiles, for the most part, as many as `BLOCK_SIZE` holds in each block."""
    flat = trunk.flat.detach() * trunk.factors
    bounds = (data.starts + prior.starts).tolist()
    first, pairs = 0, BLOCK_SIZE // (trunk.weights[-1].shape[1] + 1)
    for last in range(1, len(bounds)):
        if last == len(bounds) - 1 or bounds[last + 1] - bounds[first] > pairs:
            yield Block(data, prior, trunk, flat, first, last)
            first = last


def features(x: Tensor, trunk: Siren, flat: Tensor, order: Order) -> Tensor:
    """(h, 1) and its derivatives in `order`, at x (n, m): (n, c, K + 1); `flat` is the trunk's, scaled."""

    def rows(part: slice) -> Tensor:
        h, _ = hidden_rows(x[part], trunk, flat, order)
        found = h.new_zeros(h.shape[1], len(h), h.shape[2] + 1)
        found[..., :-1], found[:, 0, -1] = h.transpose(0, 1), 1
        return found

    return torch.cat(over_rows(rows, x, order.blocks(x.shape[1])))


def positive_definite_solution(matrix: Tensor, right: Tensor) -> Tensor:
    """The x (b, k, r) of `matrix` (b, k, k) x = `right` (b, k, r), damped as little as rounding allows."""
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

"""Tiles of several sizes: small ones where points are dense, large ones where they are not.

Each size is a lattice (`recon.field.lattice`), its cells a power of two times as wide as those of the finest,
so that they nest as in an octree. Where tiles of several sizes meet, the smaller ones come first: with the
hats h_t of the lattices 0 (the finest), 1, …, and their sums S_j, the weight of a tile t of lattice i is

    b_t(x) = h_t(x) Π_{j < i} (1 - S_j(x))

These, too, are smooth, and sum to one wherever the tiles of one lattice do: a partition of unity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from recon.field.jet import VALUE, Order, product
from recon.field.lattice import Lattice


class Tiles:
    """The tiles of `lattices`, the finest first; their numbers go on from lattice to lattice.

    Raises ValueError for cells that do not nest.
    """

    def __init__(self, lattices: Sequence[Lattice]) -> None:
        self.lattices = tuple(lattices)
        for fine, coarse in pairwise(self.lattices):
            ratios = {b / a for a, b in zip(fine.edge, coarse.edge, strict=True)}
            if not ratios <= {2.0**k for k in range(1, 64)}:
                raise ValueError(f"cells {coarse.edge} wide do not hold whole ones, {fine.edge} wide")

    def __len__(self) -> int:
        return sum(map(len, self.lattices))

    @classmethod
    def around(cls, points: Tensor, edge: float | Sequence[float], doublings: Tensor | None = None) -> Tiles:
        """The tiles with some of `points` (n, d) in their support.

        Their cells are `edge` wide, 2^k times as much for points whose `doublings` (n,) are k.
        """
        if doublings is None:
            return cls([Lattice.around(points, edge)])
        edges = points.new_tensor(edge, dtype=torch.float64).expand(points.shape[1])
        levels = torch.unique(doublings).tolist()
        return cls([Lattice.around(points[doublings == k], (edges * 2.0**k).tolist()) for k in levels])

    def to(self, device: torch.device | str) -> Tiles:
        """The tiles on `device`."""
        return Tiles([Lattice(lattice.edge, lattice.nodes.to(device)) for lattice in self.lattices])

    def samples(self, each: int, generator: torch.Generator) -> list[Tensor]:
        """Points (c · each, d) float64 for each lattice, `each` at random in each of its c cells."""
        return [lattice.samples(each, generator) for lattice in self.lattices]

    def cell(self, x: Tensor) -> Tensor:
        """The number (n,) of the smallest cell around each of x (n, d) with a tile at one of its corners.

        Points with one number have the same tiles about them; -1 is that of those with none.
        """
        found = torch.full((len(x),), -1, device=x.device)
        first = 0
        for lattice in reversed(self.lattices):
            place = lattice.place(x)
            found = torch.where(place >= 0, first + place, found)
            first += lattice.places
        return found

    def corners(self, x: Tensor) -> Corners:
        """The tiles about x (n, d)."""
        kept, tiles, first = [], [], 0
        settled = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        for lattice in self.lattices:
            tile = lattice.corners(x)
            there = tile < len(lattice)
            if (there.any(1) & ~settled).any() or len(self.lattices) == 1:
                kept.append(lattice)
                tiles.append(torch.where(there, first + tile, len(self)))
                settled |= there.all(1)
                if settled.all():
                    break
            first += len(lattice)
        if not kept:
            kept, tiles = (
                [self.lattices[0]],
                [torch.full((len(x), 2 ** x.shape[1]), len(self), device=x.device)],
            )
        return Corners(tuple(kept), torch.cat(tiles, 1), len(self))


@dataclass(frozen=True)
class Corners:
    """The c tiles at the corners of the cells of n points, or of n groups of points.

    Attributes:
        lattices: theirs.
        tiles: (n, c) int64; `missing` where there is none.
        missing: the number of all tiles.
    """

    lattices: tuple[Lattice, ...]
    tiles: Tensor
    missing: int

    def hats(self, x: Tensor, order: Order = VALUE) -> Tensor:
        """The weights of the tiles at the points x (n, d), or (n, size, d) in groups of one cell each.

        With their derivatives: (blocks, n, c), or (blocks, n, size, c).
        """
        if len(self.lattices) == 1:
            return self.lattices[0].hats(x, order)
        axes = x.shape[-1]
        found, left = [], None
        for lattice, tiles in zip(self.lattices, self.tiles.split(2**axes, 1), strict=True):
            hats = lattice.hats(x, order)
            there = (tiles < self.missing).view(len(x), *[1] * (x.dim() - 2), -1)
            rest = -(hats * there).sum(-1, keepdim=True)
            rest[0] += 1
            found.append(hats if left is None else product(left, hats, order, axes))
            left = rest if left is None else product(left, rest, order, axes)
        return torch.cat(found, -1)

"""Tiles of one size: overlapping supports around points, whose weights sum to one near them.

The nodes of a regular lattice in d coordinates with a point in one of their 2^d cells have a tile each. Its
weight, or *hat*, is the product of one smootherstep a coordinate: 1 at the node, 0 one `edge` away, twice
continuously differentiable. The hats of all nodes of a lattice sum to one, so those that are kept do wherever
all corners of a cell are: a partition of unity (Babuška, Melenk 1997,
doi:10.1002/(SICI)1097-0207(19970228)40:4<727::AID-NME86>3.0.CO;2-N; Ohtake et al. 2003,
doi:10.1145/882262.882293). Towards places without points they fall to zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, reduce
from itertools import product

import torch
from torch import Tensor

from recon.field.jet import VALUE, Order


class Lattice:
    """The tiles around nodes `edge` × (i, j, …), unit frame.

    Attributes:
        edge: d floats, of a cell along each axis; one float stands for all of them. A tile is two wide.
        nodes: (t, d) int64, (i, j, …) of each tile, in rising order. Raises ValueError for another.
    """

    def __init__(self, edge: float | Sequence[float], nodes: Tensor) -> None:
        axes = nodes.shape[1]
        self.edge = (edge,) * axes if isinstance(edge, float | int) else tuple(edge)
        self.nodes = nodes
        self._corners = _corners(axes, nodes.device)
        self._low = nodes.amin(0) - 2  # a margin of cells that no tile covers
        shape = nodes.amax(0) - self._low + 2
        self._last = shape - 1
        strides = torch.ones_like(shape)
        strides[:-1] = shape[1:].flip(0).cumprod(0).flip(0)
        self._strides = strides
        self._numbers = ((nodes - self._low) * self._strides).sum(1)  # of the places that have a tile
        if (self._numbers.diff() <= 0).any():
            raise ValueError("the nodes are not in rising order")

    def __len__(self) -> int:
        return len(self.nodes)

    @classmethod
    def around(cls, points: Tensor, edge: float | Sequence[float]) -> Lattice:
        """The tiles with some of `points` (n, d) in their support."""
        cells = torch.unique(torch.floor(points / points.new_tensor(edge)).long(), dim=0)
        corners = _corners(points.shape[1], points.device)
        return cls(edge, torch.unique((cells[:, None] + corners).flatten(0, 1), dim=0))

    def cells(self) -> Tensor:
        """The cells (c, d) int64 that some tile covers, by their lowest corners, in rising order."""
        return torch.unique((self.nodes[:, None] - self._corners).flatten(0, 1), dim=0)

    @cached_property
    def _covered(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of the c cells that some tile covers: their numbers, their places, the tiles at each place.

        The latter, (c + 1, 2^d), at the cells' corners; the last row is that of all other cells.
        """
        cells = self.cells() - self._low
        number = self._number(cells[:, None] + self._corners)
        tile = torch.searchsorted(self._numbers, number).clamp_max(len(self) - 1)
        tile = torch.where(self._numbers[tile] == number, tile, len(self))
        order = torch.argsort((tile == len(self)).any(1).int(), stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=order.device)
        return self._number(cells), place, torch.cat((tile[order], torch.full_like(tile[:1], len(self))))

    @property
    def places(self) -> int:
        """The number of cells that some tile covers."""
        return len(self._covered[0])

    def place(self, x: Tensor) -> Tensor:
        """The places (n,) of the cells of x (n, d) among those that some tile covers; -1 for others.

        Cells with a tile at all corners, where the hats sum to one, come first.
        """
        numbers, place, _ = self._covered
        number = self._number(torch.floor(x / x.new_tensor(self.edge)).long() - self._low)
        at = torch.searchsorted(numbers, number).clamp_max(len(numbers) - 1)
        return torch.where(numbers[at] == number, place[at], -1)

    def corners(self, x: Tensor) -> Tensor:
        """The tiles (n, 2^d) at the corners of the cells of x (n, d); `len(self)` where there is none."""
        return self._covered[2][self.place(x)]

    def samples(self, each: int, generator: torch.Generator) -> Tensor:
        """Points (c · each, d) float64, `each` of them at random in each cell, by a CPU generator."""
        cells = self.cells()
        places = torch.rand(len(cells), each, cells.shape[1], generator=generator, dtype=torch.float64)
        places = cells[:, None] + places.to(cells.device)
        return (places * places.new_tensor(self.edge)).flatten(0, 1)

    def hats(self, x: Tensor, order: Order = VALUE) -> Tensor:
        """The weights of the corners of the cells of x (…, d), and their derivatives: (blocks, …, 2^d)."""
        along = self._along(x, order.highest)

        def weights(*axes: int) -> Tensor:  # differentiated along these axes
            factors = [along[axes.count(axis)][..., axis, :] for axis in range(x.shape[-1])]
            return reduce(lambda a, b: (a[..., None] * b[..., None, :]).flatten(-2), factors)

        blocks = [weights()]
        if order.first:
            blocks += [weights(axis) for axis in range(x.shape[-1])]
        blocks += [sum((weights(a, b) for a, b in pairs[1:]), weights(*pairs[0])) for pairs in order.second]
        return torch.stack(blocks)

    def _number(self, corners: Tensor) -> Tensor:
        """The numbers (…,) of `corners` (…, d), counted from the margin's lowest, or of the nearest in it."""
        return (corners.clamp_min(0).minimum(self._last) * self._strides).sum(-1)

    def _along(self, x: Tensor, highest: int) -> list[Tensor]:
        """The hats (…, d, 2) of both ends of a cell along each axis, and their derivatives."""
        edge = x.new_tensor(self.edge)
        u = x / edge
        u = u - torch.floor(u)
        rise = u * u * u * (u * (6 * u - 15) + 10)
        found = [torch.stack((1 - rise, rise), -1)]
        if highest > 0:
            slope = (30 / edge) * (u * (1 - u)).square()
            found.append(torch.stack((-slope, slope), -1))
        if highest > 1:
            bend = (60 / edge.square()) * u * (1 - u) * (1 - 2 * u)
            found.append(torch.stack((-bend, bend), -1))
        return found


def _corners(axes: int, device: torch.device) -> Tensor:
    """The corners (2^d, d) int64 of a cell, the last coordinate fastest."""
    return torch.tensor(tuple(product((0, 1), repeat=axes)), device=device)

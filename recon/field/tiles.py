"""Tiles: overlapping supports around the points of a scan, whose weights sum to one near it.

The nodes of a cubic lattice with a point in one of their eight cells have a tile each. Its weight, or *hat*,
is the product of one smootherstep a coordinate: 1 at the node, 0 one `edge` away, twice continuously
differentiable. The hats of all nodes of a lattice sum to one, so those that are kept do wherever all eight
corners of a cell are: a partition of unity (Babuška, Melenk 1997,
doi:10.1002/(SICI)1097-0207(19970228)40:4<727::AID-NME86>3.0.CO;2-N; Ohtake et al. 2003,
doi:10.1145/882262.882293). Towards places without points they fall to zero.
"""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

CORNERS = tuple(product((0, 1), repeat=3))  # of a cell


class Tiles:
    """The tiles around nodes `edge` × (i, j, k), unit frame.

    Attributes:
        edge: of a cell; a tile is two wide.
        nodes: (t, 3) int64, (i, j, k) of each tile, in rising order. Raises ValueError for another.
    """

    def __init__(self, edge: float, nodes: Tensor) -> None:
        self.edge, self.nodes = edge, nodes
        device = nodes.device
        self._corners = torch.tensor(CORNERS, device=device)
        self._low = nodes.amin(0) - 1  # a margin of places without a tile
        shape = nodes.amax(0) - self._low + 2
        self._last = shape - 1
        self._strides = torch.tensor([int(shape[1] * shape[2]), int(shape[2]), 1], device=device)
        self._numbers = ((nodes - self._low) * self._strides).sum(1)  # of the places that have a tile
        if (self._numbers.diff() <= 0).any():
            raise ValueError("the nodes are not in rising order")

    def __len__(self) -> int:
        return len(self.nodes)

    @classmethod
    def around(cls, points: Tensor, edge: float) -> Tiles:
        """The tiles with some of `points` (n, 3) in their support."""
        cells = torch.unique(torch.floor(points / edge).long(), dim=0)
        corners = torch.tensor(CORNERS, device=points.device)
        return cls(edge, torch.unique((cells[:, None] + corners).reshape(-1, 3), dim=0))

    def cells(self) -> Tensor:
        """The cells (c, 3) int64 that some tile covers, by their lowest corners."""
        return torch.unique((self.nodes[:, None] - self._corners).reshape(-1, 3), dim=0)

    def samples(self, each: int, generator: torch.Generator) -> Tensor:
        """Points (c · each, 3) float64, `each` of them at random in each cell, by a CPU generator."""
        cells = self.cells()
        places = torch.rand(len(cells), each, 3, generator=generator, dtype=torch.float64)
        return ((cells[:, None] + places.to(cells.device)) * self.edge).reshape(-1, 3)

    def cell(self, x: Tensor) -> Tensor:
        """The number (n,) of the cell of each of x (n, 3); one number for all that no tile covers."""
        place = torch.floor(x / self.edge).long() - self._low
        return (place.clamp_min(0).minimum(self._last) * self._strides).sum(1)

    def corners(self, x: Tensor) -> Tensor:
        """The tiles (n, 8) at the corners of the cells of x (n, 3); `len(self)` where there is none."""
        place = torch.floor(x / self.edge).long()[:, None] - self._low + self._corners
        there = ((place >= 0) & (place <= self._last)).all(2)
        number = (place.clamp_min(0).minimum(self._last) * self._strides).sum(2)
        tile = torch.searchsorted(self._numbers, number).clamp_max(len(self) - 1)
        return torch.where(there & (self._numbers[tile] == number), tile, len(self))

    def hats(self, x: Tensor) -> Tensor:
        """The weights (…, 8) of the corners of the cells of x (…, 3)."""
        along = self._along(x)[0]
        return _products(along, along, along)

    def hats_and_gradients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The same and their gradients (…, 8, 3)."""
        along, slopes = self._along(x)
        gradients = [_products(*(slopes if b == a else along for b in range(3))) for a in range(3)]
        return _products(along, along, along), torch.stack(gradients, -1)

    def _along(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The hats (…, 3, 2) of both ends of a cell along each axis, and their derivatives."""
        u = x / self.edge
        u = u - torch.floor(u)
        rise = u * u * u * (u * (6 * u - 15) + 10)
        slope = (30 / self.edge) * (u * (1 - u)).square()
        return torch.stack((1 - rise, rise), -1), torch.stack((-slope, slope), -1)


def _products(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Of the first axis of a, the second of b and the third of c (…, 3, 2): (…, 8), ordered as `CORNERS`."""
    square = a[..., 0, :, None] * b[..., 1, None, :]
    return (square.flatten(-2)[..., None] * c[..., 2, None, :]).flatten(-2)

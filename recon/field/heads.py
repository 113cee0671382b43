"""A signed distance of one trunk and many heads: a SIREN whose last layer differs from tile to tile.

With the trunk's last hidden layer h(x) and its own linear layer, Φ₀(x) = g·(h(x), 1), a head d_t for each
tile t, and the tile's hat b_t(x) (`recon.field.tiles`),

    Φ(x)  = Φ₀(x) + Σ_t b_t(x) r_t(x)                  r_t(x) = d_t·(h(x), 1)
    ∇Φ(x) = ∇Φ₀(x) + Σ_t (b_t ∇r_t + r_t ∇b_t)

At most eight tiles meet in a point, those at the corners of its cell. Points of one cell share their heads,
so a query is sorted by cell, and the heads cost two small products beside those of the trunk. A point's
gradient is one reverse sweep whose last layer is its own: g + Σ_t b_t d_t. Without tiles Φ is the trunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from recon.field.derivatives import value_and_gradient
from recon.field.kernels.fused import Layers
from recon.field.kernels.parallel_rows import over_rows
from recon.field.kernels.sines import sine_, sine_cosine_
from recon.field.siren import Siren
from recon.field.tiles import Tiles

MAX_GROUP = 32  # points of one cell that share a product


class HeadedField:
    """A trunk (scalar, sine layers) with heads, on coordinates of the unit frame; without gradients.

    Attributes:
        trunk: Φ₀.
        tiles: the tiles, or None for the trunk alone.
        heads: (t + 1, K + 1) of the trunk's dtype: d_t of each tile, weights and bias; the last row is zero.
    """

    def __init__(self, trunk: Siren, tiles: Tiles | None = None, heads: Tensor | None = None) -> None:
        self.trunk, self.tiles, self.heads = trunk, tiles, heads

    @property
    def device(self) -> torch.device:
        """Where it is evaluated."""
        return self.trunk.flat.device

    def to(self, device: torch.device | str) -> HeadedField:
        """The field on `device`; its trunk is moved there."""
        trunk = self.trunk.to(device)
        if self.tiles is None or self.heads is None:
            return HeadedField(trunk)
        return HeadedField(trunk, Tiles(self.tiles.edge, self.tiles.nodes.to(device)), self.heads.to(device))

    @torch.no_grad()
    def values(self, x: Tensor) -> Tensor:
        """Φ (n,) at x (n, 3)."""
        if self.tiles is None or not len(x):
            return self.trunk.values(x)[:, 0]
        layers = Layers.of(self.trunk)
        return self._by_cell(lambda points: self._value_rows(points, layers), x)[0]

    @torch.no_grad()
    def value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Φ (n,) and ∇Φ (n, 3) at x (n, 3)."""
        if self.tiles is None or not len(x):
            return value_and_gradient(self.trunk, x)
        layers = Layers.of(self.trunk)
        value, gradient = self._by_cell(lambda points: self._gradient_rows(points, layers), x)
        return value, gradient

    def plain(self, x: Tensor) -> Tensor:
        """The values (n,) term by term, followed by autograd: the reference for the fast versions."""
        weights, biases = self.trunk.scaled()
        h = x
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            h = torch.sin(torch.addmm(bias, h, weight.t()))
        value = torch.addmm(biases[-1], h, weights[-1].t())[:, 0]
        if self.tiles is None or self.heads is None:
            return value
        heads = self.heads[self.tiles.corners(x)]
        corrections = (heads[..., :-1] * h[:, None]).sum(2) + heads[..., -1]
        return value + (self.tiles.hats(x) * corrections).sum(1)

    def _by_cell(self, work: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor) -> list[Tensor]:
        """The results of `work`, which takes points (groups, size, 3) of one cell a group, at x (n, 3)."""
        slots = _groups(self._tiles.cell(x))
        rows = over_rows(lambda part: work(x[slots[part]]), slots, slots.shape[1])
        found = []
        for parts in zip(*rows, strict=True):
            whole = torch.cat(parts).flatten(0, 1)
            result = torch.empty((len(x), *whole.shape[1:]), dtype=whole.dtype, device=x.device)
            result[slots.reshape(-1)] = whole  # a point in several slots has one value
            found.append(result)
        return found

    def _value_rows(self, points: Tensor, layers: Layers) -> tuple[Tensor, ...]:
        h = points.flatten(0, 1)
        for scaled, shift in zip(layers.scaled, layers.shifts, strict=True):
            h = sine_(torch.addmm(shift, h, scaled.t()))
        value = torch.addmm(layers.last_bias, h, layers.last.t()).view(points.shape[:2])
        corrections = self._corrections(h.view(*points.shape[:2], -1), self._heads_of(points))
        hats = self._tiles.hats(points)
        return (value.add_((hats * corrections).sum(2)),)

    def _gradient_rows(self, points: Tensor, layers: Layers) -> tuple[Tensor, ...]:
        h, cosines = points.flatten(0, 1), []
        for scaled, shift in zip(layers.scaled, layers.shifts, strict=True):
            h, cosine = sine_cosine_(torch.addmm(shift, h, scaled.t()))
            cosines.append(cosine)
        value = torch.addmm(layers.last_bias, h, layers.last.t()).view(points.shape[:2])
        heads = self._heads_of(points)
        corrections = self._corrections(h.view(*points.shape[:2], -1), heads)
        hats, slopes = self._tiles.hats_and_gradients(points)
        value += (hats * corrections).sum(2)
        a = torch.bmm(hats, heads[..., :-1]).flatten(0, 1).add_(layers.last)
        for scaled, cosine in zip(reversed(layers.scaled), reversed(cosines), strict=True):
            a = torch.mm(a.mul_(cosine), scaled)
        gradient = a.view(points.shape).add_((corrections[..., None] * slopes).sum(2))
        return value, gradient

    @property
    def _tiles(self) -> Tiles:
        assert self.tiles is not None
        return self.tiles

    def _heads_of(self, points: Tensor) -> Tensor:
        """(groups, 8, K + 1), of the cell of each group."""
        assert self.heads is not None
        return self.heads[self._tiles.corners(points[:, 0])]

    @staticmethod
    def _corrections(h: Tensor, heads: Tensor) -> Tensor:
        """r_t (groups, size, 8) of h (groups, size, K)."""
        return torch.baddbmm(heads[:, None, :, -1], h, heads[..., :-1].mT)


def _groups(cells: Tensor) -> Tensor:
    """Rows (groups, size) of `cells` (n,), each group of one cell; a cell's last row fills up its last group.

    The size is half of the mean number of rows a cell, a power of two.
    """
    order = torch.argsort(cells, stable=True)
    _, counts = torch.unique_consecutive(cells[order], return_counts=True)
    size = 1 << min(max(0, round(math.log2(len(cells) / len(counts))) - 1), MAX_GROUP.bit_length() - 1)
    groups = (counts + size - 1) // size  # of each cell
    ends = counts.cumsum(0)
    number = torch.arange(int(groups.sum()), device=cells.device)
    within = number - (groups.cumsum(0) - groups).repeat_interleave(groups)
    first = (ends - counts).repeat_interleave(groups) + size * within
    slots = first[:, None] + torch.arange(size, device=cells.device)
    return order[slots.minimum((ends - 1).repeat_interleave(groups)[:, None])]

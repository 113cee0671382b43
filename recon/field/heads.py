"""A field of one trunk and many heads: a SIREN whose last layer differs from tile to tile.

With the trunk's last hidden layer h(x) and its own linear layer, Φ₀(x) = g·(h(x), 1), a head d_t for each
tile t (a row of it for each output), and the tile's hat b_t(x) (`recon.field.tiles`),

    Φ(x)  = Φ₀(x) + Σ_t b_t(x) r_t(x)                  r_t(x) = d_t·(h(x), 1)
    ∇Φ(x) = ∇Φ₀(x) + Σ_t (b_t ∇r_t + r_t ∇b_t)

Few tiles meet in a point, those at the corners of its cells. Points of one cell share their heads, so
a query is sorted by cell, and the heads cost two small products beside those of the trunk. The gradient of a
signed distance is one reverse sweep whose last layer is each point's own: g + Σ_t b_t d_t; other derivatives
are propagated forward (`recon.field.kernels.jets`). Without tiles Φ is the trunk.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from recon.field.derivatives import jet, value_and_gradient
from recon.field.jet import GRADIENT, VALUE, Jet, Order, product
from recon.field.kernels.fused import Layers
from recon.field.kernels.jets import hidden_rows, linear
from recon.field.kernels.parallel_rows import over_rows
from recon.field.kernels.sines import sine_cosine_
from recon.field.siren import Siren
from recon.field.tiles import Tiles

MAX_GROUP = 32  # points of one cell that share a product


class HeadedField:
    """A trunk with heads, m coordinates of the unit frame and k outputs; without gradients in parameters.

    `values`, `value_and_gradient` and `plain` are for a signed distance: k = 1, sine layers.

    Attributes:
        trunk: Φ₀.
        tiles: the tiles, or None for the trunk alone.
        heads: (t + 1, k, K + 1) of the trunk's dtype: d_t of each tile, weights and bias; the last one is 0.
    """

    def __init__(self, trunk: Siren, tiles: Tiles | None = None, heads: Tensor | None = None) -> None:
        self.trunk, self.tiles, self.heads = trunk, tiles, heads

    @property
    def device(self) -> torch.device:
        """Where it is evaluated."""
        return self.trunk.flat.device

    @property
    def dtype(self) -> torch.dtype:
        """That of its points."""
        return self.trunk.flat.dtype

    @property
    def parameters(self) -> int:
        """The number of those of the trunk and the heads."""
        return len(self.trunk.flat) + (0 if self.heads is None else self.heads[:-1].numel())

    def to(self, device: torch.device | str) -> HeadedField:
        """The field on `device`; its trunk is moved there."""
        trunk = self.trunk.to(device)
        if self.tiles is None or self.heads is None:
            return HeadedField(trunk)
        return HeadedField(trunk, self.tiles.to(device), self.heads.to(device))

    @torch.no_grad()
    def jet(self, x: Tensor, order: Order) -> Jet:
        """Φ and the derivatives in `order` at x (n, m)."""
        if self.tiles is None or not len(x):
            return jet(self.trunk, x, order)
        flat = self.trunk.flat * self.trunk.factors
        (stack,) = self._by_cell(
            lambda points: self._jet_rows(points, order, flat), x, order.blocks(x.shape[1])
        )
        return Jet.of(stack.transpose(0, 1), order, x.shape[1])

    def values(self, x: Tensor) -> Tensor:
        """Φ (n,) at x (n, 3)."""
        return self.jet(x, VALUE).value[:, 0]

    @torch.no_grad()
    def value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Φ (n,) and ∇Φ (n, 3) at x (n, 3)."""
        if self.tiles is None or not len(x):
            return value_and_gradient(self.trunk, x)
        layers = Layers.of(self.trunk)
        value, gradient = self._by_cell(lambda points: self._gradient_rows(points, layers), x)
        return value, gradient

    def plain(self, x: Tensor) -> Tensor:
        """The values (n, k) term by term, followed by autograd: the reference for the fast versions."""
        value = self.trunk(x)
        if self.tiles is None or self.heads is None:
            return value
        corners = self.tiles.corners(x)
        heads = self.heads[corners.tiles]
        h = self.trunk.hidden(x)[:, None, None]
        corrections = (heads[..., :-1] * h).sum(3) + heads[..., -1]
        return value + (corners.hats(x)[0, ..., None] * corrections).sum(1)

    def _by_cell(
        self, work: Callable[[Tensor], tuple[Tensor, ...]], x: Tensor, depth: int = 1
    ) -> list[Tensor]:
        """The results of `work`, which takes points (groups, size, m) of one cell a group, at x (n, m).

        A point counts as `depth` rows.
        """
        slots = _groups(self._tiles.cell(x))
        rows = over_rows(lambda part: work(x[slots[part]]), slots, slots.shape[1] * depth)
        found = []
        for parts in zip(*rows, strict=True):
            whole = torch.cat(parts).flatten(0, 1)
            result = torch.empty((len(x), *whole.shape[1:]), dtype=whole.dtype, device=x.device)
            result[slots.reshape(-1)] = whole  # a point in several slots has one value
            found.append(result)
        return found

    def _jet_rows(self, points: Tensor, order: Order, flat: Tensor) -> tuple[Tensor, ...]:
        """The stack (groups, size, blocks, k); `flat` is the trunk's, times its factors."""
        groups, size, axes = points.shape
        weights, biases = self.trunk.split(flat)
        h, _ = hidden_rows(points.flatten(0, 1), self.trunk, flat, order)
        value = linear(h, weights[-1], biases[-1]).unflatten(1, (groups, size))
        corners = self._tiles.corners(points[:, 0])  # those of the whole group
        heads = self._heads[corners.tiles]
        h = h.unflatten(1, (groups, size)).transpose(0, 1)
        r = torch.bmm(h.flatten(1, 2), heads[..., :-1].flatten(1, 2).mT)
        r = r.view(*h.shape[:3], *heads.shape[1:3]).transpose(0, 1)  # (blocks, groups, size, corners, k)
        r[0] += heads[:, None, ..., -1]
        value += product(corners.hats(points, order)[..., None], r, order, axes).sum(3)
        return (value.permute(1, 2, 0, 3),)

    def _gradient_rows(self, points: Tensor, layers: Layers) -> tuple[Tensor, ...]:
        h, cosines = points.flatten(0, 1), []
        for scaled, shift in zip(layers.scaled, layers.shifts, strict=True):
            h, cosine = sine_cosine_(torch.addmm(shift, h, scaled.t()))
            cosines.append(cosine)
        value = torch.addmm(layers.last_bias, h, layers.last.t()).view(points.shape[:2])
        corners = self._tiles.corners(points[:, 0])  # those of the whole group
        heads = self._heads[corners.tiles][:, :, 0]
        h = h.view(*points.shape[:2], -1)
        corrections = torch.baddbmm(heads[:, None, :, -1], h, heads[..., :-1].mT)  # r_t (groups, size, c)
        hats = corners.hats(points, GRADIENT)
        value += (hats[0] * corrections).sum(2)
        a = torch.bmm(hats[0], heads[..., :-1]).flatten(0, 1).add_(layers.last)
        for scaled, cosine in zip(reversed(layers.scaled), reversed(cosines), strict=True):
            a = torch.mm(a.mul_(cosine), scaled)
        turned = (hats[1:] * corrections).sum(3)  # Σ_t r_t ∇b_t (3, groups, size)
        return value, a.view(points.shape).add_(turned.permute(1, 2, 0))

    @property
    def _tiles(self) -> Tiles:
        assert self.tiles is not None
        return self.tiles

    @property
    def _heads(self) -> Tensor:
        assert self.heads is not None
        return self.heads


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

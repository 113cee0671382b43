"""The field of a scene: those of its blocks, blended.

Each block b has a weight w_b(x): a product of smootherstep ramps, one for each of its sides. At a cut the
ramp rises from 0 to 1 over the overlap, and the neighbour's falls as it rises; towards the border of where
the block's field was trained it falls to 0. With Φ_b in units of the scene,

    Φ = Σ w_b Φ_b / Σ w_b        ∇Φ = Σ (w_b ∇Φ_b + (Φ_b - Φ) ∇w_b) / Σ w_b

which is twice continuously differentiable wherever any block is (a partition of unity, as that of
`recon.field.tiles`). Elsewhere Φ is that of the block whose part of space it is, continued from the nearest
place it knows.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from recon.base.run_files import RUN_FILE
from recon.field.heads import HeadedField
from recon.field.jet import Jet, Order
from recon.surface.reconstruction import Reconstruction, load
from recon.surface.scenes.plan import Plan

BLOCKS_FOLDER, FITTED_FILE = "blocks", "fitted.json"
MIN_MARGIN = 0.02  # of a block's box beyond its points, in its unit frame: the width of that ramp
KEPT_BLOCKS = 64  # in memory: a block, and all that may touch it


def block_folder(folder: Path, number: int) -> Path:
    """Where a block of the scene in `folder` is."""
    return folder / BLOCKS_FOLDER / f"{number:06d}"


@dataclass(frozen=True, eq=False)
class BlockField:
    """The field of one block, in the unit frame of the scene.

    Attributes:
        field: in the block's own frame.
        centre: (3,) of that frame.
        scale: of it, its unit in units of the scene.
        box: (2, 3) where it was trained.
        margin: of that box beyond its points.
    """

    field: HeadedField
    centre: Tensor
    scale: float
    box: Tensor
    margin: float

    @classmethod
    def of(cls, block: Reconstruction, plan: Plan) -> BlockField:
        """The field of `block`, a reconstruction of its own."""
        centre = torch.tensor(plan.frame.to_unit(block.frame.center[None])[0])
        scale = block.frame.scale / plan.frame.scale
        box = centre + scale * torch.tensor(block.box)
        margin = max(block.config.scan.margin, MIN_MARGIN) * scale
        return cls(block.field, centre, scale, box, margin)

    @cached_property
    def precise(self) -> HeadedField:
        """The field in double precision."""
        trunk = deepcopy(self.field.trunk).double()
        heads = None if self.field.heads is None else self.field.heads.double()
        return HeadedField(trunk, self.field.tiles, heads)

    def unit(self, x: Tensor) -> Tensor:
        """Places x (n, 3) in the block's frame, within its box."""
        low, high = self.box
        return (x.clamp(low, high) - self.centre) / self.scale

    def values(self, x: Tensor, precise: bool) -> Tensor:
        """Distances (n,) float64 at x (n, 3) float64."""
        if precise:
            return self.scale * self.precise.values(self.unit(x))
        return self.scale * self.field.values(self.unit(x).float()).double()

    def value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (n,) and gradients (n, 3) float64."""
        value, gradient = self.field.value_and_gradient(self.unit(x).float())
        return self.scale * value.double(), gradient.double()


class SceneField:
    """The blended field, in the unit frame of the scene; blocks are read when they are needed.

    Points are (n, 3) float64, and so are the results. Near the planes of `cuts` all is computed in double
    precision, so that it is the same to the last bit of single precision whatever else is asked with it.

    Args:
        plan: the blocks.
        folder: of the scene's run.
    """

    def __init__(self, plan: Plan, folder: Path, cuts: tuple[Tensor, Tensor, Tensor] | None = None) -> None:
        self.plan, self.folder, self.cuts = plan, folder, cuts
        self.device, self.dtype = torch.device("cpu"), torch.float64
        self._blocks = OrderedDict[int, BlockField | None]()
        self._corners = torch.tensor(plan.corners)
        self._inner = torch.tensor(plan.inner)

    def block(self, number: int) -> BlockField | None:
        """A block's field, or None if it has no points."""
        if number not in self._blocks:
            path = block_folder(self.folder, number)
            found = BlockField.of(load(path), self.plan) if (path / RUN_FILE).exists() else None
            self._blocks[number] = found
            while len(self._blocks) > KEPT_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]

    def values(self, x: Tensor) -> Tensor:
        """Φ (n,)."""
        if self.cuts is None:
            return self._values(x, precise=False)
        out = torch.empty(len(x), dtype=x.dtype)
        on_cut = torch.zeros(len(x), dtype=torch.bool)
        for axis, planes in enumerate(self.cuts):
            on_cut |= torch.isin(x[:, axis], planes)
        for some, precise in ((~on_cut, False), (on_cut, True)):
            if some.any():
                out[some] = self._values(x[some], precise)
        return out

    def _values(self, x: Tensor, precise: bool) -> Tensor:
        total, summed = torch.zeros((2, len(x)), dtype=x.dtype)
        for number, block in self._around(x):
            weight, _ = self._weight(number, block, x, slopes=False)
            some = weight.nonzero().squeeze(1)
            if len(some):
                total[some] += weight[some]
                summed[some] += weight[some] * block.values(x[some], precise)
        alone = (total == 0).nonzero().squeeze(1)
        out = summed / total.clamp_min(torch.finfo(x.dtype).tiny)
        if len(alone):
            out[alone] = self._continued(x[alone])[0]
        return out

    def value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Φ (n,) and ∇Φ (n, 3)."""
        total, summed = torch.zeros((2, len(x)), dtype=x.dtype)
        slope, turned, plain = torch.zeros((3, len(x), 3), dtype=x.dtype)
        for number, block in self._around(x):
            weight, grown = self._weight(number, block, x)
            some = weight.nonzero().squeeze(1)
            if len(some):
                value, gradient = block.value_and_gradient(x[some])
                total[some] += weight[some]
                summed[some] += weight[some] * value
                slope[some] += weight[some, None] * gradient
                turned[some] += value[:, None] * grown[some]
                plain[some] += grown[some]
        least = torch.finfo(x.dtype).tiny
        value = summed / total.clamp_min(least)
        gradient = (slope + turned - value[:, None] * plain) / total[:, None].clamp_min(least)
        alone = (total == 0).nonzero().squeeze(1)
        if len(alone):
            value[alone], gradient[alone] = self._continued(x[alone])
        return value, gradient

    def jet(self, x: Tensor, order: Order) -> Jet:
        """Φ and the derivatives in `order`, of one output: those of the block that weighs most at each x."""
        best, stack = torch.zeros(len(x), dtype=x.dtype), torch.zeros((order.blocks(3), len(x), 1)).to(x)
        for number, block in self._around(x):
            weight, _ = self._weight(number, block, x, slopes=False)
            some = (weight > best).nonzero().squeeze(1)
            if not len(some):
                continue
            best[some] = weight[some]
            found = block.field.jet(block.unit(x[some]).float(), order)
            scaled = (found.value[None] * block.scale, found.gradient, found.second / block.scale)
            stack[:, some] = torch.cat(scaled).to(x.dtype)
        return Jet.of(stack, order, 3)

    def _around(self, x: Tensor) -> Iterator[tuple[int, BlockField]]:
        """The blocks whose weight may be above 0 at some of x, rising."""
        if not len(x):
            return
        low, high, reach = x.amin(0), x.amax(0), self.plan.overlap
        near = (self._corners[:, 0] - reach < high) & (self._corners[:, 1] + reach > low)
        for number in near.all(1).nonzero().squeeze(1).tolist():
            block = self.block(number)
            if block is not None:
                yield number, block

    def _weight(
        self, number: int, block: BlockField, x: Tensor, slopes: bool = True
    ) -> tuple[Tensor, Tensor]:
        """W (n,) of a block and, if asked for, its gradient (n, 3)."""
        reach, (low, high) = self.plan.overlap, self._corners[number]
        factors, grown = [], []
        for axis in range(3):
            place = x[:, axis]
            ramps = [
                _ramp((place - block.box[0, axis]) / block.margin, 1 / block.margin),
                _ramp((block.box[1, axis] - place) / block.margin, -1 / block.margin),
            ]
            if self._inner[number, 0, axis]:
                ramps.append(_ramp((place - low[axis] + reach) / (2 * reach), 0.5 / reach))
            if self._inner[number, 1, axis]:
                ramps.append(_ramp((high[axis] + reach - place) / (2 * reach), -0.5 / reach))
            factor, slope = ramps[0]
            for other, other_slope in ramps[1:]:
                factor, slope = factor * other, slope * other + factor * other_slope
            factors.append(factor)
            grown.append(slope)
        a, b, c = factors
        if not slopes:
            return a * b * c, x
        return a * b * c, torch.stack([grown[0] * b * c, a * grown[1] * c, a * b * grown[2]], dim=1)

    def _continued(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Φ (n,) and ∇Φ (n, 3) where no block knows them: the first block's whose part of space it is."""
        value, gradient = torch.ones(len(x), dtype=x.dtype), torch.zeros_like(x)
        inside = (x[:, None] >= self._corners[:, 0]) & (x[:, None] <= self._corners[:, 1])
        owner = inside.all(2).int().argmax(1)
        for number in owner.unique().tolist():
            block = self.block(number)
            some = (owner == number).nonzero().squeeze(1)
            if block is None:
                continue
            near = x[some].clamp(*block.box)
            known, _ = block.value_and_gradient(near)
            away = x[some] - near
            sign = torch.where(known < 0, -1.0, 1.0).to(x.dtype)
            value[some] = known + sign * away.norm(dim=1)
            gradient[some] = sign[:, None] * torch.nn.functional.normalize(away, dim=1)
        return value, gradient


def _ramp(u: Tensor, slope: float) -> tuple[Tensor, Tensor]:
    """Smootherstep of u (n,), and its derivative along x, in which u has that slope."""
    u = u.clamp(0, 1)
    return u * u * u * (u * (6 * u - 15) + 10), 30 * slope * (u * (1 - u)).square()

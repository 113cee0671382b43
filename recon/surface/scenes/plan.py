"""How a scene is cut: blocks of about as many points each, and the grid on which the whole is meshed.

A block's points are halved, and halved again, across the longest side of their box (a k-d tree: Bentley 1975,
doi:10.1145/361002.361007), so that any number of blocks is possible and each has its share of the points.
Around each cut, up to `overlap` on both sides, the fields of both blocks are blended; each block knows the
points of a margin that is wider.

The surface is extracted on one lattice for all blocks. Its bricks are those of the block in which they lie:
the cuts, rounded to bricks. So another grid needs no other fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recon.base.files import write_json
from recon.base.run_files import read_json, reading
from recon.errors import UsageError
from recon.geometry import Float, Frame, Int
from recon.meshing.extraction import Grid
from recon.meshing.settings import CELLS_PER_SPACING
from recon.surface.scenes.sorting import SortedPoints
from recon.surface.scenes.survey import Survey
from recon.surface.settings import Config

PLAN_FILE = "plan.json"
LENGTHS = ("overlap", "margin", "spacing", "side")
MAX_SAMPLES = 1 << 20  # of the grid along its longest side
OVERLAP_SPACINGS = 6.0  # half the width of the band in which two fields are blended
MARGIN_SPACINGS = 20.0  # of the points that a block knows, beyond its cut: trimming looks that far
MIN_BLOCK_OVERLAPS = 1.0  # of a block's sides


@dataclass(frozen=True, eq=False)
class Plan:
    """The blocks of a scene. Lengths are in the unit frame of the scene.

    Attributes:
        frame: of the scene.
        box: (2, 3) of its points.
        corners: (b, 2, 3) the low and high corner of each block, infinite where nothing is beyond it.
        overlap: half the width of the blend across a cut.
        margin: how far beyond its cuts a block knows points.
        spacing: of neighbouring points.
        side: the longest of the points of a block, the median.
    """

    frame: Frame
    box: Float
    corners: Float
    overlap: float
    margin: float
    spacing: float
    side: float

    def __len__(self) -> int:
        return len(self.corners)

    @cached_property
    def inner(self) -> NDArray[np.bool_]:
        """(b, 2, 3) which low and high sides of each block are cuts."""
        return np.isfinite(self.corners)

    def neighbours(self, number: int, reach: float) -> list[int]:
        """The blocks, and the block itself, within `reach` of a block, rising."""
        low, high = self.corners[number]
        near = (self.corners[:, 0] < high + reach) & (self.corners[:, 1] > low - reach)
        return np.flatnonzero(near.all(1)).tolist()

    def write(self, folder: Path) -> None:
        """Writes plan.json."""
        frame = {"center": self.frame.center.tolist(), "scale": self.frame.scale}
        corners = [[[v if np.isfinite(v) else None for v in c] for c in b] for b in self.corners.tolist()]
        values = {"frame": frame, "box": self.box.tolist(), "blocks": corners}
        write_json(folder / PLAN_FILE, values | {name: getattr(self, name) for name in LENGTHS})


def read_plan(folder: Path) -> Plan:
    """Reads plan.json. Raises ScanError if it is damaged."""
    with reading(folder / PLAN_FILE):
        values = read_json(folder / PLAN_FILE)
        frame, box = values["frame"], np.array(values["box"], np.float64)
        corners = np.array(values["blocks"], np.float64)  # None becomes NaN
        if corners.shape != (len(corners), 2, 3) or not len(corners) or box.shape != (2, 3):
            raise ValueError("blocks without a volume")
        corners = np.where(np.isnan(corners), np.array([-np.inf, np.inf])[:, None], corners)
        lengths = [float(values[name]) for name in LENGTHS]
        if not ((corners[:, 0] < corners[:, 1]).all() and (box[0] < box[1]).any() and min(lengths) > 0):
            raise ValueError("blocks without a volume")
        return Plan(Frame(frame["center"], frame["scale"]), box, corners, *lengths)


def plan(points: SortedPoints, found: Survey, count: int) -> Plan:
    """Cuts a scene into `count` blocks. Raises UsageError if they would be too small."""
    frame, spacing = found.frame, found.context.spacing
    overlap, margin = OVERLAP_SPACINGS * spacing, MARGIN_SPACINGS * spacing
    leaves, sides = _leaves(frame.to_unit(points.centres), points.counts, count, points.edge / frame.scale)
    corners = np.array(leaves)
    smallest = float((corners[:, 1] - corners[:, 0]).min())
    if len(corners) < count or smallest < MIN_BLOCK_OVERLAPS * overlap:
        raise UsageError(f"{count} blocks are too many for {len(points):,} points: give fewer with --blocks")
    side = float(np.median(sides))
    return Plan(frame, frame.to_unit(points.box), corners, overlap, margin, spacing, side)


@dataclass(frozen=True, eq=False)
class Lattice:
    """The grid of a scene's mesh, and which of its bricks each block meshes.

    Attributes:
        grid: of the whole.
        lows, highs: (b, 3) the corners of each block, in bricks; together they fill the grid.
    """

    grid: Grid
    lows: Int
    highs: Int

    @cached_property
    def inner(self) -> NDArray[np.bool_]:
        """(b, 2, 3) which low and high sides of each block are not the grid's border."""
        return np.stack([self.lows > 0, self.highs < np.array(self.grid.bricks)], axis=1)


def lattice(blocks: Plan, config: Config) -> Lattice:
    """The grid for the settings of the mesh: a cell as given, or as the typical block would choose."""
    wanted, margin = config.mesh, config.scan.margin
    longest = float(np.ptp(blocks.box, axis=0).max())
    cell = blocks.side / (1 - margin) / (wanted.finest - 1)
    cell = max(blocks.spacing / CELLS_PER_SPACING, cell)
    if wanted.resolution:
        cell = (longest + 2 * margin) / (wanted.resolution - 1)
    if wanted.cell:
        cell = wanted.cell / blocks.frame.scale
    if longest / cell > MAX_SAMPLES:
        raise UsageError(f"cells of {cell * blocks.frame.scale:g} are too small for this scene")
    box = blocks.box + np.array([[-1.0], [1.0]]) * min(blocks.margin, margin)
    bricks = np.ceil((box[1] - box[0]) / (2 * cell)).astype(int).clip(1)
    grid = Grid(box.mean(0) - bricks * cell, cell, (int(bricks[0]), int(bricks[1]), int(bricks[2])))
    cuts = np.where(blocks.inner, blocks.corners, 0.0)
    cuts = np.rint((cuts - grid.origin) / (2 * cell)).astype(np.int64).clip(0, bricks)
    lows = np.where(blocks.inner[:, 0], cuts[:, 0], 0)
    return Lattice(grid, lows, np.where(blocks.inner[:, 1], cuts[:, 1], bricks))


def _leaves(centres: Float, weights: Int, count: int, edge: float) -> tuple[list[Float], list[float]]:
    """`count` boxes (2, 3) that fill space, each with about as much of the weights of `centres` (m, 3).

    These are the centres of cells with that `edge`. Also the longest side of what is in each box.
    """
    everywhere = np.array([[-np.inf] * 3, [np.inf] * 3])
    todo, boxes, longest = [(np.arange(len(centres)), everywhere, count)], list[Float](), list[float]()
    while todo:
        some, corners, parts = todo.pop()
        sides = np.ptp(centres[some], axis=0)
        axis = int(sides.argmax())
        if parts == 1 or sides[axis] < edge / 2:
            boxes.append(corners)
            longest.append(float(sides.max()) + edge)
            continue
        order = some[np.argsort(centres[some, axis], kind="stable")]
        summed = np.cumsum(weights[order])
        at = centres[order[np.searchsorted(summed, summed[-1] * (parts // 2) / parts)], axis]
        cut = min(at, centres[order[-1], axis] - edge) + edge / 2
        below = centres[some, axis] < cut
        low, high = corners.copy(), corners.copy()
        low[1, axis] = high[0, axis] = cut
        todo += [(some[~below], high, parts - parts // 2), (some[below], low, parts // 2)]
    return boxes, longest

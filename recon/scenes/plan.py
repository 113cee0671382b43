"""How a scene is cut: blocks of about as many points each, on the cells of one grid for the whole.

A block's points are halved, and halved again, across the longest side of their box (a k-d tree: Bentley 1975,
doi:10.1145/361002.361007), so that any number of blocks is possible and each has its share of the points.
Cuts lie between bricks of the scene's grid, the lattice on which the whole is meshed: a cell of it belongs to
one block. Around each cut, up to `overlap` on both sides, the fields of both blocks are blended; each block
knows the points of a margin that is wider.
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
from recon.scenes.sorting import SortedPoints
from recon.scenes.survey import Survey
from recon.surface.settings import Config

PLAN_FILE = "plan.json"
OVERLAP_SPACINGS = 6.0  # half the width of the band in which two fields are blended
MARGIN_SPACINGS = 20.0  # of the points that a block knows, beyond its cut: trimming looks that far
MIN_BLOCK_OVERLAPS = 1.0  # of a block's sides


@dataclass(frozen=True, eq=False)
class Plan:
    """The blocks of a scene. Lengths are in the unit frame of the scene.

    Attributes:
        frame: of the scene.
        grid: of the scene's mesh.
        lows, highs: (b, 3) bricks of the grid: the corners of each block, which together fill the grid.
        overlap: half the width of the blend across a cut.
        margin: how far beyond its cuts a block knows points.
        spacing: of neighbouring points.
    """

    frame: Frame
    grid: Grid
    lows: Int
    highs: Int
    overlap: float
    margin: float
    spacing: float

    def __len__(self) -> int:
        return len(self.lows)

    @cached_property
    def inner(self) -> NDArray[np.bool_]:
        """(b, 2, 3) which low and high sides of each block are cuts, not the scene's border."""
        return np.stack([self.lows > 0, self.highs < np.array(self.grid.bricks)], axis=1)

    @cached_property
    def corners(self) -> Float:
        """(b, 2, 3) the low and high corner of each block, infinite at the scene's border."""
        bricks = np.stack([self.lows, self.highs], axis=1)
        places = self.grid.origin + self.grid.cell * (2.0 * bricks)
        return np.where(self.inner, places, np.array([-np.inf, np.inf])[:, None])

    def neighbours(self, number: int, reach: float) -> list[int]:
        """The blocks, and the block itself, within `reach` of a block, rising."""
        low, high = self.corners[number]
        near = (self.corners[:, 0] < high + reach) & (self.corners[:, 1] > low - reach)
        return np.flatnonzero(near.all(1)).tolist()

    def write(self, folder: Path) -> None:
        """Writes plan.json."""
        grid = {"origin": self.grid.origin.tolist(), "cell": self.grid.cell, "bricks": list(self.grid.bricks)}
        frame = {"center": self.frame.center.tolist(), "scale": self.frame.scale}
        lengths = {name: getattr(self, name) for name in ("overlap", "margin", "spacing")}
        blocks = {"lows": self.lows.tolist(), "highs": self.highs.tolist()}
        write_json(folder / PLAN_FILE, {"frame": frame, "grid": grid, **lengths, **blocks})


def read_plan(folder: Path) -> Plan:
    """Reads plan.json. Raises ScanError if it is damaged."""
    with reading(folder / PLAN_FILE):
        values = read_json(folder / PLAN_FILE)
        grid, frame = values["grid"], values["frame"]
        x, y, z = (int(count) for count in grid["bricks"])
        lows, highs = (np.array(values[name], np.int64) for name in ("lows", "highs"))
        shape = len(lows), 3
        if lows.shape != shape or highs.shape != shape or (lows >= highs).any():
            raise ValueError("blocks without a volume")
        whole = Grid(np.array(grid["origin"], np.float64), float(grid["cell"]), (x, y, z))
        lengths = (float(values[name]) for name in ("overlap", "margin", "spacing"))
        return Plan(Frame(frame["center"], frame["scale"]), whole, lows, highs, *lengths)


def plan(points: SortedPoints, found: Survey, config: Config, count: int) -> Plan:
    """Cuts a scene into `count` blocks. Raises UsageError if they would be too small."""
    frame, spacing = found.frame, found.context.spacing
    overlap, margin = OVERLAP_SPACINGS * spacing, MARGIN_SPACINGS * spacing
    leaves, sides = _leaves(frame.to_unit(points.centres), points.counts, count, points.edge / frame.scale)
    box = frame.to_unit(points.box)
    cell = _cell(config, found, float(np.ptp(box, axis=0).max()), sides)
    box = box + np.array([[-1.0], [1.0]]) * min(margin, config.scan.margin)
    bricks = np.ceil((box[1] - box[0]) / (2 * cell)).astype(int)
    grid = Grid(box.mean(0) - bricks * cell, cell, (int(bricks[0]), int(bricks[1]), int(bricks[2])))
    corners = np.array(leaves)
    border = np.isinf(corners)
    cuts = np.rint((np.where(border, 0.0, corners) - grid.origin) / (2 * cell)).astype(np.int64)
    lows = np.where(border[:, 0], 0, cuts[:, 0])
    highs = np.where(border[:, 1], bricks, cuts[:, 1])
    smallest = 2 * cell * float((highs - lows).min())
    if count > 1 and smallest < MIN_BLOCK_OVERLAPS * overlap:
        raise UsageError(f"{count} blocks are too many for {len(points):,} points: give fewer with --blocks")
    return Plan(frame, grid, lows, highs, overlap, margin, spacing)


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


def _cell(config: Config, found: Survey, whole: float, sides: list[float]) -> float:
    """The edge of a cell of the scene's grid: as given, or as the typical block would choose by itself.

    `whole` is the longest side of the scene, `sides` those of the blocks.
    """
    wanted, margin = config.mesh, config.scan.margin
    if wanted.cell:
        return wanted.cell / found.frame.scale
    if wanted.resolution:
        return (whole + 2 * margin) / (wanted.resolution - 1)
    side = float(np.median(sides)) / (1 - margin)
    return max(found.context.spacing / CELLS_PER_SPACING, side / (wanted.finest - 1))

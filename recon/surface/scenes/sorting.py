"""The points of a scene on disk, sorted by where they are, so that any box of them is read alone.

One pass over the scans writes rows of one length to a file; a second one over that file moves each to the
place of its cell, cubes ordered by x, y and z. Memory is that of a part of a scan, whatever the number of
points.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.base.files import atomic_path, write_json
from recon.base.run_files import read_arrays, read_json, reading
from recon.errors import OutputError, ScanError
from recon.geometry import Float, Int, PointCloud

ROWS_FILE, CELLS_FILE, LAYOUT_FILE = "points.bin", "cells.npz", "points.json"
CELL_POINTS = 64  # of a surface, on average
AXIS_BITS, MIN_BITS = 10, 2  # of the cells along the longest side, at most and at least
CHUNK_ROWS = 1 << 18
ATTRIBUTES = {"normals": ("<f4", 3), "colors": ("u1", 3), "sensors": ("<f8", 3)}

log = logging.getLogger("recon")


@dataclass(frozen=True, eq=False)
class SortedPoints:
    """Points on disk, by cells.

    Attributes:
        folder: with the files.
        box: (2, 3) of the points, world; the cells begin at its low corner.
        edge: of a cell, world.
        cells: (m, 3) the cells with points, ordered by x, y and z.
        starts: (m + 1,) where each one's points begin, and the number of all points.
        layout: the names of what the rows hold, of what of it is a point's, and the coordinates' unit.
    """

    folder: Path
    box: Float
    edge: float
    cells: Int
    starts: Int
    layout: dict[str, Any]

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def centres(self) -> Float:
        """(m, 3) of the cells, world."""
        return self.box[0] + self.edge * (self.cells + 0.5)

    @property
    def counts(self) -> Int:
        """(m,) of their points."""
        return np.diff(self.starts)

    def within(self, low: Float, high: Float) -> PointCloud:
        """The points from `low` (3,) up to, but not at, `high` (3,), world, in the order of the file."""
        corner = self.box[0] + self.edge * self.cells
        slack = 1e-6 * self.edge  # of a point's place in its cell, by rounding
        near = np.flatnonzero(((corner < high + slack) & (corner + self.edge + slack >= low)).all(1))
        rows = self._rows(near)
        inside = ((rows["points"] >= low) & (rows["points"] < high)).all(1)
        return self._cloud(rows[inside])

    def some(self, count: int) -> PointCloud:
        """About `count` points, one in every so many of the file, which spreads them over the scene."""
        step, at, parts = max(1, len(self) // count), 0, []
        for rows in _chunks(self.folder / ROWS_FILE, _row(self.layout)):
            parts.append(rows[-at % step :: step].copy())
            at += len(rows)
        return self._cloud(np.concatenate(parts))

    def _rows(self, cells: Int) -> NDArray[Any]:
        """The rows of `cells`, rising numbers; those that follow each other in one read."""
        row = _row(self.layout)
        parts = [np.empty(0, row)]
        with (self.folder / ROWS_FILE).open("rb") as stream:
            for run in np.split(cells, np.flatnonzero(np.diff(cells) > 1) + 1) if len(cells) else ():
                first, last = int(self.starts[run[0]]), int(self.starts[run[-1] + 1])
                stream.seek(first * row.itemsize)
                parts.append(np.fromfile(stream, row, last - first))
        return np.concatenate(parts)

    def _cloud(self, rows: NDArray[Any]) -> PointCloud:
        columns = {name: rows[name] for name in self.layout["shared"] if name in ATTRIBUTES}
        values = {
            name: rows["values"][:, at]
            for at, name in enumerate(self.layout["values"])
            if name in self.layout["shared"]
        }
        about = {"values": values, "unit": self.layout["unit"], "source": "the scene"}
        return PointCloud(rows["points"], **columns, **about)


def sort_points(
    scans: Iterable[PointCloud], folder: Path, progress: Callable[[float], None] = lambda share: None
) -> SortedPoints:
    """Sorts the points of `scans`, finite, into files in `folder`, which is there.

    Attributes that not all scans have are dropped, and values that are zero throughout.

    Args:
        scans: the points, in parts that fit into memory.
        folder: for the files.
        progress: called with the share of the second pass that is done.

    Raises:
        ScanError: there are no points, or the scans state different units.
        OutputError: the disk refuses.
    """
    unsorted = folder / "unsorted.bin"
    try:
        low, high, layout = _spooled(scans, unsorted)
        row = _row(layout)
        count = unsorted.stat().st_size // row.itemsize
        side = max(float((high - low).max()), np.finfo(float).tiny)
        bits = round(np.log2(max(count / CELL_POINTS, 1.0)) / 2)
        edge = side / (1 << min(max(bits, MIN_BITS), AXIS_BITS))
        keys: Int = np.empty(0, np.int64)
        counts: NDArray[Any] = np.empty(0)
        for rows in _chunks(unsorted, row):
            found, number = np.unique(_keys(rows["points"], low, edge), return_counts=True)
            keys, where = np.unique(np.concatenate([keys, found]), return_inverse=True)
            counts = np.bincount(where, np.concatenate([counts, number]))
        starts = np.append(0, np.cumsum(counts.astype(np.int64)))
        following = starts[:-1].copy()
        np.memmap(folder / ROWS_FILE, row, "w+", shape=(count,))
        done = 0
        for rows in _chunks(unsorted, row):
            cell = np.searchsorted(keys, _keys(rows["points"], low, edge))
            order = np.argsort(cell, kind="stable")
            ranked = cell[order]
            within = np.arange(len(rows)) - np.searchsorted(ranked, ranked)
            whole = np.memmap(folder / ROWS_FILE, row, "r+")  # anew, so that no more of it stays in memory
            whole[following[ranked] + within] = rows[order]
            del whole
            following += np.bincount(cell, minlength=len(keys))
            done += len(rows)
            progress(done / count)
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror or error}") from error
    finally:
        unsorted.unlink(missing_ok=True)
    with atomic_path(folder / CELLS_FILE, overwrite=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, box=np.stack([low, high]), edge=np.float64(edge), keys=keys, starts=starts)
    write_json(folder / LAYOUT_FILE, layout)
    return read_sorted(folder)


def read_sorted(folder: Path) -> SortedPoints:
    """What `sort_points` wrote. Raises ScanError if it is damaged."""
    with reading(folder / LAYOUT_FILE):
        layout = read_json(folder / LAYOUT_FILE)
        arrays = read_arrays(folder / CELLS_FILE)
        keys, starts = arrays["keys"], arrays["starts"]
        if starts[-1] * _row(layout).itemsize != (folder / ROWS_FILE).stat().st_size:
            raise ValueError(f"{ROWS_FILE} has another size")
        cells = np.stack([keys >> 2 * AXIS_BITS, keys >> AXIS_BITS, keys], axis=1) & ((1 << AXIS_BITS) - 1)
        return SortedPoints(folder, np.asarray(arrays["box"]), float(arrays["edge"]), cells, starts, layout)


def _spooled(scans: Iterable[PointCloud], path: Path) -> tuple[Float, Float, dict[str, Any]]:
    """Writes the rows of `scans` to `path`; returns the corners of their box, and the layout."""
    layout: dict[str, Any] = {}
    used, absent = set[str](), set[str]()
    units: dict[str, str] = {}
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    with path.open("wb") as stream:
        for part in scans:
            there = {name for name in ATTRIBUTES if getattr(part, name) is not None}
            if not layout:
                layout = {"stored": sorted(there), "values": list(part.values), "unit": part.unit}
            if part.unit is None:
                layout["unit"] = None
            else:
                units.setdefault(part.unit, part.source)
            rows = np.zeros(len(part), _row(layout))
            rows["points"] = part.points
            for name in layout["stored"]:
                if name in there:
                    rows[name] = getattr(part, name)
            for at, name in enumerate(layout["values"]):
                if name in part.values:
                    rows["values"][:, at] = part.values[name]
                    used |= {name} if part.values[name].any() else set()
            absent |= {*layout["stored"], *layout["values"]} - there - part.values.keys()
            if len(part):
                low, high = np.minimum(low, part.points.min(0)), np.maximum(high, part.points.max(0))
            stream.write(rows.data)
    if len(units) > 1:
        stated = ", ".join(f"{source} in {unit}" for unit, source in units.items())
        raise ScanError(f"the scans have different units ({stated}): convert them")
    if not np.isfinite(low).all():
        raise ScanError("the scans hold no finite points")
    if absent:
        log.info("not all scans have %s: dropped", ", ".join(sorted(absent)))
    layout["shared"] = sorted(({*layout["stored"]} | used) - absent)
    return low, high, layout


def _row(layout: dict[str, Any]) -> np.dtype:
    """The type of a point's row."""
    columns: list[Any] = [("points", "<f8", 3)]
    columns += [(name, *ATTRIBUTES[name]) for name in layout["stored"]]
    return np.dtype([*columns, ("values", "<f8", (len(layout["values"]),))])


def _keys(points: Float, low: Float, edge: float) -> Int:
    """(n,) the numbers of the cells of `points` (n, 3)."""
    x, y, z = ((points - low) / edge).astype(np.int64).clip(0, (1 << AXIS_BITS) - 1).T
    return x << 2 * AXIS_BITS | y << AXIS_BITS | z


def _chunks(path: Path, row: np.dtype) -> Iterator[NDArray[Any]]:
    with path.open("rb") as stream:
        while len(rows := np.fromfile(stream, row, CHUNK_ROWS)):
            yield rows

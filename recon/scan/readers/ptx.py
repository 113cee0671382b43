"""PTX, Leica's text format of gridded scans, each with the matrix that registers it.

Each scan has the grid's columns and its rows, a line each; the scanner's position and axes, four lines; the
matrix, four lines, for points as row vectors: the last line is the translation; then columns times rows lines
of x y z intensity, or x y z intensity r g b.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon.errors import ScanError
from recon.geometry import Float, PointCloud
from recon.scan.readers.columns import Lines, as_colors, cut_short, lines_of, load_rows, whole
from recon.scan.readers.join import join

HEADER_NUMBERS = (1, 1, 3, 3, 3, 3, 4, 4, 4, 4)  # on each line
COLUMN_COUNTS = (4, 7)
MIN_LINE_BYTES = 8  # four digits and what ends each


def read_ptx(path: Path) -> PointCloud:
    """Reads the points of all scans of a PTX file, registered, without empty grid cells.

    They have intensity, colours, and the scanner's position: the transformed origin. Raises ScanError.
    """
    size = path.stat().st_size
    clouds = []
    with path.open("rb") as stream:
        lines = Lines(lines_of(path, stream))
        while (header := _header(path, lines)) is not None:
            columns, rows, *_, turn_x, turn_y, turn_z, move = header
            count = int(columns[0]) * int(rows[0])
            if count > size // MIN_LINE_BYTES:
                raise cut_short(path, count, "points", size // MIN_LINE_BYTES)
            table = load_rows(path, lines, count)
            if len(table) < count:
                raise cut_short(path, count, "points", len(table))
            if count and table.shape[1] not in COLUMN_COUNTS:
                raise ScanError(f"{path} has {table.shape[1]} numbers per point, expected x y z i [r g b]")
            table = table[table[:, :3].any(1)] if count else np.zeros((0, 4))
            with np.errstate(all="ignore"):  # a damaged file's matrix
                points = table[:, :3] @ np.stack([turn_x, turn_y, turn_z])[:, :3] + move[:3]
            cloud = PointCloud(
                points,
                None,
                as_colors(table[:, 4:]) if table.shape[1] == 7 else None,
                str(path),
                np.broadcast_to(move[:3], points.shape),
                {"intensity": table[:, 3]},
            )
            if len(cloud):
                clouds.append(cloud)
    if not clouds:
        raise ScanError(f"{path} holds no points")
    return join(clouds, str(path))


def _header(path: Path, lines: Lines) -> list[Float] | None:
    """The numbers of a scan's header, line by line; None at the end of the file."""
    header: list[Float] = []
    for line in lines:
        words = line.split()
        if not words and not header:
            continue
        wanted = HEADER_NUMBERS[len(header)]
        try:
            header.append(np.array(words, np.float64).reshape(wanted))
            if wanted == 1 and whole(words[0]) is None:
                raise ValueError
        except ValueError:
            what = "a whole number" if wanted == 1 else f"{wanted} numbers"
            raise ScanError(f"{path}, line {lines.number}: expected {what}") from None
        if len(header) == len(HEADER_NUMBERS):
            return header
    if header:
        raise ScanError(f"{path} is cut short: it ends within the header of a scan")
    return None

"""Tables of text without a format: lines of numbers, with the columns' names before them or without."""

from __future__ import annotations

import csv
import logging
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from recon.errors import ScanError
from recon.geometry import Float, PointCloud
from recon.scan.readers.column_names import AXES, DEGREES, understood
from recon.scan.readers.columns import (
    BYTE_ORDER_MARK,
    MAX_MESSAGE,
    Lines,
    as_colors,
    cut_short,
    from_columns,
    from_table,
    lines_of,
    load_rows,
    whole,
)
from recon.scan.readers.geographic import from_degrees
from recon.scan.readers.join import join
from recon.scan.readers.text_files import opened

SEPARATORS = bytes.maketrans(b",;\t", b"   ")
MIN_LINE_BYTES = 6  # three digits and what ends each
COMMENT_MARKS = (b"#", b"//", b"!")
MAX_PREAMBLE_BYTES = 1 << 20
COLMAP_POINTS = re.compile(rb"# 3D point list with one line of data per point")
COLMAP_NAMES = ("x", "y", "z", "red", "green", "blue", "error")  # behind a number of the point
SKIPPED = "-"  # a column to pass over
COORDINATES = {*AXES, *DEGREES}
WANTED = "x, y and z, easting, northing and height, or longitude, latitude and height"
NUMBERED_ADVICE = (
    "--columns=-,y,x,z,- reads them with the northing first, --columns=-,x,y,z,- with the easting first"
)
MIN_COUNTED = 10  # points whose first column counts them

log = logging.getLogger("recon")


@dataclass(frozen=True)
class _Preamble:
    """What precedes the first point, and how that is written.

    Attributes:
        lines: before it.
        count: of the points, as stated.
        names: of the columns, as `from_columns` knows them, if stated.
        cells: of the first point.
        separator: "," or ";", or None for blanks.
        quoted: its cells may stand in quotes.
    """

    lines: int
    count: int | None
    names: Sequence[str]
    cells: Sequence[str]
    separator: str | None
    quoted: bool

    @property
    def numbers(self) -> list[int]:
        """The columns that hold numbers."""
        return [i for i, cell in enumerate(self.cells) if _is_number(cell)]


def read_text(path: Path, columns: Sequence[str] | None = None) -> PointCloud:
    """Reads lines of x y z and more between blanks, commas or semicolons.

    Comments, one line with the number of points and one with the columns' names may precede them; without
    names, columns are recognised by their values (see `from_table`). A file of `count` points and as many
    normals after them (PWN) has three numbers per line. Columns of text are passed over. Longitudes and
    latitudes are projected. COLMAP's points3D.txt is known by its first line.

    Args:
        path: the file.
        columns: the columns' names, "-" for one to pass over, instead of those in the file.

    Raises:
        ScanError: with the number of an invalid line, or the names that are there and those that are wanted.
        MissingLibraryError: for degrees without pyproj.
    """
    with opened(path) as stream:
        head = stream.read(MAX_PREAMBLE_BYTES)
        if COLMAP_POINTS.match(head) and columns is None:
            stream.seek(0)
            return from_columns(path, _colmap_columns(path, stream))
        start, preamble = _begin(path, head)
        stream.seek(start)
        return _read(path, islice(lines_of(path, stream), preamble.lines, None), preamble, columns)


def read_pts(path: Path, columns: Sequence[str] | None = None) -> PointCloud:
    """Reads Leica's PTS: blocks of a line with the number of points, then x y z [intensity [r g b]] lines.

    The first number may be missing. With names or separators it is read as other text. Errors as `read_text`.
    """
    with opened(path) as stream:
        start, preamble = _begin(path, stream.read(MAX_PREAMBLE_BYTES))
        if columns or preamble.names or preamble.separator or len(preamble.numbers) < len(preamble.cells):
            return read_text(path, columns)
        stream.seek(start)
        lines = Lines(islice(lines_of(path, stream), preamble.lines, None), preamble.lines)
        if preamble.count is None:
            return _block(path, load_rows(path, lines))
        clouds: list[PointCloud] = []
        count: int | None = preamble.count
        while count is not None:
            room = path.stat().st_size // MIN_LINE_BYTES + 1  # the last line may have no end
            if count > room:
                raise cut_short(path, count, "points", room)
            table = load_rows(path, lines, count)
            if len(table) < count:
                raise cut_short(path, count, "points", len(table))
            clouds += [_block(path, table)] if count else []
            count = _count(path, lines)
    if not clouds:
        raise ScanError(f"{path} holds no points")
    return join(clouds, str(path))


def _block(path: Path, table: Float) -> PointCloud:
    if table.shape[1] not in (4, 7):
        return from_table(path, table)
    colors = as_colors(table[:, 4:]) if table.shape[1] == 7 else None
    return PointCloud(table[:, :3], None, colors, str(path), values={"intensity": table[:, 3]})


def _count(path: Path, lines: Lines) -> int | None:
    """The number of points that the next non-empty line states; None at the end of the file."""
    words = next((words for line in lines if (words := line.split(b"#")[0].split())), None)
    if words is None:
        return None
    if len(words) != 1 or (count := whole(words[0])) is None:
        what = "expected the number of the following points, or the end"
        raise ScanError(f"{path}, line {lines.number}: {what}")
    return count


def _colmap_columns(path: Path, stream: BinaryIO) -> dict[str, Float]:
    """Those of COLMAP's points3D.txt, whose lines end in as many pairs of numbers as images show a point."""
    rows = []
    for number, line in enumerate(lines_of(path, stream), 1):
        if not line.startswith(b"#") and (words := line.split()[1 : 1 + len(COLMAP_NAMES)]):
            try:
                rows.append(array("d", map(float, words)))
            except ValueError:
                raise ScanError(f"{path}, line {number}: expected the numbers of a point") from None
            if len(words) < len(COLMAP_NAMES):
                raise ScanError(f"{path}, line {number} is cut short: it has {len(words) + 1} columns")
    return dict(zip(COLMAP_NAMES, np.array(rows).reshape(-1, len(COLMAP_NAMES)).T, strict=True))


def _begin(path: Path, head: bytes) -> tuple[int, _Preamble]:
    """The byte at which the text of a file that starts with `head` begins, and what precedes its points."""
    start = len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0
    if b"\0" in head:
        raise ScanError(f"{path} is not text: save it as UTF-8 or ASCII text, or give its format's ending")
    count: int | None = None
    names: Sequence[str] = ()
    for number, line in enumerate(head[start:].splitlines()):
        words = line.translate(SEPARATORS).split()
        mark = next((mark for mark in COMMENT_MARKS if line.lstrip().startswith(mark)), None)
        if not words:
            continue
        if mark is not None:
            names = names or understood(_cells(line.strip()[len(mark) :])[0]) or ()
            continue
        if b"," in line and b";" in line:
            raise ScanError(f"{path}, line {number + 1} has commas and semicolons: write decimal points")
        cells, separator = _cells(line)
        if len(words) == 1 and count is None and (stated := whole(words[0])) is not None:
            count = stated
        elif found := None if any(map(_is_number, cells)) else understood(cells):
            names = found
        else:
            return start, _Preamble(number, count, names, cells, separator, b'"' in line)
    raise ScanError(f"{path} holds no points")


def _cells(line: bytes) -> tuple[list[str], str | None]:
    """The cells of a line, and what separates them: a comma or semicolon; None for blanks."""
    separator = next((mark for mark in ",;" if mark.encode() in line), None)
    text = line.decode("latin1").replace("\t", " " if separator else "\t").strip()
    if separator is None:
        return text.split(), None
    return next(csv.reader([text], delimiter=separator, skipinitialspace=True)), separator


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python's, not of files


def _read(
    path: Path, lines: Iterator[bytes], preamble: _Preamble, columns: Sequence[str] | None
) -> PointCloud:
    cells, some = preamble.cells, preamble.numbers
    names = list(columns or preamble.names)
    if columns and len(columns) != len(cells):
        what = f"line {preamble.lines + 1} has {len(cells)} columns, --columns names {len(columns)}"
        raise ScanError(f"{path}, {what}: name each, {SKIPPED} for those to pass over")
    if names and len(names) != len(cells):
        what = "columns are named, the first point has"
        log.warning("%s: %d %s %d: telling them by their values", path, len(names), what, len(cells))
        names = []
    _check_cells(path, preamble, names)
    if len(some) < len(cells) or preamble.quoted:
        numbers = Lines(lines, preamble.lines)
        table = load_rows(path, numbers, delimiter=preamble.separator, usecols=some, quotechar='"')
    else:
        unquoted = (line.translate(SEPARATORS) for line in lines) if preamble.separator else lines
        table = load_rows(path, Lines(unquoted, preamble.lines))
    count = preamble.count
    if count is not None and len(table) == 2 * count and table.shape[1] == 3 and not names:
        return PointCloud(table[:count], table[count:], None, str(path))
    if count is not None and len(table) != count:
        raise cut_short(path, count, "points", len(table))
    if not names:
        return from_table(path, table[:, int(_numbered(path, table)) :])
    found = {names[i]: table[:, at] for at, i in enumerate(some) if names[i] != SKIPPED}
    return from_degrees(path, found) if found.keys() >= {*DEGREES} else from_columns(path, found)


def _check_cells(path: Path, preamble: _Preamble, names: Sequence[str]) -> None:
    """Raises ScanError if the first point's cells cannot be one; says which columns are text."""
    cells, some = preamble.cells, preamble.numbers
    where = f"{path}, line {preamble.lines + 1}"
    text = [i for i in range(len(cells)) if i not in some]
    wrong = next((cells[i] for i in text if names and names[i] in COORDINATES), None)
    if not some and len(cells) >= len(AXES):
        there = ", ".join(cells)[:MAX_MESSAGE]
        raise ScanError(
            f"{where} names the columns {there}, none of them {WANTED}: --columns x,y,z,… says which"
        )
    if wrong is not None or len(some) < len(AXES) <= len(cells) or len(some) < len(cells) < len(AXES):
        word = cells[text[0]] if wrong is None else wrong
        raise ScanError(f"{where}: '{(word.split() or [word])[0][:40]}' is not a number")
    if text and not names and whole(cells[0]) is not None:
        raise ScanError(
            f"{where} has a number, coordinates and text, but no names of columns: {NUMBERED_ADVICE}"
        )
    unasked = [names[i] if names else str(i + 1) for i in text if not names or names[i] != SKIPPED]
    if unasked:
        log.info("%s: columns of text are passed over: %s", path, ", ".join(unasked)[:MAX_MESSAGE])


def _numbered(path: Path, table: Float) -> bool:
    """Whether the first column of `table` (n, k) counts the points, before their coordinates."""
    if table.shape[1] <= len(AXES) or len(table) < MIN_COUNTED:
        return False
    counts = bool((np.diff(table[:, 0]) == 1).all())
    if counts:
        log.info("%s: the first column counts the points: passed over", path)
    return counts

"""Tables without a format: lines of numbers (xyz, pts, txt, pwn) and numpy's npy and npz."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recon.base.archives import array_bytes, check_arrays
from recon.errors import ScanError, reason
from recon.geometry import Float, PointCloud
from recon.scan.readers.columns import (
    Lines,
    as_colors,
    cut_short,
    from_columns,
    from_table,
    lines_of,
    load_rows,
    whole,
)
from recon.scan.readers.join import join

SEPARATORS = bytes.maketrans(b",;\t", b"   ")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MIN_LINE_BYTES = 6  # three digits and what ends each
COMMENT_MARKS = (b"#", b"//", b"!")
MAX_PREAMBLE_BYTES = 1 << 20
# What numpy raises for files that are not as their headers say; of a zip file also NotImplementedError and
# RuntimeError, where a damaged byte names a compression or a cipher that zipfile does not have.
DAMAGED_FILE_ERRORS = (
    *(ValueError, EOFError, OverflowError, KeyError, NotImplementedError, SyntaxError, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError, TypeError, IndexError),
)
NPZ_NAMES = {
    "points": ("points", "xyz", "vertices", "positions"),
    "normals": ("normals", "normal"),
    "colors": ("colors", "color", "rgb"),
}


def read_text(path: Path) -> PointCloud:
    """Reads lines of x y z and more between blanks, commas or semicolons (see `from_table`).

    Comments, one line with the number of points and one with the columns' names may precede them. A file of
    `count` points and as many normals after them (PWN) has three numbers per line. Raises ScanError with the
    number of an invalid line.
    """
    with path.open("rb") as stream:
        head = stream.read(MAX_PREAMBLE_BYTES)
        mark = len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0
        before, count, names, first = _preamble(path, head[mark:])
        stream.seek(mark)
        lines: Iterator[bytes] = islice(lines_of(path, stream), before, None)
        if b"," in first or b";" in first:
            lines = (line.translate(SEPARATORS) for line in lines)
        table = load_rows(path, Lines(lines, before))
    if count is not None and len(table) == 2 * count and table.shape[1] == 3:
        return PointCloud(table[:count], table[count:], None, str(path))
    if count is not None and len(table) != count:
        raise cut_short(path, count, "points", len(table))
    if len(names) == table.shape[1]:
        return from_columns(path, dict(zip(names, table.T, strict=True)))
    return from_table(path, table)


def read_pts(path: Path) -> PointCloud:
    """Reads Leica's PTS: blocks of a line with the number of points, then x y z [intensity [r g b]] lines.

    Without a number it is read as other text, and other columns are recognised by their values. Raises
    ScanError with the number of an invalid line.
    """
    with path.open("rb") as stream:
        head = stream.read(MAX_PREAMBLE_BYTES)
        mark = len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0
        before, count, names, first = _preamble(path, head[mark:])
        if count is None or names or b"," in first or b";" in first:
            return read_text(path)
        stream.seek(mark)
        lines = Lines(islice(lines_of(path, stream), before, None), before)
        clouds: list[PointCloud] = []
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


def _preamble(path: Path, head: bytes) -> tuple[int, int | None, list[str], bytes]:
    """The number of lines before the first point, the count and the columns' names in them, and its line."""
    if b"\0" in head:
        raise ScanError(f"{path} is not text: save it as UTF-8 or ASCII text, or give its format's ending")
    count: int | None = None
    names: list[str] = []
    for number, line in enumerate(head.splitlines()):
        words = line.translate(SEPARATORS).split()
        comment = line.lstrip().startswith(COMMENT_MARKS)
        if comment or not words:
            continue
        if b"," in line and b";" in line:
            raise ScanError(f"{path}, line {number + 1} has commas and semicolons: write decimal points")
        if len(words) == 1 and count is None and (stated := whole(words[0])) is not None:
            count = stated
        elif {b"x", b"y", b"z"} <= {word.lower() for word in words} and not names:
            names = [word.decode("latin1") for word in words]
        else:
            return number, count, names, line
    raise ScanError(f"{path} holds no points")


def read_npy(path: Path) -> PointCloud:
    """Reads an array (n, k) as `from_table`, or records with fields x, y, z and more. Raises ScanError."""
    try:
        with path.open("rb") as stream:
            wanted, there = array_bytes(stream), path.stat().st_size - stream.tell()
        if wanted > there:
            raise ValueError(f"expected {wanted:,} bytes, found {there:,}")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED_FILE_ERRORS as error:
        raise ScanError(f"{path} is cut short or damaged, or holds objects: {reason(error)}") from None
    return _from_array(path, np.asarray(array))


def read_npz(path: Path) -> PointCloud:
    """Reads arrays points, normals and colors, (n, 3), or a single one as `read_npy`. Raises ScanError."""
    try:
        check_arrays(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {
                kind: file[name]
                for kind, names in NPZ_NAMES.items()
                for name in names
                if name in file.files and file[name].ndim == 2
            }
            single = file[file.files[0]] if len(file.files) == 1 else None
            there = ", ".join(file.files)
    except DAMAGED_FILE_ERRORS as error:
        raise ScanError(f"{path} is cut short or damaged, or holds objects: {reason(error)}") from None
    if "points" not in arrays:
        if single is None:
            raise ScanError(f"{path} has no array 'points', only: {there or 'none'}")
        return _from_array(path, single)
    for kind, array in arrays.items():
        if array.shape != (len(arrays["points"]), 3) or array.dtype.kind not in "fiu":
            what = f"'{kind}' is {array.dtype} of shape {array.shape}"
            raise ScanError(f"{path}: {what}, expected numbers (n, 3)")
    colors = as_colors(arrays["colors"]) if "colors" in arrays else None
    return PointCloud(arrays["points"], arrays.get("normals"), colors, str(path))


def _from_array(path: Path, array: NDArray) -> PointCloud:
    if array.dtype.names:
        columns = {
            name: array[name].ravel() for name in array.dtype.names if array[name].shape == array.shape
        }
        return from_columns(path, columns)
    if array.dtype.kind not in "fiu":
        raise ScanError(f"{path} holds an array of {array.dtype}, expected numbers")
    return from_table(path, array)

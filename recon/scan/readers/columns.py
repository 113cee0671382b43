"""What all readers share: columns become a PointCloud, rows of text become numbers."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recon.errors import ScanError
from recon.geometry import Bytes, Float, PointCloud

NORMAL_PREFIXES = ("n", "n_", "normal_", "normals_", "normal", "normals")
NORMAL_NAMES = [(f"{prefix}x", f"{prefix}y", f"{prefix}z") for prefix in NORMAL_PREFIXES]
COLOR_NAMES = [("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue")]
SENSOR_NAMES = [("vx", "vy", "vz"), ("vp_x", "vp_y", "vp_z")]
OPACITY_NAMES = ("alpha", "a", "diffuse_alpha")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ESCAPED = re.compile(r"\\x([0-9a-f]{2})")  # a byte
MAX_COUNT_DIGITS = 30  # Python refuses to convert thousands
MAX_MESSAGE = 200  # characters
MAX_COLUMNS = 4096
RASTER_RATIO, MAX_RASTER_POINT = 16, 16  # rows over columns, and columns, of arrays that may be of points
MAX_LINE_BYTES = 1 << 20
CHUNK_COLORS = 1 << 18
UNIT_LENGTH_TOLERANCE = 0.02  # of unit normals written with few digits


def from_columns(path: Path, columns: Mapping[str, NDArray]) -> PointCloud:
    """Makes a cloud of named columns (n,): points and, if present, normals, colours and sensors.

    Every other column of numbers except opacity is one of its values. Raises ScanError without x, y and z.
    """
    left = {name: array for name, array in columns.items() if array.ndim == 1 and array.dtype.kind in "fiub"}
    points = _triple(left, [("x", "y", "z")])
    if points is None:
        raise ScanError(f"{path} has no columns x, y and z, only: {', '.join(left)[:MAX_MESSAGE] or 'none'}")
    normals, sensors = _triple(left, NORMAL_NAMES), _triple(left, SENSOR_NAMES)
    colors = _triple(left, COLOR_NAMES, np.result_type)
    with np.errstate(invalid="ignore"):  # some kinds of NaN
        return PointCloud(
            points,
            normals,
            None if colors is None else as_colors(colors),
            str(path),
            sensors,
            {_readable(name): array for name, array in left.items() if name.lower() not in OPACITY_NAMES},
        )


def _readable(name: str) -> str:
    """A name that was read as Latin-1, or as ASCII with escapes, as the UTF-8 that it is, if it is."""
    name = ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)
    try:
        return name.encode("latin1").decode("utf-8")
    except UnicodeError:
        return name


def _triple(
    columns: dict[str, NDArray],
    names: list[tuple[str, str, str]],
    kind: Callable[..., DTypeLike] = lambda *_: np.float64,
) -> NDArray | None:
    """Removes the first triple of `names` that `columns` has and returns it, (n, 3)."""
    found = {name.lower(): name for name in columns}
    for triple in names:
        if all(name in found for name in triple):
            parts = [columns.pop(found[name]) for name in triple]
            with np.errstate(invalid="ignore"):  # some kinds of NaN
                return np.stack(parts, axis=1, dtype=kind(*parts), casting="unsafe")
    return None


def as_colors(values: NDArray) -> Bytes:
    """Colours (n, 3) as uint8: shares of 1 and 16-bit numbers are scaled, others clipped to 0..255."""
    if values.dtype.kind == "u":  # as below, in little memory
        out = values.astype(np.uint8)
        for at in range(0, len(out) if values.max(initial=0) > 255 else 0, CHUNK_COLORS):
            part = np.minimum(values[at : at + CHUNK_COLORS], 0xFFFF).astype(np.uint32)
            out[at : at + CHUNK_COLORS] = (part + 128) // 257
        return out
    values = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    largest = values.max(initial=0.0)
    if largest <= 1.0 and (values % 1.0).any():
        values = 255.0 * values
    elif largest > 255.0:
        values = values / 257.0
    return np.rint(values).clip(0, 255).astype(np.uint8)


def from_table(path: Path, table: NDArray) -> PointCloud:
    """Makes a cloud of unnamed columns (n, k): x y z, then normals and colours in any order.

    Normals are triples of unit length, colours of whole numbers 0..255 or shares of 1; other columns, as an
    intensity, are ignored. A triple that is the only one beside x y z and not a colour is normals of any
    length. Raises ScanError for fewer than three columns.
    """
    if table.ndim != 2 or table.shape[1] < 3:
        raise ScanError(f"{path} holds an array of shape {table.shape}, expected rows of at least x y z")
    if table.shape[1] > (MAX_COLUMNS if len(table) > table.shape[1] * RASTER_RATIO else MAX_RASTER_POINT):
        raise ScanError(
            f"{path} holds an array of shape {table.shape}, which looks like a raster of heights or depths: "
            "expected a row of x y z for each point"
        )
    normals, colors, at = None, None, 3
    while at + 3 <= table.shape[1]:
        triple = table[:, at : at + 3]
        kind = _kind(triple)
        if normals is None and (kind == "normals" or (kind is None and table.shape[1] == 6)):
            normals = triple
        elif colors is None and kind == "colors":
            colors = as_colors(triple)
        else:
            at += 1
            continue
        at += 3
    return PointCloud(table[:, :3], normals, colors, str(path))


def _kind(triple: NDArray) -> str | None:
    triple = triple[np.isfinite(triple).all(1)]
    if len(triple) == 0:
        return None
    unit = np.abs(np.linalg.norm(triple.astype(np.float64), axis=1) - 1.0) < UNIT_LENGTH_TOLERANCE
    if 2 * np.count_nonzero(unit) > len(triple):
        return "normals"
    low, high, whole = triple.min(), triple.max(), not (triple % 1).any()
    return "colors" if low >= 0 and ((whole and high <= 255) or high <= 1) else None


def lines_of(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a file from where it is read. Raises ScanError for one that is far too long for text."""
    for line in iter(partial(stream.readline, MAX_LINE_BYTES), b""):
        if len(line) == MAX_LINE_BYTES:
            raise ScanError(f"{path} is not text: it has a line of {MAX_LINE_BYTES:,} bytes and more")
        yield line


class Lines:
    """The lines of a text stream, counted as they are read."""

    def __init__(self, lines: Iterable[bytes], number: int = 0) -> None:
        self.number = number  # of the line handed out last, from 1
        self._lines = iter(lines)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = next(self._lines)
        self.number += 1
        return line


def load_rows(path: Path, lines: Lines, limit: int | None = None, **layout: Any) -> Float:
    """Reads the next rows of numbers, at most `limit`, (n, k) float64, without comments. Raises ScanError.

    Their `layout` is numpy's: delimiter, usecols, quotechar.
    """
    first = None if limit == 0 else next((line for line in lines if line.split(b"#")[0].strip()), None)
    if first is None:
        return np.zeros((0, 0))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # numpy's, that empty lines do not count
            return np.loadtxt(chain([first], lines), ndmin=2, max_rows=limit, encoding="latin1", **layout)
    except ValueError as error:
        text = str(error)
    if found := re.search(r"convert string (.*) to float", text):
        raise ScanError(f"{path}, line {lines.number}: {found[1][:40]} is not a number")
    if found := re.search(r"columns changed from (\d+) to (\d+)", text):
        raise ScanError(f"{path}, line {lines.number} has {found[2]} columns, the lines before it {found[1]}")
    raise ScanError(f"{path}, line {lines.number}: {text}")


def whole(word: str | bytes) -> int | None:
    """`word` as a non-negative whole number with at most `MAX_COUNT_DIGITS`, else None."""
    return int(word) if word.isdigit() and word.isascii() and len(word) <= MAX_COUNT_DIGITS else None


def cut_short(path: Path, promised: int, what: str, there: int) -> ScanError:
    """The error for a file that holds less than its header says."""
    return ScanError(f"{path} is cut short or damaged: expected {promised:,} {what}, found {there:,}")

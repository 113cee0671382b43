"""PLY, the format of most scans: text or binary of either byte order, points or polygons.

plyfile reads the header, and rows that differ in length; rows of one length, as in big files, are mapped from
the disk or parsed by numpy at once. Nothing is allocated before the header's counts are found to fit the
file's size.
"""

from __future__ import annotations

import io
import re
import sys
import warnings
from collections import deque
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyListProperty, PlyParseError

from recon.errors import ScanError, reason
from recon.geometry import Float, Mesh, PointCloud
from recon.scan.readers.columns import (
    BYTE_ORDER_MARK,
    Lines,
    cut_short,
    from_columns,
    lines_of,
    load_rows,
    whole,
)
from recon.scan.readers.mesh_scans import MAX_INDEX, fans, mesh_of
from recon.scan.readers.splats import are_splats, from_splats

FIRST_LINE = re.compile(rb"ply[ \t]*(\r\n|\n|\r)")
MAX_HEADER_BYTES = 1 << 20
MAX_LIST = 1 << 20  # corners of a face
CAMERA_PLACE = ("view_px", "view_py", "view_pz")
FACE_LISTS = ("vertex_indices", "vertex_index")
Columns = dict[str, NDArray]


class _Ragged(Exception):
    """The rows of an element differ in length."""


@dataclass(frozen=True)
class _Header:
    text: bool
    order: str  # of the bytes: "<" or ">"
    elements: list[tuple[Any, int]]  # plyfile's PlyElement, without rows, and how many there should be
    start: int  # byte after the header
    lines: int  # of the header


def read_ply(path: Path) -> PointCloud | Mesh:
    """Reads the points of a PLY file, or its mesh if it has faces; polygons are triangulated.

    The camera that the Point Cloud Library writes is the position of all points' sensor. Gaussian splats are
    points, too (`from_splats`). Raises ScanError if the content does not match the header.
    """
    size = path.stat().st_size
    header = _read_header(path)
    counts = {element.name: count for element, count in header.elements}
    if not counts.get("vertex"):
        raise ScanError(f"{path} holds no points: its header has no element 'vertex' with rows")
    _check_counts(path, header, size)
    wanted = {"vertex"} | {name for name in ("face", "camera") if counts.get(name)}
    try:
        read = _text_tables if header.text else _binary_tables
        tables = read(path, header, wanted)
    except _Ragged:
        tables = _ragged_tables(path, wanted)
    vertices = tables.get("vertex", {})
    cloud = (from_splats if are_splats(vertices) else from_columns)(path, vertices)
    if "face" in wanted:
        faces = tables.get("face", {})
        corners = next((faces[name] for name in FACE_LISTS if name in faces), None)
        if corners is None or (corners.ndim != 2 and corners.dtype != object):
            raise ScanError(f"{path} has faces without a list 'vertex_indices'")
        return mesh_of(path, cloud.points, fans(corners), cloud.normals, cloud.colors, cloud.values)
    if cloud.sensors is None:
        cloud = replace(cloud, sensors=_camera(tables.get("camera", {}), len(cloud)))
    return cloud


def _camera(columns: Columns, count: int) -> Float | None:
    """The camera's position, `count` times; None if it is only the default at the origin."""
    if not columns.keys() >= {*CAMERA_PLACE, "viewporty"}:
        return None
    place = np.array([columns[name][0] for name in CAMERA_PLACE], np.float64)
    turned = any(columns[f"{axis}_axis{axis}"][0] != 1 for axis in "xyz" if f"{axis}_axis{axis}" in columns)
    known = place.any() or turned or columns["viewporty"][0] > 1  # a grid of points is one sensor's
    return np.broadcast_to(place, (count, 3)) if known and np.isfinite(place).all() else None


def _read_header(path: Path) -> _Header:
    with path.open("rb") as stream:
        head = stream.read(MAX_HEADER_BYTES)
    first = FIRST_LINE.match(head)
    newline = first[1] if first else b"\n"
    end = re.search(newline + rb"end_header[ \t]*" + newline, head)
    if not end:
        raise ScanError(f"{path} is cut short or damaged: its PLY header has no line 'end_header'")
    lines = ["ply", *head[: end.start()].decode("latin1").split(newline.decode())[1:]]
    start = end.end()
    counts, skeleton = [], []
    for line in lines:
        words = line.split()
        if words[:1] == ["element"]:
            if len(words) != 3 or (count := whole(words[2])) is None:
                raise ScanError(f"{path}: the header's line '{line[:60]}' should be 'element NAME COUNT'")
            counts.append(count)
            line = f"element {words[1]} 0"  # for plyfile, which is to read no rows yet
        if words[:1] not in ([], ["comment"], ["obj_info"]):
            skeleton.append(line)
    try:
        empty = PlyData.read(io.BytesIO("\n".join([*skeleton, "end_header", ""]).encode("latin1")))
    except (PlyParseError, ValueError) as error:
        raise ScanError(f"{path} has a damaged PLY header: {reason(error)}") from None
    for prop in (prop for element in empty.elements for prop in element.properties if _is_list(prop)):
        if np.dtype(prop.list_dtype("<")[0]).kind not in "iu":
            raise ScanError(
                f"{path} has a damaged PLY header: lists '{prop.name}' with lengths that are not whole"
            )
    if empty.text and head.startswith(BYTE_ORDER_MARK, start):
        start += len(BYTE_ORDER_MARK)
    elements = list(zip(empty.elements, counts, strict=True))
    return _Header(empty.text, empty.byte_order, elements, start, len(lines) + 1)


def _check_counts(path: Path, header: _Header, size: int) -> None:
    """Checks that every element's rows, at their minimum length, fit into the file."""
    left = size - header.start
    for element, count in header.elements:
        if header.text:
            row = 2 * len(element.properties)  # a digit and what ends it, each
        else:
            row = sum(np.dtype(_count_type(p, "<") or p.dtype("<")).itemsize for p in element.properties)
        if count * row > left + header.text:  # the last line may have no end
            raise cut_short(path, count, f"rows of '{element.name}'", left // row)
        left -= count * row


def _count_type(prop: Any, order: str) -> str | None:
    return prop.list_dtype(order)[0] if isinstance(prop, PlyListProperty) else None


def _binary_tables(path: Path, header: _Header, wanted: set[str]) -> dict[str, Columns]:
    tables: dict[str, Columns] = {}
    size, at = path.stat().st_size, header.start
    with path.open("rb") as stream:
        for element, count in header.elements:
            if wanted <= tables.keys():
                break
            if count == 0 or not element.properties:
                continue
            row = _row_type(path, element, header.order, stream, at, size)
            if at + count * row.itemsize > size:
                if any(map(_is_list, element.properties)):
                    raise _Ragged
                raise cut_short(path, count, f"rows of '{element.name}'", (size - at) // row.itemsize)
            table = np.memmap(path, row, "r", at, count)
            for prop in filter(_is_list, element.properties):
                if (table[_count_of(prop)] != row[prop.name].shape[0]).any():
                    raise _Ragged
            tables[element.name] = {p.name: table[p.name] for p in element.properties}
            at += count * row.itemsize
    return tables


def _is_list(prop: Any) -> bool:
    return isinstance(prop, PlyListProperty)


def _count_of(prop: Any) -> str:
    return f"{prop.name} count"  # no name of a property: it has a blank


def _row_type(path: Path, element: Any, order: str, stream: BinaryIO, at: int, size: int) -> np.dtype:
    """The record of an element whose lists are all as long as those of its first row, at byte `at`."""
    fields: list[tuple] = []
    for prop in element.properties:
        if not _is_list(prop):
            fields.append((prop.name, prop.dtype(order)))
            continue
        counts, values = map(np.dtype, prop.list_dtype(order))
        stream.seek(at + np.dtype(fields).itemsize)
        raw = stream.read(counts.itemsize)
        length = int(np.frombuffer(raw, counts)[0]) if len(raw) == counts.itemsize else -1
        if not 0 <= length * values.itemsize <= size - at:
            raise ScanError(f"{path} is cut short or damaged: a list of {length:,} values does not fit")
        if length > MAX_LIST:
            raise ScanError(f"{path} is damaged: a list of {length:,} values, expected at most {MAX_LIST:,}")
        fields += [(_count_of(prop), counts), (prop.name, values, (length,))]
    return np.dtype(fields)


def _text_tables(path: Path, header: _Header, wanted: set[str]) -> dict[str, Columns]:
    tables: dict[str, Columns] = {}
    with path.open("rb") as stream:
        stream.seek(header.start)
        lines = Lines(lines_of(path, stream), header.lines)
        for element, count in header.elements:
            if wanted <= tables.keys():
                break
            if element.name in wanted:
                tables[element.name] = _text_columns(path, element, count, lines)
            else:
                deque(islice(lines, min(count, sys.maxsize)), maxlen=0)
    return tables


def _text_columns(path: Path, element: Any, count: int, lines: Lines) -> Columns:
    lists = any(map(_is_list, element.properties))
    try:
        rows = load_rows(path, lines, count)
    except ScanError:
        if lists:  # plyfile knows, and says what is wrong if it is not that
            raise _Ragged from None
        raise
    if len(rows) < count:
        raise cut_short(path, count, f"rows of '{element.name}'", len(rows))
    columns: Columns = {}
    at = 0
    for prop in element.properties:
        if at >= rows.shape[1]:
            break
        if not _is_list(prop):
            columns[prop.name] = rows[:, at]
            at += 1
            continue
        if (rows[:, at] != rows[0, at]).any() or not 0 <= rows[0, at] < rows.shape[1] - at:
            raise _Ragged
        length = int(rows[0, at])
        values = rows[:, at + 1 : at + 1 + length]
        if not (np.abs(values) < MAX_INDEX).all():
            raise ScanError(
                f"{path} is damaged: a list of '{element.name}' holds a value that is not an index"
            )
        columns[prop.name] = values
        at += 1 + length
    if len(columns) < len(element.properties) or at != rows.shape[1]:
        what = f"rows of '{element.name}' have {rows.shape[1]} numbers"
        raise ScanError(f"{path} is damaged: {what}, its header another number")
    return columns


def _ragged_tables(path: Path, wanted: set[str]) -> dict[str, Columns]:
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", UserWarning)  # numpy's, at lists without a value
            data = PlyData.read(path)
    except (PlyParseError, ValueError, OverflowError) as error:
        raise ScanError(f"{path} is cut short or damaged: {reason(error)}") from None
    return {name: {p.name: data[name][p.name] for p in data[name].properties} for name in wanted}

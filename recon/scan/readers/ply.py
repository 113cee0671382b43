"""PLY, the format of most scans: text or binary of either byte order, points or polygons.

Rows of one length, as in big files, are mapped from the disk or parsed by numpy at once; `ply_ragged` has the
others.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recon.errors import ScanError
from recon.geometry import Float, Mesh, PointCloud
from recon.scan.readers.columns import COLOR_NAMES, Lines, cut_short, from_columns, lines_of, load_rows
from recon.scan.readers.mesh_scans import MAX_INDEX, mesh_of
from recon.scan.readers.ply_header import (
    FACE_LISTS,
    MAX_LIST,
    Columns,
    Header,
    check_counts,
    is_list,
    read_header,
    wrong_list,
)
from recon.scan.readers.ply_ragged import ragged_binary, ragged_text
from recon.scan.readers.polygons import fans
from recon.scan.readers.splats import are_splats, from_splats

CAMERA_PLACE = ("view_px", "view_py", "view_pz")


class _Ragged(Exception):
    """The rows of an element differ in length."""


def read_ply(path: Path) -> PointCloud | Mesh:
    """Reads the points of a PLY file, or its mesh if it has faces; polygons are triangulated.

    The camera that the Point Cloud Library writes is the position of all points' sensor. Gaussian splats are
    points, too (`from_splats`). Raises ScanError if the content does not match the header.
    """
    size = path.stat().st_size
    header = read_header(path)
    counts = {element.name: count for element, count in header.elements}
    if not counts.get("vertex"):
        raise ScanError(f"{path} holds no points: its header has no element 'vertex' with rows")
    check_counts(path, header, size)
    wanted = {"vertex"} | {name for name in ("face", "camera") if counts.get(name)}
    tables = (_text_tables if header.text else _binary_tables)(path, header, wanted)
    vertices = tables.get("vertex", {})
    cloud = (from_splats if are_splats(vertices) else from_columns)(path, vertices)
    if "face" in wanted:
        faces = tables.get("face", {})
        corners = next((faces[name] for name in FACE_LISTS if name in faces), None)
        if corners is None or corners.ndim != 2:
            raise ScanError(f"{path} has faces without a list 'vertex_indices'")
        if corners.dtype.kind == "f" and not (np.abs(corners) < MAX_INDEX).all():
            raise ScanError(f"{path} is damaged: a list of 'face' holds a value that is not an index")
        return mesh_of(path, cloud.points, fans(corners), cloud.normals, cloud.colors, cloud.values)
    if cloud.sensors is None:
        cloud = replace(cloud, sensors=_camera(tables.get("camera", {}), len(cloud)))
    return cloud


def ply_count(path: Path) -> int:
    """How many points a PLY file holds that is a cloud and can be read in parts; 0 for any other."""
    header = read_header(path)
    counts = {element.name: count for element, count in header.elements}
    others = header.text or counts.get("face") or counts.get("camera")
    if others or not counts.get("vertex"):
        return 0
    vertex = next(element for element, _ in header.elements if element.name == "vertex")
    kinds = {prop.name: None if is_list(prop) else np.dtype(prop.dtype()) for prop in vertex.properties}
    channels = {name for names in COLOR_NAMES for name in names}
    scaled = any(kind != np.uint8 for name, kind in kinds.items() if name.lower() in channels)
    lists = any(map(is_list, vertex.properties))
    return 0 if scaled or lists or are_splats(dict.fromkeys(kinds, np.empty(0))) else counts["vertex"]


def ply_parts(path: Path, size: int) -> Iterator[PointCloud]:
    """The points of a file with a `ply_count`, in parts of at most `size`."""
    header = read_header(path)
    check_counts(path, header, path.stat().st_size)
    columns = _binary_tables(path, header, {"vertex"})["vertex"]
    for start in range(0, ply_count(path), size):
        part = slice(start, start + size)
        yield from_columns(path, {name: np.array(column[part]) for name, column in columns.items()})


def _camera(columns: Columns, count: int) -> Float | None:
    """The camera's position, `count` times; None if it is only the default at the origin."""
    if not columns.keys() >= {*CAMERA_PLACE, "viewporty"}:
        return None
    place = np.array([columns[name][0] for name in CAMERA_PLACE], np.float64)
    turned = any(columns[f"{axis}_axis{axis}"][0] != 1 for axis in "xyz" if f"{axis}_axis{axis}" in columns)
    known = place.any() or turned or columns["viewporty"][0] > 1  # a grid of points is one sensor's
    return np.broadcast_to(place, (count, 3)) if known and np.isfinite(place).all() else None


def _binary_tables(path: Path, header: Header, wanted: set[str]) -> dict[str, Columns]:
    tables: dict[str, Columns] = {}
    size, at = path.stat().st_size, header.start
    with path.open("rb") as stream:
        for element, count in header.elements:
            if wanted <= tables.keys():
                break
            if count == 0 or not element.properties:
                continue
            row = _row_type(path, element, header.order, stream, at, size)
            lists = [prop for prop in element.properties if is_list(prop)]
            fits = at + count * row.itemsize <= size
            if not fits and not lists:
                raise cut_short(path, count, f"rows of '{element.name}'", (size - at) // row.itemsize)
            table = np.memmap(path, row, "r", at, count if fits else 0)
            lengths = ((table[_count_of(prop)], row[prop.name].shape[0]) for prop in lists)
            if fits and not any((found != length).any() for found, length in lengths):
                tables[element.name] = {p.name: table[p.name] for p in element.properties}
                at += count * row.itemsize
            else:
                tables[element.name], at = ragged_binary(path, element, count, header.order, at)
    return tables


def _count_of(prop: Any) -> str:
    return f"{prop.name} count"  # no name of a property: it has a blank


def _row_type(path: Path, element: Any, order: str, stream: BinaryIO, at: int, size: int) -> np.dtype:
    """The record of an element whose lists are all as long as those of its first row, at byte `at`."""
    fields: list[tuple] = []
    for prop in element.properties:
        if not is_list(prop):
            fields.append((prop.name, prop.dtype(order)))
            continue
        counts, values = map(np.dtype, prop.list_dtype(order))
        stream.seek(at + np.dtype(fields).itemsize)
        raw = stream.read(counts.itemsize)
        length = int(np.frombuffer(raw, counts)[0]) if len(raw) == counts.itemsize else -1
        if not 0 <= length * values.itemsize <= size - at:
            raise ScanError(f"{path} is cut short or damaged: a list of {length:,} values does not fit")
        if length > MAX_LIST:
            raise wrong_list(path, length)
        fields += [(_count_of(prop), counts), (prop.name, values, (length,))]
    return np.dtype(fields)


def _text_tables(path: Path, header: Header, wanted: set[str]) -> dict[str, Columns]:
    tables: dict[str, Columns] = {}
    with path.open("rb") as stream:
        stream.seek(header.start)
        lines = Lines(lines_of(path, stream), header.lines)
        for element, count in header.elements:
            if wanted <= tables.keys():
                break
            if element.name in wanted:
                start, number = stream.tell(), lines.number
                try:
                    tables[element.name] = _text_columns(path, element, count, lines)
                except _Ragged:
                    stream.seek(start)
                    lines = Lines(lines_of(path, stream), number)
                    tables[element.name] = ragged_text(path, element, count, lines)
            else:
                deque(islice(lines, min(count, sys.maxsize)), maxlen=0)
    return tables


def _text_columns(path: Path, element: Any, count: int, lines: Lines) -> Columns:
    lists = any(map(is_list, element.properties))
    try:
        rows = load_rows(path, lines, count)
    except ScanError:
        if lists:
            raise _Ragged from None
        raise
    if len(rows) < count:
        raise cut_short(path, count, f"rows of '{element.name}'", len(rows))
    columns: Columns = {}
    at = 0
    for prop in element.properties:
        if at >= rows.shape[1]:
            break
        if not is_list(prop):
            columns[prop.name] = rows[:, at]
            at += 1
            continue
        if (rows[:, at] != rows[0, at]).any() or not 0 <= rows[0, at] < rows.shape[1] - at:
            raise _Ragged
        length = int(rows[0, at])
        columns[prop.name] = rows[:, at + 1 : at + 1 + length]
        at += 1 + length
    if len(columns) < len(element.properties) or at != rows.shape[1]:
        what = f"rows of '{element.name}' have {rows.shape[1]} numbers"
        raise ScanError(f"{path} is damaged: {what}, its header another number")
    return columns

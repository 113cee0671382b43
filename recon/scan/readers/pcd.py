"""PCD, the Point Cloud Library's format: text, binary, and binary compressed by LZF.

Format: https://pointclouds.org/documentation/tutorials/pcd_file_format.html
"""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recon.errors import ScanError, reason
from recon.geometry import PointCloud
from recon.scan.readers.columns import Lines, cut_short, from_columns, lines_of, load_rows

MAX_HEADER_BYTES = 1 << 16
MAX_LZF_RATIO = 88  # a reference of 3 bytes stands for 264 at most


def read_pcd(path: Path) -> PointCloud:
    """Reads a PCD file, with normals, colours and other scalars; points without a depth are NaN.

    The viewpoint moves no point: it is the sensor's position among them, as in the library's own estimate of
    normals. Raises ScanError.
    """
    with path.open("rb") as stream:
        head = stream.read(MAX_HEADER_BYTES)
    header, start = _header(path, head)
    try:
        row = _row_type(header)
        width, height = int(header["WIDTH"][0]), int(header["HEIGHT"][0])
        count = int(header.get("POINTS", [str(width * height)])[0])
        viewpoint = np.array(header.get("VIEWPOINT", [0] * 7), np.float64).reshape(7)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ScanError(f"{path} has a damaged PCD header: {type(error).__name__} {reason(error)}") from None
    if count != width * height or min(width, height) < 0:
        raise ScanError(f"{path}: POINTS is {count:,}, WIDTH x HEIGHT is {width:,} x {height:,}: they differ")
    if count == 0:
        raise ScanError(f"{path} holds no points")
    kind = header["DATA"][0].lower()
    if kind not in ROW_READERS:
        raise ScanError(f"{path}: DATA is '{kind[:20]}', expected one of {', '.join(ROW_READERS)}")
    columns = ROW_READERS[kind](path, row, count, start, head[:start].count(b"\n"))
    for name in ("rgb", "rgba"):
        if name in columns:
            columns |= _unpacked(columns.pop(name), row[name])
    cloud = from_columns(path, columns)
    known = height > 1 or viewpoint[[0, 1, 2, 4, 5, 6]].any()  # else the default: 0 0 0 1 0 0 0
    if cloud.sensors is None and known and np.isfinite(viewpoint).all():
        cloud = replace(cloud, sensors=np.broadcast_to(viewpoint[:3], (count, 3)))
    return cloud


def _header(path: Path, head: bytes) -> tuple[dict[str, list[str]], int]:
    """The header's lines by their first word, and the offset of the byte after it."""
    header: dict[str, list[str]] = {}
    at = 0
    for line in head.splitlines(keepends=True):
        at += len(line)
        words = line.decode("latin1").split()
        if words and not words[0].startswith("#"):
            header[words[0].upper()] = words[1:]
            if words[0].upper() == "DATA" and len(words) > 1:
                return header, at
    raise ScanError(f"{path} is cut short or damaged: its PCD header has no line 'DATA'")


def _row_type(header: dict[str, list[str]]) -> np.dtype:
    """The record of one point; padding and fields of several values get meaningless names."""
    names, sizes, types = (header[key] for key in ("FIELDS", "SIZE", "TYPE"))
    counts = header.get("COUNT", ["1"] * len(names))
    fields = []
    for i, (name, size, kind, length) in enumerate(zip(names, sizes, types, counts, strict=True)):
        if kind not in "FIU" or int(length) < 1:
            raise ValueError(f"for field {name}")
        plain = name != "_" and length == "1" and name not in names[:i]
        value = np.dtype(f"<{kind.lower()}{int(size)}")
        fields.append((name if plain else f"{name} {i}", value, () if plain else (int(length),)))
    return np.dtype(fields)


def _text(path: Path, row: np.dtype, count: int, start: int, before: int) -> dict[str, NDArray]:
    lengths = [row[name].shape[0] if row[name].shape else 1 for name in row.names or ()]
    room = path.stat().st_size - start + 1
    if 2 * count * sum(lengths) > room:
        raise cut_short(path, count, "points", room // (2 * sum(lengths)))
    with path.open("rb") as stream:
        stream.seek(start)
        rows = load_rows(path, Lines(lines_of(path, stream), before))
    if len(rows) != count:
        raise cut_short(path, count, "points", len(rows))
    if rows.shape[1] != sum(lengths):
        raise ScanError(f"{path} has {rows.shape[1]} numbers per line, its header describes {sum(lengths)}")
    starts = np.cumsum([0, *lengths])
    return {name: rows[:, starts[i]] for i, name in enumerate(row.names or ()) if not row[name].shape}


def _binary(path: Path, row: np.dtype, count: int, start: int, _: int) -> dict[str, NDArray]:
    room = (path.stat().st_size - start) // row.itemsize
    if count > room:
        raise cut_short(path, count, "points", room)
    rows = np.memmap(path, row, "r", start, count)
    return {name: rows[name] for name in row.names or () if not row[name].shape}


def _compressed(path: Path, row: np.dtype, count: int, start: int, _: int) -> dict[str, NDArray]:
    """Two sizes, then one LZF stream that holds field after field instead of point after point."""
    with path.open("rb") as stream:
        stream.seek(start)
        sizes = stream.read(8)
        packed_size, size = struct.unpack("<II", sizes) if len(sizes) == 8 else (0, 0)
        room = max(path.stat().st_size - start - 8, 0)
        if packed_size > room:
            raise cut_short(path, packed_size, "compressed bytes", room)
        if size != count * row.itemsize or size > MAX_LZF_RATIO * packed_size:
            raise cut_short(path, count, "points", min(size, MAX_LZF_RATIO * packed_size) // row.itemsize)
        data = unpack_lzf(path, stream.read(packed_size), size)
    columns, at = {}, 0
    for name in row.names or ():
        if not row[name].shape:
            columns[name] = np.frombuffer(data, row[name], count, at)
        at += count * row[name].itemsize
    return columns


def unpack_lzf(path: Path, packed: bytes, size: int) -> bytes:
    """Unpacks an LZF stream of Marc Lehmann's LibLZF into `size` bytes. Raises ScanError if the size differs.

    A control byte below 32 precedes that many and one more literal bytes. The upper three bits of any other
    are the length less 2 of a repetition (7: the next byte is added), the lower five and one more byte its
    distance back less 1.
    """
    out = bytearray(size)
    at, to, end = 0, 0, len(packed)
    try:
        while at < end:
            control = packed[at]
            at += 1
            if control < 32:
                length = control + 1
                if at + length > end or to + length > size:
                    raise IndexError
                out[to : to + length] = packed[at : at + length]
                at += length
            else:
                length = control >> 5
                if length == 7:
                    length += packed[at]
                    at += 1
                length += 2
                back = ((control & 31) << 8 | packed[at]) + 1
                at += 1
                if back > to or to + length > size:
                    raise IndexError
                pattern = out[to - back : to - back + min(back, length)]
                if back < length:  # it runs into what it writes
                    pattern = (pattern * (length // back + 1))[:length]
                out[to : to + length] = pattern
            to += length
    except IndexError:
        raise ScanError(f"{path} is damaged: its compressed points cannot be unpacked") from None
    if to != size:
        raise cut_short(path, size, "bytes of points", to)
    return bytes(out)


def _unpacked(column: NDArray, kind: np.dtype) -> dict[str, NDArray]:
    """Colours 0xRRGGBB, stored in 32 bits that claim to be a float or an integer."""
    with np.errstate(all="ignore"):  # a damaged file's numbers fit no integer: its colours mean nothing
        bits = column.astype(np.float32).view(np.uint32) if kind.kind == "f" else column.astype(np.int64)
    return {name: bits >> shift & 255 for name, shift in (("red", 16), ("green", 8), ("blue", 0))}


ROW_READERS = {"ascii": _text, "binary": _binary, "binary_compressed": _compressed}

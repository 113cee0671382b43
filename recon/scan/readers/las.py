"""LAS, the format of airborne and mobile scanners, and LAZ, its compressed form.

Format: ASPRS LAS 1.4 R15, https://github.com/ASPRSorg/LAS. laspy reads the records and lazrs unpacks them, in
chunks: memory is little more than the result needs. Header fields that they trust are checked against the
file's size first.
"""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recon.errors import ReconError, ScanError, reason
from recon.geometry import PointCloud
from recon.scan.readers.columns import as_colors, cut_short
from recon.scan.readers.geographic import WGS84, projected
from recon.scan.readers.units import DEGREE, unit_of_geotiff, unit_of_wkt

log = logging.getLogger("recon")

CHUNK_POINTS = 1 << 18
SCALARS = ("intensity", "classification", "return_number", "number_of_returns")
COLORS = ("red", "green", "blue")
HEADER_SIZES = (227, 227, 227, 235, 375, 393)  # bytes, by the minor version
VLR_HEADER_BYTES = 54  # of a variable length record
COMPRESSED_BIT = 0x80  # of the point format


def read_las(path: Path) -> PointCloud:
    """Reads the points of a LAS or LAZ file, except those flagged as withheld, which means deleted.

    They have colours, and those of `SCALARS` that are not zero throughout. Degrees are projected. Raises
    ScanError, or MissingLibraryError for degrees without pyproj.
    """
    import laspy

    logging.getLogger("laspy").setLevel(logging.CRITICAL)  # it logs errors that it raises, too
    with path.open("rb") as stream:
        try:
            _check_header(path, stream)
            stream.seek(0)
            one = laspy.LazBackend.Lazrs  # its parallel sister makes room for whole chunks, however large
            with laspy.open(stream, closefd=False, read_evlrs=False, laz_backend=one) as reader:
                if reader.header.are_points_compressed and reader.header.point_count:
                    _check_chunks(path, stream, reader.header)
                return _read(path, reader)
        except (ReconError, OSError, MemoryError, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 parsers raise anything; a panic in Rust is no Exception
            raise ScanError(f"{path} is cut short or damaged: {reason(error)}") from None


def _check_header(path: Path, stream: BinaryIO) -> None:
    """Checks that the header is complete, and its records and points fit into the file."""
    size = path.stat().st_size
    head = stream.read(HEADER_SIZES[-1])
    minor = head[25] if len(head) > 25 else 0
    if minor >= len(HEADER_SIZES):
        raise ScanError(f"{path} is LAS of version {head[24]}.{minor}, expected 1.0 to 1.5")
    wanted = HEADER_SIZES[minor]
    if len(head) < wanted:
        raise cut_short(path, wanted, "bytes of a header", len(head))
    start, records, kind, length, count = struct.unpack_from("<IIBHI", head, 96)
    if minor >= 4:
        (count,) = struct.unpack_from("<Q", head, 247)
    if start > size or wanted + VLR_HEADER_BYTES * records > start:
        raise cut_short(path, start, f"bytes before the points, with {records:,} records", min(start, size))
    if not kind & COMPRESSED_BIT and count * length > size - start:
        raise cut_short(path, count, "points", (size - start) // max(length, 1))


def _check_chunks(path: Path, stream: BinaryIO, header: Any) -> None:
    """Checks that a LAZ file's chunk table and points fit into the file."""
    import lazrs

    size, start = path.stat().st_size, header.offset_to_point_data
    stream.seek(start)
    (table,) = struct.unpack("<q", stream.read(8))
    if table == -1:  # it was not known yet when the points were written
        stream.seek(size - 8)
        (table,) = struct.unpack("<q", stream.read(8))
    if not start <= table <= size - 8:
        raise ScanError(f"{path} is cut short or damaged: its chunk table is missing")
    stream.seek(table + 4)
    (chunks,) = struct.unpack("<I", stream.read(4))
    room = (table - start) // header.point_format.size  # a chunk starts with a whole point
    if chunks > room:
        raise cut_short(path, chunks, "chunks", room)
    (record,) = header.vlrs.get("LasZipVlr")
    coding = lazrs.LazVlr(record.record_data)
    if coding.item_size() != header.point_format.size:
        what = f"points of {coding.item_size():,} bytes, expected {header.point_format.size:,}"
        raise ScanError(f"{path} is damaged: it packs {what}")
    stream.seek(start)
    sizes = lazrs.read_chunk_table(stream, coding)
    points = sum(count for count, _ in sizes)
    if header.point_count > points:
        raise cut_short(path, header.point_count, "points", points)
    layers = _layers(record.record_data)
    at = start + 8  # after the place of the table
    for _, length in sizes:
        stream.seek(at + header.point_format.size + 4)  # the first point, and the number of points
        used = sum(struct.unpack(f"<{layers}I", stream.read(4 * layers))) if length else 0
        if used > length or at + length > table:
            raise ScanError(f"{path} is cut short or damaged: the chunk at byte {at:,} is too short")
        at += length
    stream.seek(start)


def _layers(record: bytes) -> int:
    """The number of layers whose sizes each chunk states: those of the point format's items in LAS 1.4."""
    count = struct.unpack_from("<H", record, 32)[0]
    items = struct.iter_unpack("<HHH", record[34 : 34 + 6 * count])
    return sum({10: 9, 11: 1, 12: 2, 13: 1, 14: size}.get(kind, 0) for kind, size, _ in items)


def _read(path: Path, reader: Any) -> PointCloud:
    header = reader.header
    count, names = header.point_count, set(header.point_format.dimension_names)
    points, withheld = np.empty((count, 3)), np.empty(count, bool)
    colors = np.empty((count, 3), np.uint16) if names.issuperset(COLORS) else None
    values = {name: np.empty(count) for name in SCALARS}
    at = 0
    for part in reader.chunk_iterator(CHUNK_POINTS):
        to = slice(at, at + len(part))
        with np.errstate(all="ignore"):  # a damaged file's scales
            for axis, name in enumerate("XYZ"):  # scaled, then moved: as the format defines it
                points[to, axis] = part[name] * header.scales[axis] + header.offsets[axis]
        for name, column in values.items():
            column[to] = part[name]
        if colors is not None:
            for axis, name in enumerate(COLORS):
                colors[to, axis] = part[name]
        withheld[to] = part["withheld"]
        at = to.stop
    if at < count:
        raise cut_short(path, count, "points", at)
    values = {name: column for name, column in values.items() if column.any()}
    rgb = as_colors(colors) if colors is not None and colors.any() else None
    unit = _unit(header.vlrs)
    if unit == DEGREE:
        points, unit = projected(path, points, _system(header)), "metre"
    cloud = PointCloud(points, None, rgb, str(path), None, values, unit)
    if withheld.any():
        log.info("%d of %d points in %s are withheld: dropped", withheld.sum(), count, path)
        return cloud.select(~withheld)
    return cloud


def _system(header: Any) -> Any:
    """The coordinate system that the file names, else WGS 84."""
    try:
        from pyproj.exceptions import CRSError
    except ImportError:
        return WGS84
    try:
        return header.parse_crs() or WGS84
    except CRSError:
        return WGS84


def _unit(records: Any) -> str | None:
    for record in records.get("WktCoordinateSystemVlr"):
        return unit_of_wkt(record.string)
    for record in records.get("GeoKeyDirectoryVlr"):
        return unit_of_geotiff({key.id: key.value_offset for key in record.geo_keys})
    return None

"""LAS, the format of airborne and mobile scanners, and LAZ, its compressed form.

Format: ASPRS LAS 1.4 R15, https://github.com/ASPRSorg/LAS. laspy reads the records and lazrs unpacks them, in
chunks: memory is little more than the result needs. Header fields that they trust are checked against the
file's size first.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recon.errors import ReconError, ScanError, reason
from recon.geometry import Float, PointCloud
from recon.scan.readers.columns import as_colors, cut_short
from recon.scan.readers.geographic import WGS84, projected
from recon.scan.readers.units import DEGREE, unit_of_geotiff, unit_of_wkt

log = logging.getLogger("recon")

CHUNK_POINTS = 1 << 18
COLOR_PLACES, COLOR_SAMPLES = 8, 1 << 12  # where colours are looked at, and points there
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
    with _opened(path) as reader:
        return _read(path, reader)


def las_parts(path: Path, size: int) -> Iterator[PointCloud]:
    """The same in parts of at most `size` points in the order of the file, all with the same attributes.

    Scalars that are zero throughout are among them. Degrees are read at once, as they are projected together.
    """
    with _opened(path) as reader:
        header = reader.header
        unit = _unit(header.vlrs)
        if unit == DEGREE:
            yield _read(path, reader)
            return
        scale = _largest_color(reader) if set(header.point_format.dimension_names).issuperset(COLORS) else 0
        at = 0
        for part in reader.chunk_iterator(size):
            points, colors, withheld = _columns(part, header)
            values = {name: np.asarray(part[name], np.float64) for name in SCALARS}
            rgb = as_colors(np.vstack([colors, [[scale] * 3]]))[:-1] if scale and colors is not None else None
            yield PointCloud(points, None, rgb, str(path), None, values, unit).select(~withheld)
            at += len(part)
        if at < header.point_count:
            raise cut_short(path, header.point_count, "points", at)


def las_count(path: Path) -> int:
    """How many points a LAS or LAZ file holds. Raises ScanError."""
    with _opened(path) as reader:
        return int(reader.header.point_count)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Laspy's reader of a file whose header has been checked; what goes wrong with it becomes a ScanError."""
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
                yield reader
        except (ReconError, OSError, MemoryError, KeyboardInterrupt, GeneratorExit):
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
        points[to], raw, withheld[to] = _columns(part, header)
        for name, column in values.items():
            column[to] = part[name]
        if colors is not None:
            colors[to] = raw
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


def _columns(part: Any, header: Any) -> tuple[Float, NDArray[np.uint16] | None, NDArray[np.bool_]]:
    """Places (n, 3), colours (n, 3) as stored, if any, and which points are withheld (n,)."""
    with np.errstate(all="ignore"):  # a damaged file's scales
        axes = [  # scaled, then moved: as the format defines it
            part[name] * scale + offset
            for name, scale, offset in zip("XYZ", header.scales, header.offsets, strict=True)
        ]
    colored = set(header.point_format.dimension_names).issuperset(COLORS)
    colors = np.stack([part[name] for name in COLORS], axis=1) if colored else None
    return np.stack(axes, axis=1), colors, np.asarray(part["withheld"], bool)


def _largest_color(reader: Any) -> int:
    """The largest number of a colour in some places of the file, which tells 8 bits from 16; 0: none."""
    largest, count = 0, reader.header.point_count
    for at in np.linspace(0, max(count - COLOR_SAMPLES, 0), COLOR_PLACES).astype(int):
        reader.seek(int(at))
        part = reader.read_points(min(COLOR_SAMPLES, count))
        largest = max(largest, *(int(np.max(part[name], initial=0)) for name in COLORS))
    reader.seek(0)
    return largest


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

"""LAS and LAZ: exact coordinates, units, and headers that promise too much."""

from __future__ import annotations

import logging
import struct
import tracemalloc
from pathlib import Path

import laspy
import lazrs
import numpy as np
import pytest
from laspy.vlrs.known import GeoKeyDirectoryVlr, GeoKeyEntryStruct, WktCoordinateSystemVlr

from recon.errors import ScanError
from recon.scan.files import read_cloud
from recon.scan.readers import las
from recon.scan.readers.units import unit_of_wkt

N = 1000
RNG = np.random.default_rng(0)
WHOLE = RNG.integers(-2_000_000_000, 2_000_000_000, (N, 3)).astype(np.int32)
COLORS = RNG.integers(0, 256, (N, 3))
OFFSETS, SCALES = np.array([500_000.0, 5_000_000.0, 0.1]), np.array([1e-3, 1e-3, 1e-4])


def write_las(path: Path, kind: int = 3, records: tuple = (), **columns: np.ndarray) -> Path:
    """N points at survey offsets, and further columns of the format's own names."""
    header = laspy.LasHeader(point_format=kind, version="1.4" if kind > 5 else "1.2")
    header.offsets, header.scales = OFFSETS, SCALES
    header.vlrs.extend(records)
    data = laspy.LasData(header)
    data.X, data.Y, data.Z = WHOLE.T
    for name, column in columns.items():
        data[name] = column
    data.write(path)
    return path


@pytest.mark.parametrize("ending", ["las", "laz"])
@pytest.mark.parametrize("kind", [0, 1, 2, 3, 6, 7, 8])
def test_coordinates_are_exact_however_they_are_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, kind: int
) -> None:
    path = write_las(tmp_path / f"s.{ending}", kind, intensity=np.arange(N), classification=np.arange(N) % 30)
    told = laspy.read(path)
    for part in (N, 7, las.CHUNK_POINTS):
        monkeypatch.setattr(las, "CHUNK_POINTS", part)
        cloud = read_cloud(path)
        np.testing.assert_array_equal(cloud.points, np.stack([told.x, told.y, told.z], axis=1))
        np.testing.assert_array_equal(cloud.points, WHOLE * SCALES + OFFSETS)
        assert set(cloud.values) == {"intensity", "classification"}  # the others are zero
        np.testing.assert_array_equal(cloud.values["intensity"], np.arange(N))
        np.testing.assert_array_equal(cloud.values["classification"], np.arange(N) % 30)
    assert cloud.colors is None and cloud.normals is None and cloud.sensors is None and cloud.unit is None


@pytest.mark.parametrize("factor", [1, 257])
def test_colors_of_8_and_of_16_bits(tmp_path: Path, factor: int) -> None:
    columns = dict(zip(("red", "green", "blue"), factor * COLORS.T, strict=True))
    cloud = read_cloud(write_las(tmp_path / "s.las", **columns))
    np.testing.assert_array_equal(cloud.colors, COLORS)


def test_withheld_points_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    withheld = np.arange(N) % 4 == 0
    path = write_las(tmp_path / "s.laz", 6, withheld=withheld, intensity=np.arange(N))
    with caplog.at_level(logging.INFO, "recon"):
        cloud = read_cloud(path)
    np.testing.assert_array_equal(cloud.values["intensity"], np.arange(N)[~withheld])
    assert "250 of 1000 points in " in caplog.text


METRE, FOOT, SURVEY = (9001, "metre"), (9002, "foot"), (9003, "US survey foot")


@pytest.mark.parametrize(
    ("keys", "unit"),
    [
        *(({1024: 1, 3076: code}, unit) for code, unit in (METRE, FOOT, SURVEY)),
        ({1024: 1, 3076: 9002, 4099: 9002}, "foot"),
        ({1024: 1, 3076: 9002, 4099: 9001}, None),
        ({1024: 1, 3072: 32633}, None),
    ],
)
def test_units_of_geotiff_keys(tmp_path: Path, keys: dict[int, int], unit: str | None) -> None:
    directory = GeoKeyDirectoryVlr()
    directory.geo_keys = [GeoKeyEntryStruct(id=k, count=1, value_offset=v) for k, v in keys.items()]
    directory.geo_keys_header.number_of_keys = len(keys)
    assert read_cloud(write_las(tmp_path / "s.las", records=(directory,))).unit == unit


GEOGCS = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.25]],UNIT["degree",0.0174532925199433]]'
)
PROJCS = 'PROJCS["plane",{},PROJECTION["Transverse_Mercator"],PARAMETER["false_easting",500000],UNIT[{}]]'
WKT2 = (
    'PROJCRS["a ""quoted"" name [m]",BASEGEOGCRS["b",DATUM["c",ELLIPSOID["d",1,2,LENGTHUNIT["metre",1]]]],'
    'CONVERSION["e",PARAMETER["f",0,LENGTHUNIT["metre",1]]],CS[Cartesian,2],'
    'AXIS["x",east,ORDER[1],LENGTHUNIT["US survey foot",0.304800609601219]],AXIS["y",north,ORDER[2],'
    'LENGTHUNIT["US survey foot",0.304800609601219]]]'
)


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (PROJCS.format(GEOGCS, '"metre",1'), "metre"),
        (PROJCS.format(GEOGCS, '"m",1.0,AUTHORITY["EPSG","9001"]'), "metre"),
        (PROJCS.format(GEOGCS, '"Foot_US",0.3048006096012192'), "US survey foot"),
        (PROJCS.format(GEOGCS, '"foot",0.3048'), "foot"),
        (PROJCS.format(GEOGCS, '"rod",5.0292'), "rod"),
        (f'COMPD_CS["x",{PROJCS.format(GEOGCS, chr(34) + "ft" + chr(34) + ",0.3048")},'
         'VERT_CS["h",VERT_DATUM["d",2005],UNIT["metre",1]]]', None),
        (f'COMPD_CS["x",{PROJCS.format(GEOGCS, chr(34) + "m" + chr(34) + ",1")},'
         'VERT_CS["h",VERT_DATUM["d",2005],UNIT["metre",1]]]', "metre"),
        (WKT2, "US survey foot"),
        ('LOCAL_CS["here"]', None),
        ("", None),
        ("]]][[[(((\"", None),
        ("PROJCS[" * 1000, None),
        ('PROJCS["p",UNIT["metre",one]]', None),
    ],
)  # fmt: skip
def test_units_of_well_known_text(tmp_path: Path, text: str, unit: str | None) -> None:
    assert unit_of_wkt(text) == unit
    record = WktCoordinateSystemVlr(text)
    assert read_cloud(write_las(tmp_path / "s.laz", 6, records=(record,))).unit == unit


def patched(path: Path, at: int, layout: str, *values: int) -> Path:
    data = bytearray(path.read_bytes())
    struct.pack_into(layout, data, at, *values)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("ending", ["las", "laz"])
@pytest.mark.parametrize(("at", "layout"), [(107, "<I"), (100, "<I"), (96, "<I"), (247, "<Q")])
@pytest.mark.parametrize("value", [70_000, 3_000_000_000])
def test_headers_that_promise_too_much(tmp_path: Path, ending: str, at: int, layout: str, value: int) -> None:
    """Points, records, bytes before the points, points in a header of version 1.4."""
    path = write_las(tmp_path / f"s.{ending}", 6 if layout == "<Q" else 3)
    patched(path, at, layout, value)
    tracemalloc.start()
    try:
        with pytest.raises(ScanError, match="cut short or damaged: expected"):
            read_cloud(path)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


def test_chunks_that_promise_too_much(tmp_path: Path) -> None:
    path = write_las(tmp_path / "s.laz")
    start = struct.unpack_from("<I", path.read_bytes(), 96)[0]
    table = struct.unpack_from("<q", path.read_bytes(), start)[0]
    patched(path, table + 4, "<I", 3_000_000_000)
    with pytest.raises(ScanError, match="expected 3,000,000,000 chunks"):
        read_cloud(path)
    patched(path, start, "<q", -7)
    with pytest.raises(ScanError, match="chunk table is missing"):
        read_cloud(path)


def test_layers_that_promise_too_much(tmp_path: Path) -> None:
    path = write_las(tmp_path / "s.laz", 6)
    start = struct.unpack_from("<I", path.read_bytes(), 96)[0]
    patched(path, start + 8 + 30 + 4, "<I", 3_000_000_000)  # the table's place, a point, the count of points
    with pytest.raises(ScanError, match="is too short"):
        read_cloud(path)


def test_chunks_of_any_length(tmp_path: Path) -> None:
    """As COPC has them, and an empty one at the end."""
    data = write_las(tmp_path / "s.laz", 6).read_bytes()
    told = laspy.read(tmp_path / "s.laz")
    record = lazrs.LazVlr.new_for_compression(6, 0, True)
    with laspy.open(tmp_path / "s.laz") as reader:
        (fixed,) = reader.header.vlrs.get("LasZipVlr")
        start = reader.header.offset_to_point_data
    with (tmp_path / "v.laz").open("wb+") as stream:
        stream.write(data[:start].replace(bytes(fixed.record_data), bytes(record.record_data())))
        packer = lazrs.LasZipCompressor(stream, record)
        for part in np.split(told.points.array, [1, 700]):
            packer.compress_many(part.tobytes())
            packer.finish_current_chunk()
        packer.done()
    np.testing.assert_array_equal(read_cloud(tmp_path / "v.laz").points, WHOLE * SCALES + OFFSETS)


def test_versions_and_kinds_that_are_not_known(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match=r"LAS of version 1\.9"):
        read_cloud(patched(write_las(tmp_path / "s.las"), 25, "B", 9))
    with pytest.raises(ScanError, match="damaged"):
        read_cloud(patched(write_las(tmp_path / "s.las"), 104, "B", 99))
    with pytest.raises(ScanError, match="is a LAS file by its content"):
        read_cloud(write_las(tmp_path / "s.las").rename(tmp_path / "s.ply"))


def test_las_without_points(tmp_path: Path) -> None:
    for name in ("s.las", "s.laz"):
        laspy.LasData(laspy.LasHeader(point_format=3, version="1.2")).write(tmp_path / name)
        with pytest.raises(ScanError, match="holds no points"):
            read_cloud(tmp_path / name)

"""Text as programs write it: headers in any naming, columns of text, numbers of points, degrees."""

from __future__ import annotations

import codecs
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from shapes import sphere

from recon.errors import MissingLibraryError, ScanError, UsageError
from recon.geometry import PointCloud
from recon.scan.files import read_cloud, read_clouds
from recon.scan.readers.geographic import projected

CLOUD = sphere(300)
POINTS, NORMALS = CLOUD.points, CLOUD.normals
RED = np.arange(300) % 256
EARTH = 6_371_000.0  # radius, metres


def written(path: Path, header: str | None, rows: np.ndarray, separator: str = ",", end: str = "") -> Path:
    lines = [separator.join(f"{value:.9g}" for value in row) + end for row in rows]
    path.write_text("\n".join([*([] if header is None else [header]), *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("header", "order"),
    [
        ("//X Y Z R G B Nx Ny Nz", "xyzcn"),
        ("# x y z r g b nx ny nz", "xyzcn"),
        ('"Normals:0","Normals:1","Normals:2","Points:0","Points:1","Points:2"', "nxyz"),
        ('"Points_m_XYZ:0","Points_m_XYZ:1","Points_m_XYZ:2"', "xyz"),
        ("X [m];Y [m];Z [m]", "xyz"),
        ("Easting,Northing,Elevation", "xyz"),
        ("north,east,height", "yxz"),
        ("RGB_0,RGB_1,RGB_2,x,y,z", "cxyz"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "txt", "asc", "neu"])
def test_columns_are_known_by_many_names(tmp_path: Path, ending: str, header: str, order: str) -> None:
    columns = {"x": POINTS[:, :1], "y": POINTS[:, 1:2], "z": POINTS[:, 2:], "n": NORMALS}
    columns["c"] = np.stack([RED, RED[::-1], RED], axis=1)
    rows = np.hstack([columns[kind] for kind in order])
    separator = next((mark for mark in ",;" if mark in header), " ")
    cloud = read_cloud(written(tmp_path / f"scan.{ending}", header, rows, separator))
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-8)
    assert (cloud.normals is not None) is ("n" in order) and (cloud.colors is not None) is ("c" in order)
    if "n" in order:
        np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-8)
    assert cloud.values == {}


def test_columns_of_text_are_passed_over_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = written(tmp_path / "scan.csv", "x,y,z,What,Quality", np.hstack([POINTS, RED[:, None]]))
    lines = path.read_text().splitlines()
    rows = [line.rsplit(",", 1) for line in lines[1:]]
    path.write_text("\n".join([lines[0], *(f'{start},"pipe, bent",{end}' for start, end in rows)]))
    cloud = read_cloud(path)
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-8)
    assert list(cloud.values) == ["Quality"] and (cloud.values["Quality"] == RED).all()
    assert "columns of text are passed over: What" in caplog.text


def test_numbers_of_points_are_no_coordinates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    counted = np.hstack([np.arange(1, 301)[:, None], POINTS])
    cloud = read_cloud(written(tmp_path / "scan.xyz", None, counted, " "))
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-8)
    assert "the first column counts the points" in caplog.text


def test_a_surveyors_list_has_to_be_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Northing or easting first: nobody can know, and a mirrored surface looks right."""
    caplog.set_level(logging.INFO)
    counted = np.hstack([np.arange(1, 301)[:, None], POINTS[:, [1, 0, 2]]])
    path = written(tmp_path / "pnezd.csv", None, counted, end=",GND")
    with pytest.raises(ScanError, match=r"line 1 has a number, coordinates and text.*--columns=-,y,x,z,-"):
        read_cloud(path)
    np.testing.assert_allclose(read_cloud(path, columns="-,y,x,z,-").points, POINTS, atol=1e-8)
    assert "passed over" not in caplog.text  # that was asked for
    both = read_clouds([path, path], columns="-,northing,easting,h,-")
    np.testing.assert_allclose(both.points, np.concatenate([POINTS, POINTS]), atol=1e-8)


def test_columns_that_cannot_be_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "scan.txt", None, np.hstack([POINTS, NORMALS]), " ")
    assert read_cloud(path, columns="x,y,z,nx,ny,nz").normals is not None
    assert read_cloud(path, columns="x,y,z,-,-,-").normals is None
    with pytest.raises(ScanError, match="line 1 has 6 columns, --columns names 4"):
        read_cloud(path, columns="x,y,z,-")
    with pytest.raises(UsageError, match="'a,b' name no x, y and z"):
        read_cloud(path, columns="a,b")
    np.save(tmp_path / "scan.npy", POINTS)
    with pytest.raises(UsageError, match="for text files"):
        read_cloud(tmp_path / "scan.npy", columns="x,y,z")
    unknown = written(tmp_path / "scan.csv", "a,b,c", POINTS)
    with pytest.raises(ScanError, match="line 1 names the columns a, b, c, none of them x, y and z"):
        read_cloud(unknown)


def test_a_header_of_another_length_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = np.hstack([POINTS, NORMALS])
    cloud = read_cloud(written(tmp_path / "scan.csv", "x,y,z", rows))
    np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-8)
    assert "3 columns are named, the first point has 6" in caplog.text


@pytest.mark.parametrize("colors", [True, False])
def test_an_intensity_needs_no_number_of_points_before_it(tmp_path: Path, colors: bool) -> None:
    more = [np.linspace(-0.9, 0.4, 300)[:, None], *([np.tile(RED[:, None], 3)] if colors else [])]
    cloud = read_cloud(written(tmp_path / "scan.pts", None, np.hstack([POINTS, *more]), " "))
    np.testing.assert_allclose(cloud.values["intensity"], more[0][:, 0], atol=1e-8)
    assert (cloud.colors is not None) is colors


def degrees(south: bool = False) -> np.ndarray:
    """A patch of 2 km around a place, in longitude, latitude and height."""
    places = np.random.default_rng(0).uniform(-0.01, 0.01, (300, 3)) * [1, 1, 5000]
    return places + np.array([11.57, -48.13 if south else 48.13, 500.0])


def on_a_sphere(places: np.ndarray) -> np.ndarray:
    """Distances in metres between `places`, each and the next, to a third of a percent."""
    east, north = np.radians(np.diff(places[:, :2], axis=0)).T * EARTH
    return np.hypot(east * np.cos(np.radians(places[0, 1])), north)


@pytest.mark.parametrize("south", [False, True])
def test_degrees_become_metres(tmp_path: Path, south: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    places = degrees(south)
    cloud = read_cloud(written(tmp_path / "scan.csv", "lon,lat,alt", places))
    apart = np.linalg.norm(np.diff(cloud.points[:, :2], axis=0), axis=1)
    np.testing.assert_allclose(apart, on_a_sphere(places), rtol=5e-3)
    np.testing.assert_allclose(cloud.points[:, 2], places[:, 2], atol=1e-3)
    assert cloud.unit == "metre" and f"UTM zone 32{'S' if south else 'N'}" in caplog.text


def test_degrees_that_are_none_or_too_far_apart_are_refused() -> None:
    with pytest.raises(ScanError, match="no longitudes and latitudes"):
        projected("scan", np.array([[500000.0, 5400000.0, 0.0]]))
    with pytest.raises(ScanError, match="spans 40 degrees"):
        projected("scan", np.array([[0.0, 10.0, 0.0], [40.0, 10.0, 0.0]]))


def test_without_pyproj_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    with pytest.raises(MissingLibraryError, match="install it with bash tools/setup geo"):
        projected("scan", degrees())


def test_quoted_numbers_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "scan.csv"
    path.write_text("\n".join(['"x","y","z"', *(",".join(f'"{v:.9g}"' for v in row) for row in POINTS)]))
    cloud: PointCloud = read_cloud(path)
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-8)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
@pytest.mark.parametrize("between", [";", "\t", " ", ", "])
@pytest.mark.parametrize("ending", [".csv", ".pts"])
def test_what_spreadsheets_write_is_read(encoding: str, between: str, ending: str, tmp_path: Path) -> None:
    """In UTF-16, with decimal commas between other separators; quoted, with a whole number, and a name."""
    rows = [between.join([*(f"{v:.9f}" for v in row), "7"]) for row in POINTS]
    if between != ", ":
        rows = [row.replace(".", ",") for row in rows]
    if between == ";":
        rows = ['"' + row.replace(";", '";"') + '"' for row in rows]
    text = "\r\n".join([between.join(("x", "y", "z", "größe")), *rows])
    mark = {"utf-16-le-bom": codecs.BOM_UTF16_LE, "utf-16-be-bom": codecs.BOM_UTF16_BE}.get(encoding, b"")
    path = tmp_path / f"scan{ending}"
    path.write_bytes(mark + text.encode(encoding.removesuffix("-bom")))
    cloud = read_cloud(path)
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-8)
    assert list(cloud.values) == ["größe"] and (cloud.values["größe"] == 7).all()


def test_three_whole_numbers_between_commas_have_no_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "scan.xyz").write_text("1,2,3\n4,5,6\n7,8,10\n")
    assert read_cloud(tmp_path / "scan.xyz").points.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 10]]
    (tmp_path / "scan.xyz").write_text("0,5 1,5 2,5\n3,5 4,5 -5,5e1\n")
    assert read_cloud(tmp_path / "scan.xyz").points.tolist() == [[0.5, 1.5, 2.5], [3.5, 4.5, -55]]


def test_points_of_colmap_have_colours_and_their_error(tmp_path: Path) -> None:
    """Each line ends in the images that show its point, however many."""
    head = (
        "# 3D point list with one line of data per point:\n#   POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]\n"
    )
    lines = [
        f"{i} {x:.9f} {y:.9f} {z:.9f} {RED[i]} 7 250 0.5{' 3 4' * (i % 4)}"
        for i, (x, y, z) in enumerate(POINTS)
    ]
    (tmp_path / "points3D.txt").write_text(head + "\n".join(lines) + "\n")
    cloud = read_cloud(tmp_path / "points3D.txt")
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-8)
    assert (
        cloud.colors is not None and (cloud.colors[:, 0] == RED).all() and (cloud.colors[:, 2] == 250).all()
    )
    assert list(cloud.values) == ["error"] and (cloud.values["error"] == 0.5).all()
    for wrong, said in (
        ("7 1 2", "line 3 is cut short"),
        ("7 1 2 x 4 5 6 7", "line 3: expected the numbers"),
    ):
        (tmp_path / "points3D.txt").write_text(f"{head}{wrong}\n")
        with pytest.raises(ScanError, match=said):
            read_cloud(tmp_path / "points3D.txt")

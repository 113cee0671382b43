"""E57: scans in one world, with their poses."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from recon.errors import MissingLibraryError, ScanError
from recon.scan.files import read_cloud
from recon.scan.readers import e57

pages = importlib.import_module("fuzzing.e57_pages")  # of tools/, see conftest.py
with_xml, xml_of = pages.with_xml, pages.xml_of

N = 300
RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-5, 5, (N, 3)).astype(np.float32).astype(float)  # what pye57 writes
INTENSITY = RNG.random(N).astype(np.float32)
COLORS = RNG.integers(0, 256, (N, 3)).astype(np.uint8)
TURN = (0.5, 0.5, 0.5, 0.5)  # a third of a turn: x to y to z to x
FAR = (5e5, 5e6, 10.0)
STAY = ((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def write_e57(path: Path, *poses: tuple, **columns: np.ndarray) -> Path:
    """The same points as a scan at each of the poses: quaternion with w first, translation."""
    pye57 = pytest.importorskip("pye57")
    data = {f"cartesian{c}": POINTS[:, i] for i, c in enumerate("XYZ")} | columns
    with pye57.E57(str(path), "w") as file:
        for turn, shift in poses:
            file.write_scan_raw(data, rotation=np.array(turn), translation=np.array(shift))
    return path


def test_scans_stand_in_the_world_of_their_poses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    colors = {f"color{c}": COLORS[:, i] for i, c in enumerate(("Red", "Green", "Blue"))}
    path = write_e57(tmp_path / "s.e57", (TURN, FAR), STAY, intensity=INTENSITY, **colors)
    for part in (e57.CHUNK_POINTS, 7):
        monkeypatch.setattr(e57, "CHUNK_POINTS", part)
        cloud = read_cloud(path)
        assert cloud.unit == "metre" and cloud.normals is None
        np.testing.assert_allclose(cloud.points[:N], POINTS[:, [2, 0, 1]] + FAR, rtol=0, atol=2e-9)
        np.testing.assert_array_equal(cloud.points[N:], POINTS)
        np.testing.assert_array_equal(cloud.colors, np.tile(COLORS, (2, 1)))
        np.testing.assert_array_equal(cloud.values["intensity"], np.tile(INTENSITY, 2))
        np.testing.assert_array_equal(cloud.sensors, np.repeat([FAR, (0, 0, 0)], N, axis=0))


def test_the_origin_of_a_merged_cloud_is_no_sensor(tmp_path: Path) -> None:
    assert read_cloud(write_e57(tmp_path / "s.e57", STAY)).sensors is None
    grid = {"rowIndex": np.arange(N) // 20, "columnIndex": np.arange(N) % 20}
    cloud = read_cloud(write_e57(tmp_path / "g.e57", STAY, **grid))
    np.testing.assert_array_equal(cloud.sensors, np.zeros((N, 3)))


def test_invalid_points_are_left_out(tmp_path: Path) -> None:
    state = (np.arange(N) % 3).astype(np.int8)
    cloud = read_cloud(write_e57(tmp_path / "s.e57", STAY, cartesianInvalidState=state))
    np.testing.assert_array_equal(cloud.points, POINTS[state == 0])


def test_angles_and_a_distance(tmp_path: Path) -> None:
    """A file of spherical coordinates, normals and 16-bit colours, which pye57's own writer cannot make."""
    pytest.importorskip("pye57")
    from pye57 import libe57

    distance = np.linalg.norm(POINTS, axis=1)
    columns = {
        "sphericalRange": distance,
        "sphericalAzimuth": np.arctan2(POINTS[:, 1], POINTS[:, 0]),
        "sphericalElevation": np.arcsin(POINTS[:, 2] / distance),
        **{f"nor:normal{c}": POINTS[:, i] / distance for i, c in enumerate("XYZ")},
        **{f"color{c}": 257.0 * COLORS[:, i] for i, c in enumerate(("Red", "Green", "Blue"))},
    }
    file = libe57.ImageFile(str(tmp_path / "s.e57"), "w")
    file.extensionsAdd("", libe57.E57_V1_0_URI)
    file.extensionsAdd("nor", "http://www.libe57.org/E57_NOR_surface_normals.txt")
    root, scan, fields = file.root(), libe57.StructureNode(file), libe57.StructureNode(file)
    buffers = libe57.VectorSourceDestBuffer()
    for name, column in columns.items():
        color = name.startswith("color")
        fields.set(name, libe57.IntegerNode(file, 0, 0, 65535) if color else libe57.FloatNode(file, 0.0))
        buffers.append(libe57.SourceDestBuffer(file, name, np.ascontiguousarray(column), N, True, True))
    scans = libe57.VectorNode(file, True)
    root.set("data3D", scans)
    points = libe57.CompressedVectorNode(file, fields, libe57.VectorNode(file, True))
    scan.set("points", points)
    scans.append(scan)
    writer = points.writer(buffers)
    writer.write(N)
    writer.close()
    file.close()
    cloud = read_cloud(tmp_path / "s.e57")
    np.testing.assert_allclose(cloud.points, POINTS, atol=1e-12)
    np.testing.assert_allclose(cloud.normals, POINTS / distance[:, None], atol=1e-12)
    np.testing.assert_array_equal(cloud.colors, COLORS)
    np.testing.assert_array_equal(cloud.sensors, np.zeros((N, 3)))


def test_damage_is_one_line(tmp_path: Path) -> None:
    path = write_e57(tmp_path / "s.e57", STAY)
    data = path.read_bytes()
    for damaged in (
        data[:-1],
        data[:60],
        data[:2000] + b"!" + data[2001:],
        data[:48] + bytes(len(data) - 48),
    ):
        path.write_bytes(damaged)
        with pytest.raises(ScanError, match=r"s\.e57 is cut short or damaged") as caught:
            read_cloud(path)
        assert "\n" not in str(caught.value)


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.e57").write_bytes(b"ASTM-E57")
    monkeypatch.setitem(sys.modules, "pye57", None)
    with pytest.raises(MissingLibraryError, match="pip install pye57"):
        read_cloud(tmp_path / "s.e57")


def test_a_description_that_names_other_files_is_not_parsed(tmp_path: Path) -> None:
    """The library would wait for the pipe, as it would fetch a file or an address of the network."""
    path, pipe = write_e57(tmp_path / "s.e57", STAY), tmp_path / "pipe"
    os.mkfifo(pipe)
    head, rest = xml_of(path.read_bytes()).split(b"?>", 1)
    root = b"<e57Root"
    xsi = b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:%s="urn:a file://%s"'
    entity = b"<!DOCTYPE e57Root [<!ENTITY a SYSTEM '%s'>]>"
    bad = {
        "a document type": [
            b"<!DOCTYPE e57Root SYSTEM '%s'>" % bytes(pipe) + rest,
            entity % bytes(pipe) + rest,
        ],
        "location of a schema": [
            rest.replace(root, b"%s %s" % (root, xsi % (name, bytes(pipe))))
            for name in (b"schemaLocation", b"noNamespaceSchemaLocation")
        ],
        "more elements": [
            rest.replace(b"</e57Root>", content + b"</e57Root>")
            for content in (b"<a>" * 1000 + b"</a>" * 1000, b"<a/>" * 10_000)
        ],
    }
    for words, texts in bad.items():
        for text in texts:
            path.write_bytes(with_xml(path.read_bytes(), head + b"?>" + text))
            with pytest.raises(ScanError, match=words):
                read_cloud(path)
    other = (head.replace(b"UTF-8", b"UTF-16") + b"?>" + rest).decode().encode("utf-16")
    for text in (other, head.replace(b"UTF-8", b"IBM1140") + b"?>" + rest):
        path.write_bytes(with_xml(path.read_bytes(), text))
        with pytest.raises(ScanError, match=r"encoding|damaged"):
            read_cloud(path)
    path.write_bytes(with_xml(path.read_bytes(), head + b"?>" + rest))
    assert len(read_cloud(path)) == N

"""Large files in parts: the same points and attributes as at once."""

from __future__ import annotations

from pathlib import Path

import laspy
import numpy as np
import pytest

from recon.errors import ScanError
from recon.geometry import PointCloud
from recon.scan import parts
from recon.scan.files import read_cloud
from recon.scan.parts import large_count, parts_of, scans_in
from recon.scan.readers.join import join
from recon.scan.settings import ScanConfig

COUNT = 3000


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_POINTS", 700)


def ply(path: Path, color: str = "u1") -> Path:
    rng = np.random.default_rng(0)
    columns = [(name, "<f8") for name in "xyz"] + [(name, color) for name in ("red", "green", "blue")]
    rows = np.zeros(COUNT, [*columns, ("class", "<i4")])
    for name in "xyz":
        rows[name] = rng.normal(size=COUNT)
    rows["red"], rows["class"] = rng.integers(200, size=COUNT), np.arange(COUNT) // 1000
    kinds = {"<f8": "double", "|u1": "uchar", "<u2": "ushort", "<i4": "int"}
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {COUNT}"]
    header += [f"property {kinds[rows.dtype[name].str]} {name}" for name in rows.dtype.names or ()]
    path.write_bytes("\n".join([*header, "end_header", ""]).encode() + rows.tobytes())
    return path


def las(path: Path, brightest: int = 60_000) -> Path:
    rng = np.random.default_rng(0)
    file = laspy.LasData(laspy.LasHeader(point_format=7, version="1.4"))
    file.header.scales = [0.001] * 3
    file.x, file.y, file.z = rng.normal(size=(3, COUNT)) * 100
    for name in ("red", "green", "blue"):
        file[name] = rng.integers(brightest, size=COUNT)
    file.classification = np.arange(COUNT) // 1000
    file.withheld = (np.arange(COUNT) % 7 == 0).astype(np.uint8)
    file.write(path)
    return path


def check_same(path: Path) -> None:
    whole = read_cloud(path)
    found = list(parts_of(path, ScanConfig()))
    assert len(found) > 3 and max(map(len, found)) <= 700
    joined = join(found, str(path))
    assert (joined.points == whole.points).all()
    assert joined.colors is not None and (joined.colors == whole.colors).all()
    for name, column in whole.values.items():
        assert (joined.values[name] == column).all()


@pytest.mark.parametrize("ending", ["las", "laz"])
@pytest.mark.parametrize("brightest", [200, 60_000])
def test_a_las_file_in_parts_is_the_file(ending: str, brightest: int, tmp_path: Path) -> None:
    path = las(tmp_path / f"a.{ending}", brightest)
    assert large_count(path) == COUNT
    check_same(path)


@pytest.mark.parametrize(("color", "large"), [("u1", COUNT), ("<u2", 0)])
def test_a_ply_file_in_parts_is_the_file(color: str, large: int, tmp_path: Path) -> None:
    path = ply(tmp_path / "a.ply", color)
    assert large_count(path) == large  # colours of 16 bits are scaled by the largest of all
    check_same(path)


def test_points_of_a_class_are_looked_for_in_all_parts(tmp_path: Path) -> None:
    path = ply(tmp_path / "a.ply")
    found = join(list(parts_of(path, ScanConfig(classes="2"))), "")
    assert len(found) == 1000 and (found.values["class"] == 2).all()
    with pytest.raises(ScanError, match=r"no points of class 9, only of: 2 \(200 points\)"):
        list(parts_of(path, ScanConfig(classes="9")))


def test_points_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(2000, 3))
    points[::10, 1] = np.nan
    np.save(tmp_path / "a.npy", points)
    found = list(parts_of(tmp_path / "a.npy", ScanConfig()))
    assert sum(map(len, found)) == 1800 and all(isinstance(part, PointCloud) for part in found)


def test_a_folder_stands_for_the_scans_in_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.xyz", "a.LAS", "notes.md", ".hidden.ply", "deep/c.ply"):
        (tmp_path / name).write_text("")
    single = tmp_path / "deep" / "c.ply"
    assert scans_in([single, tmp_path]) == [single, tmp_path / "a.LAS", tmp_path / "b.xyz"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ScanError, match="holds no scans"):
        scans_in([tmp_path / "empty"])

"""Points sorted on disk: nothing is lost, any box is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from recon.errors import ScanError
from recon.geometry import PointCloud
from recon.surface.scenes.sorting import ROWS_FILE, read_sorted, sort_points


def parts(count: int = 30_000, each: int = 7_000) -> Iterator[PointCloud]:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(count, 3)) * (100.0, 30.0, 1.0) + (5e5, 5e6, 300.0)
    for start in range(0, count, each):
        some = points[start : start + each]
        number = np.arange(start, start + len(some), dtype=np.float64)
        colors = np.full((len(some), 3), 7, np.uint8)
        yield PointCloud(some, None, colors, values={"number": number, "zero": 0 * number}, unit="metre")


def test_any_box_of_the_points_is_read_alone(tmp_path: Path) -> None:
    points = sort_points(parts(), tmp_path)
    every = np.concatenate([part.points for part in parts()])
    assert len(points) == len(every) and (points.box == [every.min(0), every.max(0)]).all()
    rng = np.random.default_rng(1)
    for _ in range(30):
        low, high = np.sort(rng.normal(size=(2, 3)) * (100.0, 30.0, 1.0) + (5e5, 5e6, 300.0), axis=0)
        found = points.within(low, high)
        inside = ((every >= low) & (every < high)).all(1)
        assert sorted(found.values["number"].tolist()) == np.flatnonzero(inside).tolist()
        assert (found.points == every[found.values["number"].astype(int)]).all()
    all_of_them = points.within(np.full(3, -np.inf), np.full(3, np.inf))
    assert sorted(all_of_them.values["number"].tolist()) == list(range(len(every)))


def test_the_order_of_the_parts_tells_the_file_and_not_their_size(tmp_path: Path) -> None:
    contents = []
    for each in (7_000, 1_234):
        folder = tmp_path / str(each)
        folder.mkdir()
        sort_points(parts(each=each), folder)
        contents.append((folder / ROWS_FILE).read_bytes())
    assert contents[0] == contents[1]


def test_what_not_all_scans_have_is_dropped_and_so_are_zeros(tmp_path: Path) -> None:
    first, *rest = parts()
    bare = PointCloud(first.points, values={"number": first.values["number"]}, unit="metre")
    points = sort_points([*rest, bare], tmp_path)
    cloud = points.within(*points.box)
    assert cloud.colors is None and set(cloud.values) == {"number"} and cloud.unit == "metre"


def test_scans_of_different_units_are_not_mixed(tmp_path: Path) -> None:
    first, second, *_ = parts()
    feet = PointCloud(second.points, None, second.colors, "other.las", values=second.values, unit="foot")
    with pytest.raises(ScanError, match=r"different units \(the cloud in metre, other.las in foot\)"):
        sort_points([first, feet], tmp_path)


def test_some_points_are_spread_over_the_scene(tmp_path: Path) -> None:
    points = sort_points(parts(), tmp_path)
    some = points.some(1000)
    assert 1000 <= len(some) <= 1100
    every = points.within(np.full(3, -np.inf), np.full(3, np.inf)).points
    assert np.abs(some.points.mean(0) - every.mean(0)).max() < 0.1 * every.std(0).max()
    assert np.abs(some.points.std(0) / every.std(0) - 1).max() < 0.1


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    sort_points(parts(), tmp_path)
    content = (tmp_path / ROWS_FILE).read_bytes()
    (tmp_path / ROWS_FILE).write_bytes(content[:-5])
    with pytest.raises(ScanError, match="remove the folder"):
        read_sorted(tmp_path)

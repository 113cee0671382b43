"""Leica's text formats: PTX, scans with their registrations, and PTS, blocks of points."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from recon.errors import ScanError
from recon.scan.files import read_cloud

N = 60
RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-5, 5, (N, 3)).round(4)
INTENSITY = RNG.random((N, 1)).round(3)
COLORS = RNG.integers(0, 256, (N, 3))
PLAIN = np.eye(4)
TURNED = np.array([[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [5e5, 5e6, 10, 1]], float)  # x to y to -x


def text(table: np.ndarray) -> str:
    stream = io.StringIO()
    np.savetxt(stream, table, "%.10g")
    return stream.getvalue()


def ptx(table: np.ndarray, matrix: np.ndarray, columns: int = 6) -> str:
    place = text(np.vstack([matrix[3:, :3], matrix[:3, :3]]))
    return f"{columns}\n{len(table) // columns}\n{place}{text(matrix)}{text(table)}"


def test_ptx_scans_are_registered(tmp_path: Path) -> None:
    table = np.hstack([POINTS, INTENSITY, COLORS])
    table[5] = [0, 0, 0, 0.5, 0, 0, 0]  # no return there
    (tmp_path / "s.ptx").write_text(ptx(table, TURNED) + "\n" + ptx(table[:30], PLAIN, 5))
    cloud = read_cloud(tmp_path / "s.ptx")
    kept = np.arange(N) != 5
    turned = np.stack([-POINTS[:, 1], POINTS[:, 0], POINTS[:, 2]], axis=1) + TURNED[3, :3]
    np.testing.assert_allclose(cloud.points, np.vstack([turned[kept], POINTS[:30][kept[:30]]]), atol=1e-9)
    np.testing.assert_array_equal(cloud.sensors, np.repeat([TURNED[3, :3], PLAIN[3, :3]], [59, 29], axis=0))
    np.testing.assert_array_equal(cloud.colors, np.vstack([COLORS[kept], COLORS[:30][kept[:30]]]))
    np.testing.assert_array_equal(cloud.values["intensity"][:59], INTENSITY[kept, 0])
    assert cloud.normals is None and cloud.unit is None


def test_ptx_without_colors(tmp_path: Path) -> None:
    empty = np.tile([0, 0, 0, 0.5], (10, 1))
    (tmp_path / "s.ptx").write_text(ptx(empty, TURNED, 5) + ptx(np.hstack([POINTS, INTENSITY]), PLAIN))
    cloud = read_cloud(tmp_path / "s.ptx")
    np.testing.assert_array_equal(cloud.points, POINTS)
    np.testing.assert_array_equal(cloud.sensors, np.zeros((N, 3)))
    assert cloud.colors is None


GOOD = ptx(np.hstack([POINTS, INTENSITY]), PLAIN)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD.replace("6\n10\n", "6000000\n1000000\n", 1), "expected 6,000,000,000,000 points"),
        (GOOD.replace("6\n10\n", "6\n11\n", 1), "expected 66 points, found 60"),
        (GOOD.replace("6\n10\n", "6\n9\n", 1), "line 65: expected a whole number"),
        (GOOD.replace("6\n10\n", "6.5\n10\n", 1), "line 1: expected a whole number"),
        (GOOD.replace("6\n10\n", "-6\n-10\n", 1), "line 1: expected a whole number"),
        (GOOD.replace("0 0 1 0\n", "0 0 1\n", 1), "line 9: expected 4 numbers"),
        (GOOD.replace("0 0 1 0\n", "0 0 one 0\n", 1), "line 9: expected 4 numbers"),
        (ptx(POINTS, PLAIN), "3 numbers per point"),
        (ptx(np.zeros((6, 4)), PLAIN), "holds no points"),
        (GOOD + "6\n10\n", "ends within the header of a scan"),
        ("0\n0\n" + text(np.zeros((4, 3))) + text(PLAIN), "holds no points"),
        (GOOD.replace("6\n", "9" * 5000 + "\n", 1), "line 1: expected a whole number"),
    ],
)
def test_ptx_that_is_damaged(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "s.ptx").write_text(content)
    with pytest.raises(ScanError, match=says):
        read_cloud(tmp_path / "s.ptx")


@pytest.mark.parametrize("columns", [3, 4, 7])
@pytest.mark.parametrize("blocks", [[60], [20, 40], [1, 58, 1], [0, 60]])
def test_pts_of_one_block_and_several(tmp_path: Path, columns: int, blocks: list[int]) -> None:
    table = np.hstack([POINTS, np.rint(4000 * INTENSITY - 2000), COLORS])[:, :columns]
    ends = np.cumsum(blocks)
    parts = [f"{n}\n{text(table[end - n : end])}" for n, end in zip(blocks, ends, strict=True)]
    (tmp_path / "s.pts").write_text("\n".join(parts) + "\n")
    cloud = read_cloud(tmp_path / "s.pts")
    np.testing.assert_array_equal(cloud.points, POINTS)
    assert (cloud.colors is None) is (columns < 7) and cloud.normals is None
    assert list(cloud.values) == ([] if columns < 4 else ["intensity"])
    if columns >= 4:
        np.testing.assert_array_equal(cloud.values["intensity"], table[:, 3])
    if columns == 7:
        np.testing.assert_array_equal(cloud.colors, COLORS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("3\n1 2 3 4\n", "expected 3 points"),
        ("1\n1 2 3 4\n1 2 3 4\n", "line 3: expected the number of the following points"),
        ("1\n1 2 3 4\n5\n", "expected 5 points"),
        ("1\n1 2 3 4\n99999999999\n1 2 3 4\n", "expected 99,999,999,999 points"),
        ("0\n", "holds no points"),
        ("1\n1 2 3 4\n" + "9" * 5000, "line 3: expected the number of the following points"),
    ],
)
def test_pts_that_is_damaged(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "s.pts").write_text(content)
    with pytest.raises(ScanError, match=says):
        read_cloud(tmp_path / "s.pts")

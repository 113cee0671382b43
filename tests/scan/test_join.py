"""Several files are one scan."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from recon.errors import ScanError
from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.files import write_mesh
from recon.scan.files import read_clouds
from recon.scan.readers.join import join

RNG = np.random.default_rng(0)


def cloud(count: int, unit: str | None = None, **attributes: Float) -> PointCloud:
    values = {name: RNG.random(count) for name in attributes.pop("values", ())}
    parts = {name: RNG.random((count, 3)) for name in attributes}
    colors = np.full((count, 3), count) if parts.pop("colors", None) is not None else None
    return PointCloud(RNG.random((count, 3)), colors=colors, values=values, unit=unit, **parts)


def test_what_all_have_is_kept_in_order() -> None:
    parts = [cloud(n, "foot", normals=1, colors=1, sensors=1, values=("a", "b")) for n in (3, 1, 5)]
    one = join(parts, "three")
    for name in ("points", "normals", "colors", "sensors"):
        expected = np.concatenate([getattr(part, name) for part in parts])
        np.testing.assert_array_equal(getattr(one, name), expected)
    for name in ("a", "b"):
        np.testing.assert_array_equal(one.values[name], np.concatenate([part.values[name] for part in parts]))
    assert (one.source, one.unit) == ("three", "foot")


def test_what_only_some_have_is_left_out_and_told(caplog: pytest.LogCaptureFixture) -> None:
    parts = [cloud(3, "foot", normals=1, values=("a", "b")), cloud(2, sensors=1, values=("b", "c"))]
    with caplog.at_level(logging.INFO, "recon"):
        one = join(parts, "two")
    assert one.normals is None and one.sensors is None and one.colors is None and one.unit is None
    assert list(one.values) == ["b"]
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"1 of 2 scans have {name}: dropped" for name in ("normals", "sensors", "a", "c")]


def test_units_that_differ_are_refused() -> None:
    with pytest.raises(ScanError, match=r"different units .*the cloud in foot, the cloud in metre"):
        join([cloud(3, "foot"), cloud(2), cloud(2, "metre"), cloud(3, "foot")], "four")


def test_files_of_any_kind_are_one_cloud(tmp_path: Path) -> None:
    points = np.hstack([RNG.random((9, 3)), np.tile([0, 0.6, -0.8], (9, 1))])
    np.save(tmp_path / "a.npy", points)
    np.savetxt(tmp_path / "b.xyz", points)
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    write_mesh(Mesh(corners, np.array([[0, 1, 2]])), tmp_path / "c.ply")
    one = read_clouds([tmp_path / name for name in ("a.npy", "b.xyz", "c.ply")], samples=7, seed=1)
    np.testing.assert_array_equal(one.points[:18], np.vstack([points, points])[:, :3])
    np.testing.assert_array_equal(one.normals[18:], np.tile([0, 0, 1.0], (7, 1)))
    assert one.source == "the scan of 3 files"
    assert read_clouds([tmp_path / "a.npy"]).source == str(tmp_path / "a.npy")
    with pytest.raises(ScanError, match=r"no file .*d\.npy"):
        read_clouds([tmp_path / "a.npy", tmp_path / "d.npy"])

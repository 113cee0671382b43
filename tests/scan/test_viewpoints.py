"""Where the scanner stood, and other scalars, as PLY, PCD and tables have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from recon.geometry import Mesh
from recon.scan.files import read_any, read_cloud

N = 60
RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-5, 5, (N, 3)).round(3)
PLACES = RNG.uniform(-5, 5, (N, 3)).round(3)
TEXT = "".join(f"{x} {y} {z}\n" for x, y, z in POINTS)
PCD = "VERSION .7\nFIELDS x y z\nSIZE 8 8 8\nTYPE F F F\nWIDTH {}\nHEIGHT {}\n{}DATA ascii\n"
DEFAULT = "VIEWPOINT 0 0 0 1 0 0 0\n"


@pytest.mark.parametrize(
    ("height", "viewpoint", "place"),
    [
        (1, "", None),
        (1, DEFAULT, None),
        (1, "VIEWPOINT 1 2.5 -3 1 0 0 0\n", (1, 2.5, -3)),
        (1, "VIEWPOINT 0 0 0 0 1 0 0\n", (0, 0, 0)),  # turned, so it is meant
        (6, DEFAULT, (0, 0, 0)),  # a grid, so it is a sensor's
        (6, "", (0, 0, 0)),
        (6, "VIEWPOINT 1 2 3 1 0 0 0\n", (1, 2, 3)),
        (6, "VIEWPOINT nan 2 3 1 0 0 0\n", None),
    ],
)
def test_viewpoint_of_pcd(
    tmp_path: Path, height: int, viewpoint: str, place: tuple[float, ...] | None
) -> None:
    (tmp_path / "s.pcd").write_text(PCD.format(N // height, height, viewpoint) + TEXT)
    cloud = read_cloud(tmp_path / "s.pcd")
    np.testing.assert_array_equal(cloud.points, POINTS)  # which are in the viewpoint's frame
    if place is None:
        assert cloud.sensors is None
    else:
        np.testing.assert_array_equal(cloud.sensors, np.tile(place, (N, 1)))


def rows(names: str, *columns: np.ndarray, kind: str = "f8") -> np.ndarray:
    table = np.column_stack(columns)
    out = np.empty(len(table), [(name, kind) for name in names.split()])
    for i, name in enumerate(out.dtype.names):
        out[name] = table[:, i]
    return out


def write_ply(path: Path, text: bool = False, **elements: np.ndarray) -> Path:
    PlyData([PlyElement.describe(table, name) for name, table in elements.items()], text=text).write(path)
    return path


@pytest.mark.parametrize("names", ["x y z vx vy vz", "x y z VX VY VZ", "x y z vp_x vp_y vp_z"])
def test_viewpoints_of_vertices(tmp_path: Path, names: str) -> None:
    cloud = read_cloud(write_ply(tmp_path / "s.ply", vertex=rows(names, POINTS, PLACES)))
    np.testing.assert_array_equal(cloud.sensors, PLACES)
    assert cloud.values == {}


CAMERA = "view_px view_py view_pz x_axisx y_axisy z_axisz viewportx viewporty"


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize(
    ("camera", "place"),
    [
        ([1, 2.5, -3, 1, 1, 1, N, 1], (1, 2.5, -3)),
        ([0, 0, 0, 1, 1, 1, N, 1], None),
        ([0, 0, 0, 1, 0, 0, N, 1], (0, 0, 0)),
        ([0, 0, 0, 1, 1, 1, 10, 6], (0, 0, 0)),
        ([np.nan, 0, 0, 1, 1, 1, 10, 6], None),
    ],
)
def test_camera_of_ply(
    tmp_path: Path, text: bool, camera: list[float], place: tuple[float, ...] | None
) -> None:
    table = rows(CAMERA, np.array([camera]))
    cloud = read_cloud(write_ply(tmp_path / "s.ply", text, vertex=rows("x y z", POINTS), camera=table))
    np.testing.assert_array_equal(cloud.points, POINTS)
    if place is None:
        assert cloud.sensors is None
    else:
        np.testing.assert_array_equal(cloud.sensors, np.tile(place, (N, 1)))


@pytest.mark.parametrize("ending", ["ply", "pcd", "txt", "npy"])
def test_other_scalars_are_values_under_their_own_names(tmp_path: Path, ending: str) -> None:
    path, more = tmp_path / f"s.{ending}", RNG.integers(0, 255, (N, 3)).astype(float)
    names = "x y z scalar_Intensity Confidence alpha"
    table = rows(names, POINTS, more)
    if ending == "ply":
        write_ply(path, vertex=table)
    elif ending == "npy":
        np.save(path, table)
    else:
        body = "\n".join(" ".join(map(repr, row)) for row in np.column_stack([POINTS, more]).tolist())
        head = PCD.replace("FIELDS x y z", f"FIELDS {names}").replace("8 8 8", "8 8 8 8 8 8")
        head = head.replace("F F F", "F F F F F F").format(N, 1, "") if ending == "pcd" else f"{names}\n"
        path.write_text(head + body)
    cloud = read_cloud(path)
    assert list(cloud.values) == ["scalar_Intensity", "Confidence"]
    np.testing.assert_array_equal(cloud.values["scalar_Intensity"], more[:, 0])
    np.testing.assert_array_equal(cloud.values["Confidence"], more[:, 1])


def test_a_meshes_scalars_are_values_of_its_vertices(tmp_path: Path) -> None:
    face = np.empty(1, [("vertex_indices", "i4", (3,))])
    face["vertex_indices"] = [0, 1, 2]
    vertex = rows("x y z quality", POINTS, np.arange(N))
    mesh = read_any(write_ply(tmp_path / "m.ply", vertex=vertex, face=face))
    assert isinstance(mesh, Mesh)
    np.testing.assert_array_equal(mesh.values["quality"], np.arange(N))

"""What the page draws is what was made, to the last step of its numbers."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from shapes import sphere

from recon.errors import ExtractError
from recon.geometry import Mesh, PointCloud
from recon.report.scene import MAX_FACES, scene_data, surface_of
from recon.surface.settings import STANDARD

FAR = np.array([5.0e5, 5.4e6, 100.0])
CORNERS = np.array([[0.0, 0, 0], [40, 0, 0], [0, 30, 0], [0, 0, 10]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])


def run(scan: PointCloud, mesh: Mesh | None) -> Any:
    """What of a reconstruction is asked here."""

    def meshed() -> Mesh:
        if mesh is None:
            raise ExtractError("no surface")
        return mesh

    return SimpleNamespace(scan=scan, mesh=meshed)


def unpacked(text: str, dtype: str, columns: int = 1) -> NDArray[Any]:
    values = np.frombuffer(base64.b64decode(text), np.dtype(dtype))
    return values.reshape(-1, columns) if columns > 1 else values


def test_positions_normals_and_colours_come_through_at_survey_coordinates() -> None:
    ball = sphere(500)
    normals = np.tile([0.6, 0.0, -0.8], (4, 1))
    mesh = Mesh(FAR + CORNERS, FACES, normals, np.arange(12).reshape(4, 3))
    result = run(PointCloud(FAR + 5 + 5 * ball.points, unit="metre"), mesh)
    page = scene_data(surface_of(result), result)
    step = page["step"]
    assert step < 40 / 65000 and page["unit"] == "metre"
    for part, truth in ((page["mesh"], mesh.vertices), (page["cloud"], result.scan.points)):
        places = page["low"] + step * unpacked(part["positions"], "<u2", 3)
        assert np.abs(places - truth).max() <= 0.51 * step
    assert np.allclose(unpacked(page["mesh"]["normals"], "<i1", 3) / 127, normals, atol=1 / 250)
    assert np.array_equal(unpacked(page["mesh"]["faces"], "<u4", 3), FACES)
    assert np.array_equal(unpacked(page["mesh"]["colors"], "<u1", 3), mesh.colors)
    assert page["cloud"]["colors"] is None


def test_distances_are_shades_from_zero_to_the_last_percentile() -> None:
    flat = Mesh(
        np.array([[-9.0, -9, 0], [9, -9, 0], [9, 9, 0], [-9, 9, 0]]), np.array([[0, 1, 2], [0, 2, 3]])
    )
    heights = np.linspace(0, 2, 201)
    points = np.stack([np.linspace(-1, 1, 201), np.zeros(201), heights], axis=1)
    values = {"odd": np.where(np.arange(201) == 7, np.nan, 3.0), "height": heights}
    result = run(PointCloud(points, values=values, unit="foot"), flat)
    to_mesh, to_points, odd, height = scene_data(surface_of(result), result)["scalars"]
    assert (to_mesh["low"], to_mesh["unit"], odd["unit"]) == (0.0, "foot", None)
    assert np.isclose(to_mesh["high"], np.percentile(heights, 99))
    shades = unpacked(to_mesh["cloud"], "<u1")
    assert np.abs(shades - (255 * heights / to_mesh["high"]).clip(max=255)).max() <= 0.51
    assert to_points["cloud"] is None and len(unpacked(to_points["mesh"], "<u1")) == 4
    assert height["mesh"] is None and np.ptp(unpacked(height["cloud"], "<u1").astype(int)) == 255
    assert len(set(unpacked(odd["cloud"], "<u1").tolist())) == 1


def test_without_a_mesh_there_are_the_points() -> None:
    result = run(sphere(300), None)
    page = scene_data(surface_of(result), result)
    assert page["mesh"] is None and page["scalars"] == []
    assert len(unpacked(page["cloud"]["positions"], "<u2", 3)) == 300


def test_a_mesh_that_cannot_be_simplified_is_made_coarser() -> None:
    """Of more triangles than a page should have, and not fewer for the asking."""
    rows = 400
    many = np.tile([[0, 1, 2]], (2 * rows**2, 1))
    asked = []

    def meshed(resolution: int | None = None, faces: int | None = None) -> Mesh:
        asked.append((resolution, faces))
        return Mesh(CORNERS, many if resolution is None else FACES)

    result: Any = SimpleNamespace(scan=sphere(50), mesh=meshed, config=STANDARD)
    surface = surface_of(result)
    assert surface.mesh is not None and surface.shown is not None
    assert (len(surface.mesh.faces), len(surface.shown.faces)) == (2 * rows**2, 4)
    finest = STANDARD.mesh.finest
    assert asked == [(None, None), (None, MAX_FACES), (int(finest * np.sqrt(MAX_FACES / len(many))), None)]

"""Colours that stand for numbers: the numbers in closed form, and the legend that says which they are."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh
from shapes import sphere

from recon.errors import UsageError
from recon.geometry import Mesh, PointCloud
from recon.render.legend import Legend, beside, legend_picture, legend_width
from recon.render.palette import SEQUENTIAL
from recon.viewer.coloring import COLOR_MODES, colored, mean_curvature, modes


def ball(radius: float = 1.0, **attributes: object) -> Mesh:
    shape = trimesh.creation.icosphere(3, radius)
    return Mesh(shape.vertices, shape.faces, **attributes)  # type: ignore[arg-type]


@pytest.mark.parametrize("radius", [1e-3, 1.0, 2.5e5])
def test_the_mean_curvature_of_a_sphere(radius: float) -> None:
    shape = ball(radius)
    exact = Mesh(shape.vertices, shape.faces, shape.vertices / radius)
    assert np.allclose(mean_curvature(exact) * radius, 1, rtol=1e-6)
    estimated = mean_curvature(shape) * radius  # of normals that are the mean of the faces'
    assert np.abs(estimated - 1).mean() < 0.02
    assert np.allclose(mean_curvature(Mesh(shape.vertices, shape.faces[:, ::-1])) * radius, -estimated)


def test_the_mean_curvature_of_a_cylinder_is_half_of_a_spheres() -> None:
    tube = trimesh.creation.cylinder(2.0, 6.0, sections=90).subdivide().subdivide()
    across = tube.vertices * [1, 1, 0]
    normals = across / np.linalg.norm(across, axis=1, keepdims=True).clip(1e-9)
    middle = (np.abs(tube.vertices[:, 2]) < 1) & (np.linalg.norm(across, axis=1) > 1.9)
    found = mean_curvature(Mesh(tube.vertices, tube.faces, normals))[middle]
    assert np.allclose(found, 0.25, rtol=2e-3)


def test_the_distance_of_a_mesh_to_its_scan_and_back() -> None:
    mesh, scan = ball(1.5), sphere(20_000)
    painted, legend = colored(mesh, "distance", [scan], unit="metre")
    assert legend is not None
    assert (legend.low, legend.unit, legend.title) == (0.0, "metre", "distance to the scan")
    assert legend.high == pytest.approx(0.5, rel=0.02)
    assert painted.colors is not None
    painted, legend = colored(scan, "distance", [mesh])
    assert legend is not None
    assert legend.high == pytest.approx(0.5, rel=0.02)
    assert legend.unit == "scan unit"
    with pytest.raises(UsageError, match="needs the scan"):
        colored(mesh, "distance")
    with pytest.raises(UsageError, match="needs a mesh"):
        colored(scan, "distance")


def test_the_gaps_between_points_are_no_distance() -> None:
    _, legend = colored(ball(1.001), "distance", [sphere(2000)])
    assert legend is not None
    assert legend.high < 0.005  # the points are 0.08 apart
    _, legend = colored(ball(1.001), "distance", [PointCloud(sphere(2000).points)])
    assert legend is not None
    assert legend.high > 0.03  # without normals the points are all there is


def test_the_nearest_scan_counts_wherever_it_lies() -> None:
    far = np.array([4e5, 5e6, 100.0])
    mesh = Mesh(ball().vertices + far, ball().faces)
    near, other = PointCloud(ball().vertices + far + [1e-3, 0, 0]), PointCloud(ball().vertices)
    _, legend = colored(mesh, "distance", [other, near])
    assert legend is not None
    assert legend.high == pytest.approx(1e-3, rel=1e-4)


def test_heights_run_along_up() -> None:
    painted, legend = colored(ball(), "height", up=np.array([0.0, 2.0, 0.0]))
    assert legend is not None
    assert (legend.low, legend.high) == (pytest.approx(-1), pytest.approx(1))
    assert legend.title == "height along y"
    top = ball().vertices[:, 1].argmax()
    assert painted.colors is not None
    assert tuple(painted.colors[top]) == SEQUENTIAL[-1]


def test_normals_are_red_green_and_blue() -> None:
    painted, legend = colored(Mesh(ball().vertices, ball().faces, ball().vertices), "normal")
    assert legend is None
    assert painted.colors is not None
    assert tuple(painted.colors[ball().vertices[:, 0].argmax()]) == (255, 128, 128)


def test_a_mesh_takes_the_colours_of_the_nearest_points() -> None:
    vertices = ball().vertices
    colors = np.where(vertices[:, :1] > 0, [[200, 0, 0]], [[0, 0, 200]]).astype(np.uint8)
    painted, _ = colored(ball(), "scan", [PointCloud(vertices * 1.01, colors=colors)])
    assert np.array_equal(painted.colors, colors)
    with pytest.raises(UsageError, match="give a coloured scan"):
        colored(ball(), "scan", [sphere()])
    assert colored(painted, "plain")[0].colors is None
    assert colored(painted, "auto")[0] is painted


def test_scalars_have_their_name_and_grey_where_unknown() -> None:
    values = np.linspace(10, 20, len(ball().vertices))
    values[3] = np.nan
    thing = ball(values={"intensity": values})
    assert modes(thing) == [*COLOR_MODES, "intensity"]
    painted, legend = colored(thing, "intensity")
    assert legend is not None
    assert legend.beyond == (True, True)
    assert painted.colors is not None
    assert tuple(painted.colors[3]) == (128, 128, 128)
    with pytest.raises(UsageError, match="cannot colour by 'fame'"):
        colored(thing, "fame")


def test_a_constant_has_a_legend_too() -> None:
    _, legend = colored(ball(values={"same": np.full(len(ball().vertices), 7.0)}), "same")
    assert legend is not None
    assert legend.low == 7.0 < legend.high


def test_a_legend_has_the_colours_of_its_numbers_and_ink() -> None:
    legend = Legend("distance to the scan", "metre", 0.0, 0.25, SEQUENTIAL, (False, True))
    assert [text for _, text in legend.ticks(3)] == ["0", "0.125", "> 0.25"]
    image = legend_picture(legend, 200)
    pixels = {tuple(pixel) for pixel in image.reshape(-1, 3)}
    assert {SEQUENTIAL[0], SEQUENTIAL[-1]} <= pixels
    inked = (image < 100).all(2)
    assert inked[:40].any()  # the title
    assert inked[:, -30:].any()  # the numbers
    assert not inked[:, -2:].any()  # and they fit
    rows = [int(np.flatnonzero((image == SEQUENTIAL[k]).all(2).any(1))[0]) for k in (0, -1)]
    assert rows[0] > rows[1]  # large is up


def test_a_legend_stands_beside_the_picture() -> None:
    legend = Legend("height along z", "foot", -1.0, 1.0, SEQUENTIAL)
    picture = np.full((300, 200, 3), 9, np.uint8)
    width = legend_width([None, legend], 300)
    both = beside(picture, legend, width)
    assert both.shape == (300, 200 + width, 3)
    assert np.array_equal(both[:, :200], picture)
    assert (both[:, 200:] != 255).any()
    assert np.array_equal(beside(picture, None, 0), picture)

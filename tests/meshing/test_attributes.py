"""What a scan measures, on the vertices of its mesh."""

from __future__ import annotations

import numpy as np
import pytest
import trimesh

from recon.geometry import Mesh, PointCloud
from recon.meshing import attributes
from recon.meshing.attributes import with_attributes

BALL = trimesh.creation.icosphere(4)
VERTICES = np.asarray(BALL.vertices)
MESH = Mesh(VERTICES, BALL.faces, VERTICES)
SLOPE = np.array([1.0, 2.0, -1.0])


def scan(count: int, *, normals: bool = True) -> PointCloud:
    points = np.random.default_rng(0).normal(size=(count, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return PointCloud(points, points if normals else None)


def measured(cloud: PointCloud, **values: np.ndarray) -> PointCloud:
    return PointCloud(cloud.points, cloud.normals, values=values)


@pytest.mark.parametrize("normals", [True, False])
def test_a_linear_field_comes_back_and_the_error_falls_as_the_square_of_the_spacing(normals: bool) -> None:
    errors = []
    for count in (2_000, 8_000, 32_000):
        cloud = scan(count, normals=normals)
        found = with_attributes(MESH, measured(cloud, height=cloud.points @ SLOPE)).values["height"]
        errors.append(np.abs(found - VERTICES @ SLOPE).mean())
    order = np.log2(np.divide(errors[:-1], errors[1:]))  # the spacing halves from one to the next
    assert order.min() > 1.6
    assert errors[-1] < 1e-3  # of a field from -2.4 to 2.4


def test_a_smooth_field_is_nearer_than_that_of_the_nearest_point() -> None:
    wave = lambda x: np.sin(3 * x[:, 0]) * x[:, 1]  # noqa: E731
    cloud = scan(8_000)
    found = with_attributes(MESH, measured(cloud, wave=wave(cloud.points))).values["wave"]
    nearest = attributes.cKDTree(cloud.points).query(VERTICES)[1]
    error, plain = np.abs(found - wave(VERTICES)), np.abs(wave(cloud.points)[nearest] - wave(VERTICES))
    assert error.mean() < 0.15 * plain.mean()


def test_labels_are_the_nearest_points() -> None:
    """By their name, or as few whole numbers; other whole numbers are measurements."""
    cloud = scan(4_000)
    side = np.where(cloud.points[:, 0] > 0, 2.0, 6.0)
    many, level = np.arange(4_000.0), np.rint(1000 * cloud.points[:, 2])
    missing = np.where(np.arange(4_000) % 3 == 0, np.nan, side)
    found = with_attributes(MESH, measured(cloud, side=side, point_id=many, level=level, missing=missing))
    assert set(np.unique(found.values["side"])) == set(np.unique(found.values["missing"])) == {2.0, 6.0}
    sure = abs(VERTICES[:, 0]) > 0.1
    assert (found.values["side"] == np.where(VERTICES[:, 0] > 0, 2.0, 6.0))[sure].all()
    apart = np.linalg.norm(cloud.points[found.values["point_id"].astype(int)] - VERTICES, axis=1)
    assert apart.max() < 0.1
    assert (found.values["level"] % 1 != 0).mean() > 0.9


def test_constants_are_exact_and_nothing_leaves_the_range_of_the_scan() -> None:
    cloud = scan(3_000)
    colors = np.full((3_000, 3), (255, 0, 93))
    noise = np.random.default_rng(1).uniform(-1, 1, 3_000)
    values = {"constant": np.full(3_000, 1 / 3), "noise": noise}
    found = with_attributes(MESH, PointCloud(cloud.points, cloud.normals, colors, values=values))
    assert (found.colors == (255, 0, 93)).all()
    assert (found.values["constant"] == 1 / 3).all()
    assert noise.min() <= found.values["noise"].min() and found.values["noise"].max() <= noise.max()
    assert found.values["noise"].std() < 0.45 * noise.std()


def test_an_edge_of_colour_is_blurred_over_two_spacings_at_most() -> None:
    cloud = scan(20_000)
    spacing = np.sqrt(4 * np.pi / 20_000)
    colors = np.where(cloud.points[:, :1] > 0, 255, 0) * np.ones((1, 3))
    found = with_attributes(MESH, PointCloud(cloud.points, cloud.normals, colors)).colors
    away = np.abs(VERTICES[:, 0]) > 2 * spacing
    assert np.array_equal(found[away, 0] > 0, VERTICES[away, 0] > 0)
    assert set(np.unique(found[away])) == {0, 255}


def test_the_sides_of_a_thin_wall_keep_their_colours() -> None:
    """Red above, blue below, a tenth of the points' spacing apart, and the upper side scanned half as
    densely."""
    generator = np.random.default_rng(0)
    above, below = generator.random((2_000, 3)), generator.random((8_000, 3))
    spacing, up = 1 / np.sqrt(8_000), np.array([0.0, 0.0, 1.0])
    above[:, 2], below[:, 2] = 0.1 * spacing, 0.0
    points = np.concatenate([above, below])
    normals = np.repeat([up, -up], [2_000, 8_000], axis=0)
    colors = np.repeat([[255, 0, 0], [0, 0, 255]], [2_000, 8_000], axis=0)
    vertices = np.concatenate([generator.permutation(above)[:500], generator.permutation(below)[:500]])
    mesh = Mesh(vertices, np.arange(999).reshape(-1, 3), np.repeat([up, -up], 500, axis=0))
    found = with_attributes(mesh, PointCloud(points, normals, colors)).colors
    assert (found[:500] == (255, 0, 0)).all() and (found[500:] == (0, 0, 255)).all()
    blind = with_attributes(mesh, PointCloud(points, None, colors)).colors
    assert (blind[:500, 2] > 60).mean() > 0.9  # what it would be without the normals


def test_turned_and_noisy_normals_cost_sharpness_not_sense() -> None:
    cloud = scan(8_000)
    generator = np.random.default_rng(2)
    normals = cloud.points + 0.3 * generator.normal(size=(8_000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[cloud.points[:, 2] > 0.8] *= -1  # a cap inside out
    found = with_attributes(MESH, PointCloud(cloud.points, normals, values={"x": cloud.points[:, 0]}))
    error = np.abs(found.values["x"] - VERTICES[:, 0])
    assert error.mean() < 0.03 and error.max() < 0.2


def test_values_that_are_not_finite_are_as_if_not_measured() -> None:
    cloud = scan(8_000)
    height = cloud.points @ SLOPE
    height[::3] = np.nan
    height[1::300] = np.inf
    values = {"height": height, "none": np.full(8_000, np.nan), "whole": np.ones(8_000)}
    found = with_attributes(MESH, measured(cloud, **values)).values
    assert list(found) == list(values)
    assert np.abs(found["height"] - VERTICES @ SLOPE).mean() < 5e-3
    assert np.isnan(found["none"]).all() and (found["whole"] == 1).all()


def test_far_from_the_origin_and_in_other_units_it_is_the_same() -> None:
    cloud = scan(3_000)
    intensity = np.random.default_rng(3).random(3_000)
    here = with_attributes(MESH, measured(cloud, intensity=intensity)).values["intensity"]
    move = lambda x: 2.0**-10 * x + [5e6, -5e6, 100.0]  # noqa: E731
    there = with_attributes(
        Mesh(move(VERTICES), MESH.faces, VERTICES),
        PointCloud(move(cloud.points), cloud.normals, values={"intensity": intensity}),
    )
    np.testing.assert_allclose(there.values["intensity"], here, atol=1e-4)


def test_chunks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = measured(scan(3_000), x=np.random.default_rng(4).random(3_000))
    whole = with_attributes(MESH, cloud).values["x"]
    monkeypatch.setattr(attributes, "CHUNK_VERTICES", 100)
    assert np.array_equal(with_attributes(MESH, cloud, threads=3).values["x"], whole)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_handful_of_points_is_enough(count: int) -> None:
    cloud = scan(count)
    found = with_attributes(MESH, measured(cloud, x=np.arange(float(count)))).values["x"]
    assert found.min() >= 0 and found.max() <= count - 1


def test_a_scan_with_nothing_to_carry_leaves_the_mesh_as_it_is() -> None:
    found = with_attributes(MESH, scan(100))
    assert found.colors is None and not found.values and np.array_equal(found.vertices, VERTICES)

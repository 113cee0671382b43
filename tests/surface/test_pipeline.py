"""From a cloud to a surface in the cloud's own frame, on a sphere small enough to train here."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import pytest
from scanned_sphere import CENTRE, RADIUS, SMALL, sphere
from scipy.spatial import cKDTree

import recon
from recon.errors import ScanError, UsageError
from recon.meshing.topology import measures, topology
from recon.meshing.trimming import filled
from recon.surface.settings import PRESETS
from recon.training.trainer import Progress

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result() -> recon.Reconstruction:
    return recon.reconstruct(sphere(), SMALL)


def test_a_scanned_sphere_comes_back_where_and_as_large_as_it_was(result: recon.Reconstruction) -> None:
    mesh = result.mesh()
    shape = topology(mesh)
    assert shape.watertight and shape.outward
    assert (shape.components, shape.genus) == (1, 0)
    radii = np.linalg.norm(mesh.vertices - CENTRE, axis=1)
    assert radii.mean() == pytest.approx(RADIUS, rel=5e-3)
    assert np.abs(radii / RADIUS - 1).max() < 0.02
    cosine = ((mesh.vertices - CENTRE) / radii[:, None] * mesh.normals).sum(1)
    assert cosine.mean() > 0.995 and cosine.min() > 0.9


def test_the_distance_is_a_distance_in_world_units(result: recon.Reconstruction) -> None:
    directions = np.random.default_rng(1).normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # From six starts: 0.009 ± 0.004 of the radius far inside, 0.002 ± 0.001 and 0.0044 ± 0.001 near by.
    for radius, error in ((0.8 * RADIUS, 0.04), (0.95 * RADIUS, 0.01), (1.08 * RADIUS, 0.015)):
        distance, gradient = result.distance_and_gradient(CENTRE + radius * directions)
        assert (np.sign(distance) == np.sign(radius - RADIUS)).all()
        assert np.abs(distance - (radius - RADIUS)).mean() < error * RADIUS
    cosine = (gradient * directions).sum(1) / np.linalg.norm(gradient, axis=1)
    assert cosine.mean() > 0.95  # of the last sphere, outside and near
    with pytest.raises(UsageError, match=r"shape \(4, 2\), expected"):
        result.distance(np.zeros((4, 2)))


def test_cells_and_resolutions_say_how_fine(result: recon.Reconstruction) -> None:
    coarse, fine = result.mesh(32), result.mesh(cell=RADIUS / 40)
    edges = fine.vertices[fine.faces[:, 0]] - fine.vertices[fine.faces[:, 1]]
    assert np.linalg.norm(edges, axis=1).max() < 2 * RADIUS / 40
    assert len(fine.faces) > 4 * len(coarse.faces)
    with pytest.raises(UsageError, match="resolution"):
        result.mesh(cell=RADIUS / 1e6)


def test_meshes_have_as_many_triangles_as_asked_for_and_the_fields_normals(
    result: recon.Reconstruction,
) -> None:
    mesh = result.mesh(faces=600)
    shape = topology(mesh)
    assert shape.faces in (599, 600) and shape.watertight and shape.outward and shape.genus == 0
    away, before = (np.linalg.norm(m.vertices - CENTRE, axis=1) / RADIUS - 1 for m in (mesh, result.mesh()))
    edges = np.linalg.norm(mesh.vertices[mesh.faces] - mesh.vertices[mesh.faces[:, [1, 2, 0]]], axis=2)
    bulge = (edges.max() / RADIUS) ** 2 / 8  # of a sphere over a chord: what so few triangles cannot follow
    assert np.abs(away).max() < np.abs(before).max() + bulge
    directions = (mesh.vertices - CENTRE) / (RADIUS * (1 + away[:, None]))
    assert (directions * mesh.normals).sum(1).min() > 0.9
    assert len(result.mesh(faces=10**7).faces) == len(result.mesh().faces)
    with pytest.raises(UsageError, match=r"mesh\.faces is 3"):
        result.mesh(faces=3)


def test_meshes_have_the_colours_and_scalars_of_their_scan(result: recon.Reconstruction) -> None:
    away = (result.scan.points - CENTRE) / RADIUS
    colors = np.rint(127.5 + 127.5 * away)
    scan = dataclasses.replace(result.scan, colors=colors, values={"height": away[:, 2]})
    mesh = dataclasses.replace(result, scan=scan).mesh(faces=2000)
    place = (mesh.vertices - CENTRE) / RADIUS
    assert np.abs(mesh.values["height"] - place[:, 2]).mean() < 0.01
    assert np.abs(mesh.colors - (127.5 + 127.5 * place)).mean() < 2
    plain = dataclasses.replace(result, scan=scan).mesh(32, color="off")
    assert plain.colors is None and not plain.values
    with pytest.raises(UsageError, match=r"mesh\.color is 'blue', expected one of auto, off"):
        result.mesh(color="blue")


def test_other_units_and_another_place_give_the_same_surface(result: recon.Reconstruction) -> None:
    cloud = sphere()
    small = recon.PointCloud((cloud.points - CENTRE) * 2.0**-12, cloud.normals)
    mesh, other = result.mesh(48), recon.reconstruct(small, SMALL).mesh(48)
    there = (other.vertices * 2.0**12) + CENTRE
    assert len(there) == pytest.approx(len(mesh.vertices), rel=0.01)
    assert np.linalg.norm(there - CENTRE, axis=1).mean() == pytest.approx(RADIUS, rel=5e-3)


def test_saved_and_loaded_it_is_the_same(result: recon.Reconstruction, tmp_path: Path) -> None:
    result.save(tmp_path / "run")
    loaded = recon.load(tmp_path / "run")
    points = CENTRE + np.random.default_rng(2).uniform(-RADIUS, RADIUS, (100, 3))
    assert np.array_equal(loaded.distance(points), result.distance(points))
    assert np.array_equal(loaded.mesh(40).vertices, result.mesh(40).vertices)
    assert (tmp_path / "run" / "history.csv").read_text().startswith("step,seconds,rate,loss,surface")
    with pytest.raises(ScanError, match="not a run folder"):
        recon.load(tmp_path)


def test_the_scan_is_kept_with_all_that_meshes_take_from_it(tmp_path: Path) -> None:
    cloud = sphere(400)
    colors = np.arange(1200).reshape(400, 3) % 256
    values = {"intensity": np.arange(400.0), "a/b": -np.arange(400.0)}
    cloud = dataclasses.replace(cloud, colors=colors, values=values, unit="metre", sensors=cloud.points)
    recon.reconstruct(cloud, SMALL.with_(fit={"steps": 1})).save(tmp_path / "run")
    kept = recon.load(tmp_path / "run").scan
    cloud = cloud.select(kept.values["intensity"].astype(int))  # the order of points is not
    assert len(kept) == len(values["intensity"]) == len(set(kept.values["intensity"]))
    assert np.array_equal(kept.points, cloud.points)
    assert np.allclose(kept.normals, cloud.normals, atol=1e-15)
    assert np.array_equal(kept.colors, cloud.colors) and kept.unit == "metre"
    assert {name: array.tolist() for name, array in kept.values.items()} == {
        name: array.tolist() for name, array in cloud.values.items()
    }
    np.savez(tmp_path / "run" / "scan.npz", points=np.array([{}], object))  # pickled: it could run code
    with pytest.raises(ScanError, match=r"scan\.npz is not as recon writes it"):
        recon.load(tmp_path / "run")
    (tmp_path / "run" / "scan.npz").unlink()
    with pytest.raises(ScanError, match=r"scan\.npz is not as recon writes it"):
        recon.load(tmp_path / "run")


def test_a_run_taken_up_again_ends_as_the_one_that_went_on(
    result: recon.Reconstruction, tmp_path: Path
) -> None:
    def stop(progress: Progress) -> None:
        if progress.snapshot.step == 200 and not progress.is_last:
            raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        recon.reconstruct(sphere(), SMALL, run=run, callbacks=[stop])
    resumed = recon.reconstruct(sphere(), SMALL, run=run)
    assert np.array_equal(resumed.mesh().vertices, result.mesh().vertices)

    with pytest.raises(UsageError, match=r"fit\.steps was 1500, now 500"):
        recon.reconstruct(sphere(), SMALL.with_(fit={"steps": 500}), run=run)
    with pytest.raises(UsageError, match="another scan"):
        recon.reconstruct(sphere(2000), SMALL, run=run)
    cloud = sphere()
    with pytest.raises(UsageError, match="another scan"):  # the same points, other normals
        turned = recon.PointCloud(cloud.points, -cloud.normals)
        recon.reconstruct(turned, SMALL.with_(scan={"normals": "file"}), run=run)


def test_the_published_method_runs_without_the_prior() -> None:
    config = PRESETS["paper"].with_(field={"width": 32}, fit={"steps": 50}, surface={"on_surface": 100})
    snapshot = recon.reconstruct(sphere(400), config).snapshot
    assert set(snapshot.history[-1]) == {
        "step",
        "seconds",
        "rate",
        "loss",
        "surface",
        "normal",
        "off",
        "eikonal",
    }


def test_what_is_left_out_of_a_scan_is_said(caplog: pytest.LogCaptureFixture) -> None:
    cloud = sphere(400)
    points = np.concatenate([cloud.points, np.full((3, 3), np.nan), cloud.points[:5]])
    normals = np.concatenate([cloud.normals, cloud.normals[:8]])
    with caplog.at_level(logging.INFO, "recon"):
        recon.reconstruct(recon.PointCloud(points, normals), SMALL.with_(fit={"steps": 1}))
    assert "3 of 408 points are not finite" in caplog.text
    assert "5 points are duplicates" in caplog.text


def test_a_cloud_without_normals_gets_its_own() -> None:
    cloud = recon.PointCloud(sphere().points, values={"height": sphere().points[:, 2]}, unit="metre")
    result = recon.reconstruct(cloud, SMALL.with_(fit={"steps": 600}))
    mesh = result.mesh(32)
    assert topology(mesh).outward
    assert result.scan.unit == "metre" and np.ptp(mesh.values["height"]) > RADIUS
    with pytest.raises(ScanError, match="has no normals"):
        recon.reconstruct(cloud, SMALL.with_(scan={"normals": "file"}))


@pytest.fixture(scope="module")
def bowl() -> recon.Reconstruction:
    """Of the lower half of the sphere, open above."""
    cloud = sphere(30_000)
    return recon.reconstruct(cloud.select(cloud.normals[:, 2] < 0), SMALL)


def test_an_open_scan_gives_an_open_mesh(bowl: recon.Reconstruction) -> None:
    mesh = bowl.mesh()
    shape = topology(mesh)
    assert (shape.components, shape.boundary_loops, shape.genus) == (1, 1, 0)
    spacing = RADIUS * np.sqrt(2 * np.pi / 15_000)
    away, _ = cKDTree(bowl.scan.points).query(mesh.vertices[mesh.faces].mean(1))
    assert away.max() < 3 * spacing
    place = mesh.vertices - CENTRE
    assert np.abs(np.linalg.norm(place, axis=1) / RADIUS - 1).max() < 0.05
    assert (mesh.normals * place).sum(1).min() > 0.5 * RADIUS  # outward, as the scan's
    size = measures(mesh, shape)
    assert size.area == pytest.approx(2 * np.pi * RADIUS**2, rel=0.05)
    assert size.holes[0].center[2] == pytest.approx(CENTRE[2], abs=spacing)


def test_an_open_scan_is_closed_on_request(bowl: recon.Reconstruction) -> None:
    whole, near = bowl.mesh(trim="off"), bowl.mesh(trim=str(0.1 * RADIUS))
    assert measures(whole, topology(whole)).area > 1.1 * measures(near, topology(near)).area
    low, high = bowl.frame.to_world(bowl.box)
    for hole in measures(whole, topology(whole)).holes:  # where it leaves the box, nowhere else
        assert min(np.abs(hole.center - low).min(), np.abs(hole.center - high).min()) < 0.03 * RADIUS
    with pytest.raises(UsageError, match="trim is 'up'"):
        bowl.mesh(trim="up")


def test_an_open_scan_makes_a_solid_with_a_lid(bowl: recon.Reconstruction) -> None:
    solid = dataclasses.replace(bowl, config=bowl.config.with_(mesh={"solid": True}))
    mesh = solid.mesh()
    shape = topology(mesh)
    assert shape.watertight and shape.outward and shape.components == 1
    (hole,) = filled(mesh, bowl.scan)
    (rim,) = measures(bowl.mesh(), topology(bowl.mesh())).holes
    assert hole.length == pytest.approx(rim.length, rel=0.1)
    assert np.linalg.norm(np.subtract(hole.center, rim.center)) < 0.1 * RADIUS
    with pytest.raises(UsageError, match="a solid mesh is not trimmed, and trim is 1"):
        solid.mesh(trim="1")


def test_trimmed_to_a_closed_scan_stays_closed(result: recon.Reconstruction) -> None:
    whole, kept = result.mesh(trim="off"), result.mesh(trim="auto")
    assert topology(kept).watertight and np.array_equal(whole.faces, kept.faces)
    # Not bit for bit: the border of the box, open or closed, changes which values are computed together.
    assert np.abs(whole.vertices - kept.vertices).max() < 1e-6 * RADIUS


def test_without_any_normals_a_closed_scan_gives_a_closed_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SMALL.with_(scan={"normals": "none"})
    reconstruction = recon.reconstruct(sphere(), config)
    assert "normal" not in reconstruction.snapshot.history[-1]
    mesh = reconstruction.mesh()
    shape = topology(mesh)
    assert shape.watertight and shape.outward and (shape.components, shape.genus) == (1, 0)
    assert np.abs(np.linalg.norm(mesh.vertices - CENTRE, axis=1) / RADIUS - 1).max() < 0.04
    monkeypatch.setattr("recon.scan.preparation.sides_without_normals.GRID_CELLS", 64)
    with pytest.raises(ScanError, match="encloses nothing"):
        half = sphere(6000)
        recon.reconstruct(half.select(half.normals[:, 2] < 0), config)

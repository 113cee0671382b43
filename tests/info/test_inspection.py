"""What `inspect` says of a file is so, and `recon mesh` does what it foretells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from shapes import depth_image

from recon.errors import ScanError
from recon.geometry import Float, Mesh
from recon.info.inspection import inspect
from recon.meshing.files import write_mesh
from recon.scan.files import read_cloud
from recon.scan.preparation.prepare import prepared
from recon.surface.settings import STANDARD


def fibonacci(count: int = 2000) -> Float:
    """Nearly even points on the unit sphere, which are their own outward normals."""
    z = 1 - (2 * np.arange(count) + 1) / count
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(count)
    return np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=1)


def save(path: Path, *columns: Float) -> Path:
    np.save(path, np.hstack(columns))
    return path


def test_a_sphere(tmp_path: Path) -> None:
    n = fibonacci()
    info = inspect(save(tmp_path / "s.npy", 3 * n + [1, 2, 3], n))
    assert (info.kind, info.format, info.points, info.faces) == ("cloud", "npy", 2000, 0)
    np.testing.assert_allclose([info.low, info.high], [[-2, -1, 0], [4, 5, 6]], atol=0.02)
    assert info.diagonal == pytest.approx(6 * np.sqrt(3), rel=0.01)
    # between points of a square lattice (π 36 / 2000)^½ and of a triangular one (2/√3 of that area)^½
    assert 0.85 < info.spacing / np.sqrt(np.pi * 36 / 2000) < 1.1
    assert info.normals.outward is True
    assert info.normals.agreement > 0.999 and info.normals.turned == 0
    assert info.problems == () and info.notes == ()
    assert info.survey.closed is True and info.survey.outliers == 0 and info.survey.noise < 1e-6
    assert any(line.startswith("noise     none that neighbours show") for line in info.lines())
    assert info.survey.density == pytest.approx(2000 / (36 * np.pi), rel=0.15)
    assert "surface   closed but for small holes" in info.lines()
    assert json.loads(json.dumps(info.as_dict(), allow_nan=False))["diagonal"] == info.diagonal
    assert any("outward" in line for line in info.lines())


def test_an_inward_sphere_is_called_so_in_any_frame(tmp_path: Path) -> None:
    n = fibonacci()
    for scale, shift in ((1.0, 0.0), (1e-6, 1.0), (1e6, -1e8)):
        info = inspect(save(tmp_path / "s.npy", scale * n + shift, -n))
        assert info.normals.outward is False
        (problem,) = (problem for problem in info.problems if "inward" in problem)
        assert "flips them" in problem
        assert info.survey.closed is True  # as it is once they are turned


def test_half_a_sphere_has_no_outside_for_certain(tmp_path: Path) -> None:
    n = fibonacci()
    n = n[n[:, 2] > 0]
    info = inspect(save(tmp_path / "s.npy", n, n))
    assert info.normals.outward is None and info.survey.closed is False
    assert info.problems == () and "surface   open" in info.lines()
    (note,) = info.notes
    assert "an open scan" in note and "--trim off closes it" in note and f"note      {note}" in info.lines()


def test_flipped_and_random_normals_are_seen(tmp_path: Path) -> None:
    n = fibonacci()
    rng = np.random.default_rng(0)
    flipped = np.where(rng.random((2000, 1)) < 0.1, -n, n)
    info = inspect(save(tmp_path / "s.npy", n, flipped))
    share = (flipped != n).any(1).mean()
    assert info.normals.turned == pytest.approx(share, abs=1e-9) and info.normals.outward is True
    assert f"{share:.1%} of the normals are flipped: recon mesh flips them back" in info.problems[0]
    assert info.survey.closed is True

    noise = rng.standard_normal((2000, 3))
    info = inspect(save(tmp_path / "s.npy", n, noise / np.linalg.norm(noise, axis=1, keepdims=True)))
    assert info.normals.agreement == pytest.approx(0.5, abs=0.03)  # the mean of |cos| over the sphere
    (problem,) = info.problems
    assert "fit the points badly" in problem and "they are estimated" in problem
    assert info.survey.closed is True


@pytest.mark.parametrize("oriented", [True, False])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_noise_and_outliers_are_measured_in_the_files_unit(
    oriented: bool, scale: float, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    n = fibonacci(8000)
    strewn = rng.uniform(-2, 2, (80, 3))
    strewn = strewn[np.abs(np.linalg.norm(strewn, axis=1) - 1) > 0.3]
    points = scale * np.vstack([n + 0.01 * rng.standard_normal(n.shape), strewn])
    columns = [points, np.vstack([n, strewn])] if oriented else [points]
    info = inspect(save(tmp_path / "s.npy", *columns))
    assert info.survey.noise == pytest.approx(0.01 * scale, rel=0.25)
    assert info.survey.outliers == pytest.approx(len(strewn), abs=5)
    found = f"{info.survey.outliers:,} points ({info.survey.outliers / len(points):.2%}) are outliers"
    assert any(problem.startswith(found) for problem in info.problems)
    assert info.survey.closed is True
    assert not oriented or info.normals.outward is True


def test_a_large_scan_is_told_by_a_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recon.info.inspection.SURVEY_SAMPLE_POINTS", 5000)
    monkeypatch.setattr("recon.info.inspection.MAX_POINTS", 10_000)
    n = fibonacci(20_000)
    strewn = np.random.default_rng(0).uniform(-3, 3, (400, 3))
    survey = inspect(save(tmp_path / "s.npy", np.vstack([n, strewn]))).survey
    assert survey.sampled and survey.thinned and survey.closed
    assert survey.outliers == pytest.approx(400, rel=0.25)
    info = inspect(tmp_path / "s.npy")
    assert any(problem.startswith("about ") and "outliers" in problem for problem in info.problems)
    assert info.notes == (
        "more than 2,000,000 points: recon mesh cuts the scan into blocks (--blocks off keeps that "
        "many points, evenly spaced)",
    )


@pytest.mark.parametrize("step", [0.0, 0.05])
def test_a_depth_image_is_called_so(step: float, tmp_path: Path) -> None:
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, 80), np.linspace(-0.4, 0.4, 60))
    depth = 2 + 0.5 * np.sin(3 * x) * np.cos(2 * y)
    info = inspect(save(tmp_path / "s.npy", depth_image(np.rint(depth / step) * step if step else depth)))
    assert info.survey.depth_image and info.survey.rounded is (step > 0)
    assert info.survey.closed is False
    note = next(note for note in info.notes if "a depth image taken from the origin" in note)
    assert ("draws its rounded depths anew" in note) is (step > 0)
    assert any("they face the sensors" in problem for problem in info.problems)


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((500, 3)),
        np.linspace(0, 1, 500)[:, None] * [1.0, 2.0, 3.0],
        fibonacci(3),
        fibonacci(200),
        1e140 * fibonacci(400),
        1e-140 * fibonacci(400),
        1e200 * fibonacci(400),
        1.7e308 * fibonacci(400),
        np.where(np.arange(500)[:, None] % 3 == 0, np.nan, fibonacci(500)),
        np.random.default_rng(0).uniform(-1, 1, (600, 3)),
        np.random.default_rng(0).uniform(-1, 1, (600, 3)) * [1, 1, 0],
        np.vstack([1e-9 * fibonacci(400), 1e9 * fibonacci(5)]),
        np.random.default_rng(0).integers(0, 3, (900, 3)).astype(float),
    ],
)
@pytest.mark.parametrize("oriented", [True, False])
def test_any_cloud_is_survived_and_no_line_is_logged(
    points: Float, oriented: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    normals = np.random.default_rng(1).standard_normal(points.shape)
    with caplog.at_level("INFO"):
        info = inspect(
            save(tmp_path / "s.npy", points, normals) if oriented else save(tmp_path / "s.npy", points)
        )
    json.dumps(info.as_dict(), allow_nan=False)
    assert info.lines() and caplog.text == ""


def test_what_is_foretold_is_what_is_done(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    n = fibonacci(4000)
    strewn = rng.uniform(3, 5, (20, 3))
    normals = np.where(rng.random((4020, 1)) < 0.3, -1, 1) * np.vstack([n, strewn])
    path = save(tmp_path / "s.npy", np.vstack([n, strewn]), normals)
    told = inspect(path)
    with caplog.at_level("INFO", "recon"):
        prepared(read_cloud(path), STANDARD.scan)
    assert f"{told.survey.outliers} points" in caplog.text
    done = float(re.search(r"([\d.]+) % of the normals are flipped", caplog.text)[1])
    assert 100 * told.normals.turned == pytest.approx(done, abs=0.5)


@pytest.mark.parametrize(
    ("bad", "says"), [(1900, "face as the others do"), (1990, "all are dropped, and they")]
)
def test_missing_normals_are_said_to_be_estimated(tmp_path: Path, bad: int, says: str) -> None:
    normals = fibonacci()
    normals[:bad] = 0
    (problem,) = inspect(save(tmp_path / "s.npy", fibonacci(), normals)).problems
    assert problem.startswith(f"{bad:,} of 2,000 normals are zero") and says in problem


def test_faults_are_counted(tmp_path: Path) -> None:
    n = fibonacci()
    points, normals = n.copy(), n.copy()
    points[:7] = np.nan
    points[10:15] = points[9]
    normals[20:23] = 0
    info = inspect(save(tmp_path / "s.npy", points, normals))
    assert (info.not_finite, info.duplicates, info.bad_normals) == (7, 5, 3)
    for text in (
        "7 of 2,000 points are not finite",
        "5 of 2,000 points are duplicates",
        "3 of 2,000 normals are zero",
    ):
        assert any(text in problem for problem in info.problems)


def test_what_is_missing_is_a_problem(tmp_path: Path) -> None:
    n = fibonacci(50)
    problems = inspect(save(tmp_path / "s.npy", n)).problems
    assert any("no normals" in problem for problem in problems)
    assert any("too few points" in problem for problem in problems)
    nothing = inspect(save(tmp_path / "nan.npy", np.full((300, 3), np.nan)))
    assert nothing.low is None and nothing.diagonal is None and nothing.spacing is None
    json.dumps(nothing.as_dict(), allow_nan=False)


@pytest.mark.parametrize("scale", [1e-150, 1e145])
def test_what_cannot_be_computed_with_is_a_problem(scale: float, tmp_path: Path) -> None:
    n = fibonacci(300)
    path = save(tmp_path / "s.npy", n * scale, n)
    assert any("to compute with" in problem for problem in inspect(path).problems)
    with pytest.raises(ScanError, match="expected"):
        prepared(read_cloud(path), STANDARD.scan)


def test_a_box_without_size_has_a_diagonal_of_zero(tmp_path: Path) -> None:
    info = inspect(save(tmp_path / "s.npy", np.tile([1.0, 2.0, 3.0], (50, 1))))
    assert any("0 x 0 x 0 from (1, 2, 3), diagonal 0" in line for line in info.lines())


def test_a_large_offset_is_told_with_what_single_precision_loses(tmp_path: Path) -> None:
    n = fibonacci()
    far = n + np.array([0, 5e6, 0])
    (problem,) = inspect(save(tmp_path / "s.npy", far, n)).problems
    rounded = far.astype(np.float32).astype(float) - far
    told = float(problem.rsplit(" ", 1)[1])
    assert 0.5 * told < np.abs(rounded).max() <= 1.05 * told
    assert inspect(save(tmp_path / "s.npy", n + 5e2, n)).problems == ()


def test_sensors_values_and_unit_are_told(tmp_path: Path) -> None:
    n = fibonacci(400)
    rows = np.empty(400, [(name, "f8") for name in (*"xyz", "vx", "vy", "vz", "intensity")])
    for name, column in zip("xyz", n.T, strict=True):
        rows[name], rows[f"v{name}"] = column, np.sign(n[:, 2])
    np.save(tmp_path / "s.npy", rows)
    info = inspect(tmp_path / "s.npy")
    assert (info.sensors, info.values, info.unit) == (2, ("intensity",), None)
    assert "sensors   2 scanner positions" in info.lines()
    assert "values    intensity" in info.lines()
    assert any("they face the sensors" in problem for problem in info.problems)
    path = tmp_path / "s.ptx"
    place = "\n".join(
        ["1\n400", "0 0 0", "1 0 0", "0 1 0", "0 0 1", "1 0 0 0", "0 1 0 0", "0 0 1 0", "0 0 9 1"]
    )
    path.write_text(place + "\n" + "".join(f"{x} {y} {z} 1\n" for x, y, z in n))
    assert "sensors   1 scanner position" in inspect(path).lines()


def test_a_mesh(tmp_path: Path) -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    write_mesh(Mesh(corners, faces), tmp_path / "closed.ply")
    info = inspect(tmp_path / "closed.ply")
    assert (info.kind, info.points, info.faces, info.problems) == ("mesh", 4, 4, ())
    assert info.topology.watertight and info.topology.genus == 0
    assert info.measures.volume == pytest.approx(1 / 6) and info.measures.holes == ()
    assert f"size      area {1.5 + 0.75**0.5:.6g}, volume 0.166667" in info.lines()

    write_mesh(Mesh(corners, faces[:3]), tmp_path / "open.obj")
    info = inspect(tmp_path / "open.obj")
    assert any("3 boundary edges around 1 hole" in problem for problem in info.problems)
    assert "size      area 1.5; 1 hole, its rim 4.243 (1 x 1 x 1)" in info.lines()
    assert json.loads(json.dumps(info.as_dict()))["measures"]["holes"][0]["edges"] == 3
    write_mesh(Mesh(corners, faces[:, ::-1]), tmp_path / "inward.off")
    assert any("inside out" in problem for problem in inspect(tmp_path / "inward.off").problems)
    broken = Mesh(np.where(corners == 1, np.nan, corners), faces)
    write_mesh(broken, tmp_path / "broken.ply")
    info = inspect(tmp_path / "broken.ply")
    assert info.topology.outward is None and info.not_finite == 3 and info.measures is None
    two = Mesh(np.vstack([corners, corners + 5]), np.vstack([faces, faces + 4]))
    write_mesh(two, tmp_path / "two.ply")
    assert any("in 2 parts" in problem for problem in inspect(tmp_path / "two.ply").problems)

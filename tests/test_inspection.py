"""What `inspect` says of a file is so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from recon.geometry import Float, Mesh
from recon.inspection import inspect
from recon.mesh.files import write_mesh


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
    assert info.normals.agreement > 0.999 and info.normals.opposed == 0
    assert info.problems == ()
    assert json.loads(json.dumps(info.as_dict(), allow_nan=False))["diagonal"] == info.diagonal
    assert any("outward" in line for line in info.lines())


def test_an_inward_sphere_is_called_so_in_any_frame(tmp_path: Path) -> None:
    n = fibonacci()
    for scale, shift in ((1.0, 0.0), (1e-6, 1.0), (1e6, -1e8)):
        info = inspect(save(tmp_path / "s.npy", scale * n + shift, -n))
        assert info.normals.outward is False
        assert any("inward" in problem for problem in info.problems)


def test_half_a_sphere_has_no_outside_for_certain(tmp_path: Path) -> None:
    n = fibonacci()
    n = n[n[:, 2] > 0]
    assert inspect(save(tmp_path / "s.npy", n, n)).normals.outward is None


def test_flipped_and_random_normals_are_seen(tmp_path: Path) -> None:
    n = fibonacci()
    rng = np.random.default_rng(0)
    flipped = np.where(rng.random((2000, 1)) < 0.1, -n, n)
    info = inspect(save(tmp_path / "s.npy", n, flipped))
    assert info.normals.opposed == pytest.approx(2 * 0.1 * 0.9, abs=0.02)
    assert any("opposite sides" in problem for problem in info.problems)

    noise = rng.standard_normal((2000, 3))
    info = inspect(save(tmp_path / "s.npy", n, noise / np.linalg.norm(noise, axis=1, keepdims=True)))
    assert info.normals.agreement == pytest.approx(0.5, abs=0.03)  # the mean of |cos| over the sphere
    assert any("fit the points badly" in problem for problem in info.problems)


def test_faults_are_counted(tmp_path: Path) -> None:
    n = fibonacci()
    points, normals = n.copy(), n.copy()
    points[:7] = np.nan
    points[10:15] = points[9]
    normals[20:23] = 0
    info = inspect(save(tmp_path / "s.npy", points, normals))
    assert (info.not_finite, info.duplicates, info.bad_normals) == (7, 5, 3)
    for text in ("7 of 2,000 points are not finite", "5 of 2,000 points repeat", "3 normals are zero"):
        assert any(text in problem for problem in info.problems)


def test_what_is_missing_is_a_problem(tmp_path: Path) -> None:
    n = fibonacci(50)
    problems = inspect(save(tmp_path / "s.npy", n)).problems
    assert any("no normals" in problem for problem in problems)
    assert any("too few points" in problem for problem in problems)
    nothing = inspect(save(tmp_path / "nan.npy", np.full((300, 3), np.nan)))
    assert nothing.low is None and nothing.diagonal is None and nothing.spacing is None
    json.dumps(nothing.as_dict(), allow_nan=False)


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
    assert "sensors   2 places that points were seen from" in info.lines()
    assert "values    intensity" in info.lines()
    assert any("they face the sensors" in problem for problem in info.problems)
    path = tmp_path / "s.ptx"
    place = "\n".join(
        ["1\n400", "0 0 0", "1 0 0", "0 1 0", "0 0 1", "1 0 0 0", "0 1 0 0", "0 0 1 0", "0 0 9 1"]
    )
    path.write_text(place + "\n" + "".join(f"{x} {y} {z} 1\n" for x, y, z in n))
    assert "sensors   1 place that points were seen from" in inspect(path).lines()


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

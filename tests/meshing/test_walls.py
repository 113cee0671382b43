"""Walls are as thick as closed forms say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from schemas import printed

import recon
from recon.cli.main import main
from recon.errors import UsageError
from recon.geometry import Mesh
from recon.meshing.offset import hollowed
from recon.meshing.walls import thicknesses, walls_of


def as_mesh(t: trimesh.Trimesh) -> Mesh:
    return Mesh(t.vertices, t.faces)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e-3, 0.0), (1e3, 5e6)])
def test_a_box_is_as_thick_as_its_sides(scale: float, shift: float) -> None:
    """And the share that is thinner than the second side is that of the faces across the third."""
    box = trimesh.creation.box((2, 1, 0.3))
    mesh = Mesh(scale * box.vertices + shift, box.faces)
    points, found = thicknesses(mesh)
    sides = np.abs((points - shift) / scale)
    within = (sides < np.subtract((1.0, 0.5, 0.15), 1e-3)).sum(1) == 2  # not on an edge
    for axis, (half, thick) in enumerate([(1.0, 2.0), (0.5, 1.0), (0.15, 0.3)]):
        on_it = np.isclose(sides[:, axis], half, atol=1e-6) & within
        assert on_it.any() and np.abs(found[on_it] / scale - thick).max() < 1e-4
    walls = walls_of(mesh, 0.5 * scale)
    assert walls.thin == pytest.approx(4 / (4 + 1.2 + 0.6), abs=0.001)
    assert walls.thinnest == pytest.approx(0.3 * scale, rel=1e-4)


def test_hollow_walls_are_as_thick_as_asked_for() -> None:
    ball = as_mesh(trimesh.creation.icosphere(4))
    _, found = thicknesses(hollowed(ball, 0.1, 0.04))
    assert len(found) > 19_900
    assert found.min() > 0.0995 and found.max() < 0.1025  # along a normal, not the shortest way


def test_a_wedge_is_thin_where_it_is(tmp_path: Path) -> None:
    """Thickness t at x = 1 - t, for a cross-section with legs of 1: thinner than 0.1 is a tenth of it."""
    corners = [[x, y, z] for z in (0, 3) for x, y in ((0, 0), (1, 0), (0, 1))]
    wedge = as_mesh(trimesh.convex.convex_hull(np.array(corners, float)))
    points, found = thicknesses(wedge)
    below = np.isclose(points[:, 1], 0, atol=1e-9) & (found < 0.99)
    assert np.abs(found[below] - (1 - points[below, 0])).max() < 1e-4
    walls = walls_of(wedge, 0.1)
    assert walls.thinnest < 0.01
    assert min(abs(walls.place[0] - 1), abs(walls.place[1] - 1), *walls.place[:2]) < 0.02


def test_open_meshes_and_clouds_have_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ball = as_mesh(trimesh.creation.icosphere(2))
    open_one = ball.select(ball.vertices[:, 2] < 0.5)
    with pytest.raises(UsageError, match="of closed meshes, and this one is open"):
        walls_of(open_one, 0.1)
    recon.write_mesh(ball, tmp_path / "ball.stl")
    np.savetxt(tmp_path / "cloud.xyz", ball.vertices)
    assert main(["info", str(tmp_path / "cloud.xyz"), "--thickness", "1", "--quiet"]) == 1
    assert "points without faces" in capsys.readouterr().err
    assert main(["info", str(tmp_path / "ball.stl"), "--thickness", "3", "--json"]) == 0
    shown = capsys.readouterr()
    assert "walls     100.00% of the surface is thinner than 3; the thinnest is 1." in shown.err
    walls = printed("info", shown.out)["walls"]
    assert walls["wanted"] == 3 and walls["thin"] == 1.0 and 1.8 < walls["thinnest"] < 2
    assert main(["info", str(tmp_path / "ball.stl"), "--json", "--quiet"]) == 0
    assert "walls" not in json.loads(capsys.readouterr().out)
    assert main(["info", str(tmp_path / "ball.stl"), "--thickness=-1"]) == 2

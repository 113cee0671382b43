"""A readable file of every kind and layout, to be damaged."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import laspy
import numpy as np
import pytest
import trimesh

from recon.geometry import Mesh
from recon.mesh.files import write_mesh
from recon.scan.files import READERS

POINTS = np.random.default_rng(0).uniform(-5, 5, (60, 3)).round(3)
TEXT = "".join(f"{x} {y} {z}\n" for x, y, z in POINTS)
PLY = (
    "ply\nformat {} 1.0\nelement vertex {}\n"
    + "".join(f"property double {c}\n" for c in "xyz")
    + "end_header\n"
)
PCD = "VERSION .7\nFIELDS x y z\nSIZE 8 8 8\nTYPE F F F\nWIDTH {}\nHEIGHT 1\nDATA {}\n"
PTX = "6\n10\n0 0 0\n1 0 0\n0 1 0\n0 0 1\n1 0 0 0\n0 1 0 0\n0 0 1 0\n5 6 7 1\n"


@pytest.fixture
def good_files(tmp_path: Path) -> list[Path]:
    """Of 60 points each, or of a mesh of 42 vertices."""
    folder = tmp_path / "good"
    folder.mkdir()
    sphere = trimesh.creation.icosphere(1)
    mesh = Mesh(sphere.vertices, sphere.faces, sphere.vertices, np.full((42, 3), 9))
    for ending in ("ply", "obj", "stl", "off", "glb"):
        write_mesh(mesh, folder / f"mesh.{ending}")
    np.save(folder / "points.npy", POINTS)
    np.savez(folder / "points.npz", points=POINTS, normals=POINTS)
    np.savez_compressed(folder / "packed.npz", points=POINTS)
    for ending in ("xyz", "txt", "csv", "pts", "pwn"):
        (folder / f"points.{ending}").write_text(f"60\n{TEXT}")
    raw = POINTS.astype("<f8").tobytes()
    (folder / "binary.ply").write_bytes(PLY.format("binary_little_endian", 60).encode() + raw)
    (folder / "text.ply").write_text(PLY.format("ascii", 60) + TEXT)
    (folder / "binary.pcd").write_bytes(PCD.format(60, "binary").encode() + raw)
    (folder / "text.pcd").write_text(PCD.format(60, "ascii") + TEXT)
    (folder / "points.obj").write_text("".join(f"v {line}\n" for line in TEXT.splitlines()))
    (folder / "points.ptx").write_text(PTX + TEXT.replace("\n", " 0.5\n"))
    for version, kind in (("1.2", 3), ("1.4", 7)):
        las = laspy.LasData(laspy.LasHeader(point_format=kind, version=version))
        las.header.scales, las.xyz = [0.001] * 3, POINTS
        las.write(folder / f"points{kind}.las")
        las.write(folder / f"points{kind}.laz")
    if importlib.util.find_spec("pye57"):
        import pye57

        with pye57.E57(str(folder / "points.e57"), "w") as file:
            file.write_scan_raw({f"cartesian{c}": POINTS[:, i] for i, c in enumerate("XYZ")})
    missing = set() if importlib.util.find_spec("pye57") else {".e57"}
    paths = sorted(folder.iterdir())
    assert {path.suffix for path in paths} == set(READERS) - missing
    return paths

"""Small readable scans of every kind and layout, to be damaged."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import laspy
import numpy as np
import trimesh
from PIL import Image
from plyfile import PlyData, PlyElement

from recon.geometry import Mesh
from recon.meshing.files import write_mesh
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


def make_good_files(folder: Path) -> list[Path]:
    """Writes files of 60 points each, or of a mesh of 42 vertices, into a new folder."""
    folder.mkdir()
    sphere = trimesh.creation.icosphere(1)
    mesh = Mesh(sphere.vertices, sphere.faces, sphere.vertices, np.full((42, 3), 9))
    for ending in ("ply", "obj", "stl", "off", "glb", "3mf"):
        write_mesh(mesh, folder / f"mesh.{ending}")
    picture = Image.effect_noise((16, 16), 50).convert("RGB")
    sphere.visual = trimesh.visual.TextureVisuals(uv=sphere.vertices[:, :2], image=picture)
    sphere.export(folder / "textured.glb")
    np.save(folder / "points.npy", POINTS)
    np.savez(folder / "points.npz", points=POINTS, normals=POINTS)
    np.savez_compressed(folder / "packed.npz", points=POINTS)
    for ending in ("xyz", "txt", "csv", "pts", "pwn", "asc", "xyzn", "xyzrgb", "neu"):
        (folder / f"points.{ending}").write_text(f"60\n{TEXT}")
    rows = TEXT.strip().replace(" ", ",").splitlines()
    named = ["60", '"Points:0","Points:1","Points:2","what"', *(f'{row},"a, b"' for row in rows)]
    (folder / "named.csv").write_text("\n".join(named))
    raw = POINTS.astype("<f8").tobytes()
    (folder / "binary.ply").write_bytes(PLY.format("binary_little_endian", 60).encode() + raw)
    (folder / "text.ply").write_text(PLY.format("ascii", 60) + TEXT)
    (folder / "binary.pcd").write_bytes(PCD.format(60, "binary").encode() + raw)
    (folder / "text.pcd").write_text(PCD.format(60, "ascii") + TEXT)
    columns = POINTS.astype("<f8").T.tobytes()
    packed = b"".join(
        b"\x1f" + columns[at : at + 32] for at in range(0, len(columns), 32)
    )  # LZF, copies only
    head = PCD.format(10, "binary_compressed").replace("HEIGHT 1", "HEIGHT 6\nVIEWPOINT 1 2 3 1 0 0 0")
    (folder / "packed.pcd").write_bytes(head.encode() + struct.pack("<II", len(packed), 1440) + packed)
    cells = np.empty(21, [("vertex_indices", "O")])
    cells["vertex_indices"] = [np.arange(i, i + 3 + i % 2) for i in range(21)]
    vertices = np.array(
        [(*p, i) for i, p in enumerate(POINTS[:42])], [(c, "f4") for c in (*"xyz", "quality")]
    )
    camera = np.ones(1, [(name, "f4") for name in ("view_px", "view_py", "view_pz", "viewporty")])
    elements = [PlyElement.describe(vertices, "vertex"), PlyElement.describe(camera, "camera")]
    elements.append(PlyElement.describe(cells, "face", len_types={"vertex_indices": "u1"}))
    PlyData(elements, text=True).write(folder / "polygons.ply")
    PlyData(elements, byte_order=">").write(folder / "cells.ply")
    PlyData(elements[:2], byte_order="<").write(folder / "camera.ply")
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

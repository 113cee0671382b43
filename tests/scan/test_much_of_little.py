"""Small files that would become gigabytes, or lead elsewhere, are refused before a library unpacks them."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from recon.errors import ScanError
from recon.geometry import Mesh
from recon.meshing.files import write_mesh
from recon.scan.files import read_any, read_cloud

SPARSE = 1 << 33  # bytes that a file has without taking them on the disk
PLY = "ply\nformat {} 1.0\nelement vertex {}\n{}\nend_header\n"
XYZ = "property float x\nproperty float y\nproperty float z"


def glb(path: Path, **changes: Any) -> None:
    """A sphere whose description is changed: each value is made from the one before."""
    sphere = trimesh.creation.icosphere(3)
    write_mesh(Mesh(sphere.vertices, sphere.faces), path)
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 12)
    scene, rest = json.loads(data[20 : 20 + length]), data[20 + length :]
    scene |= {name: change(scene[name]) for name, change in changes.items()}
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
    path.write_bytes(head + text + rest)


def npy(path: Path, descr: str, shape: str, body: bytes = b"", order: bool = False) -> None:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}}}\n".encode()
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body)


def packed(path: Path, megabytes: int) -> None:
    np.save(path.with_suffix(".npy"), np.zeros((megabytes << 20 >> 3, 1)).reshape(-1, 4)[:, :3])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path.with_suffix(".npy"), "points.npy")


def sparse(path: Path, head: bytes) -> None:
    path.write_bytes(head)
    os.truncate(path, SPARSE)


LISTS = "element face 1\nproperty list {} {} vertex_indices"
FILES = {
    "parts placed again and again.glb": (
        lambda path: glb(path, nodes=lambda nodes: [{"mesh": 0}] * 5000),
        "GB of memory",
    ),
    "parts made of the same bytes.glb": (
        lambda path: glb(path, meshes=lambda meshes: meshes * 5000),
        "GB of memory",
    ),
    "views of the same bytes.glb": (
        lambda path: glb(path, bufferViews=lambda views: views * 10_000),
        "GB of memory",
    ),
    "another file.glb": (
        lambda path: glb(path, buffers=lambda buffers: [{"uri": "../secret", "byteLength": 99}]),
        "in other files",
    ),
    "zeros.npz": (lambda path: packed(path, 96), "fit into memory: 0.0.* GB unpacked"),
    "parts of an array.npy": (lambda path: npy(path, "('<f8', (3,))", "(60,)", bytes(1440)), "its elements"),
    "true.npy": (lambda path: npy(path, "'<f8'", "(True, 3)", bytes(99)), "its shape"),
    "lying.npy": (lambda path: np.save(path, np.zeros((3, 50_000))), "expected a row of x y z"),
    "zeros.xyz": (lambda path: sparse(path, b"1 2 3\n" + 1100 * (b"#" * 999 + b"\n")), "a line of"),
    "zeros.off": (lambda path: sparse(path, b"OFF\n"), "expected the numbers|a line of|not text"),
    "nothing.ply": (
        lambda path: path.write_text(PLY.format("ascii", 9**20, "")),
        "no columns x, y and z|expected",
    ),
    "long list.ply": (
        lambda path: sparse(
            path,
            PLY.format("binary_little_endian", 1, XYZ + "\n" + LISTS.format("uint", "char")).encode()
            + bytes(12)
            + struct.pack("<I", 1 << 31),
        ),
        "a list of 2,147,483,648 values",
    ),
    "broken list.ply": (
        lambda path: path.write_text(PLY.format("ascii", 1, XYZ + "\n" + LISTS.format("float", "int"))),
        "lengths that are not whole",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_little_does_not_become_much(name: str, tmp_path: Path) -> None:
    make, words = FILES[name]
    path = tmp_path / name
    make(path)
    tracemalloc.start()
    try:
        with pytest.raises(ScanError, match=words) as caught:
            read_cloud(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6 and "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["binary_little_endian", "ascii"])
def test_faces_without_corners_take_little_memory(kind: str, tmp_path: Path) -> None:
    """Of one byte or two each, where an object each would take a hundred."""
    count, path = 100_000, tmp_path / "s.ply"
    head = PLY.format(kind, 3, XYZ + "\n" + LISTS.replace("1", str(count)).format("uchar", "int")).encode()
    if kind == "ascii":
        body = b"0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n" + b"0\n" * (count - 1)
    else:
        body = (
            np.eye(3, dtype="<f4").tobytes() + b"\3" + np.arange(3, dtype="<i4").tobytes() + bytes(count - 1)
        )
    path.write_bytes(head + body)
    tracemalloc.start()
    mesh = read_any(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(mesh, Mesh) and mesh.faces.tolist() == [[0, 1, 2]] and peak < 8e6


@pytest.mark.parametrize("ending", ["npy", "obj", "stl", "xyz", "off"])
def test_values_that_are_no_numbers_warn_of_nothing(ending: str, tmp_path: Path) -> None:
    odd = np.array([[np.nan, np.inf, 1e300], [-np.inf, 1e-310, 1e39], [0, 1, 2], [3, 4, 5]])
    faces, path = np.array([[0, 1, 2], [1, 2, 3]]), tmp_path / f"s.{ending}"
    if ending == "npy":
        np.save(path, np.hstack([odd, odd]))
    elif ending == "xyz":
        np.savetxt(path, np.hstack([odd, odd]))
    elif ending == "stl":
        corners = np.zeros((2, 12), "<f4")
        with np.errstate(all="ignore"):
            corners[:, 3:] = odd[faces].reshape(2, 9)
        triangles = b"".join(row.tobytes() + bytes(2) for row in corners)
        path.write_bytes(bytes(80) + struct.pack("<I", 2) + triangles)
    else:
        trimesh.Trimesh(odd, faces, process=False).export(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            assert read_any(path) is not None
        except ScanError as error:
            assert "\n" not in str(error)

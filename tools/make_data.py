"""Make the files of `data/` from the CC0 data that Debian ships in its package libcgal-demo.

    apt-get download libcgal-demo                       # 5.5.1-2 of Debian 12 made the files kept here
    dpkg -x libcgal-demo_*.deb unpacked
    tar -xzf unpacked/usr/share/doc/libcgal-dev/data.tar.gz -C unpacked
    .venv/bin/python tools/make_data.py unpacked/data   # a second argument names another folder to write

The files come out equal, byte for byte, whenever they are made again: sampling is seeded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import trimesh
from numpy.typing import NDArray
from plyfile import PlyData, PlyElement

ORIGIN = "from CGAL's {}, CC0 1.0, by way of Debian's package libcgal-demo"
SCANS = {
    "hippo.ply": "points_3/hippo1.ply",
    "kitten.ply": "points_3/kitten.xyz",
    "oni.ply": "points_3/oni.pwn",
}
SAMPLED = {
    "elephant.ply": "meshes/refined_elephant.off",
    "coupling.ply": "meshes/couplingdown.off",
    "three_peaks.ply": "meshes/three_peaks.off",
}
REFERENCES = {"coupling_reference.ply": "meshes/couplingdown.off"}
SAMPLES = 20_000
SEED = 0

POINT = np.dtype([(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")])
VERTEX = np.dtype([(name, "<f4") for name in ("x", "y", "z")])
FACE = np.dtype([("vertex_indices", "<i4", (3,))])


def read_points(path: Path) -> NDArray:
    """Points and their normals, (n, 6) float64, of a PLY file or of plain text."""
    if path.suffix != ".ply":
        return np.loadtxt(path)
    vertex = PlyData.read(path)["vertex"]
    return np.stack([vertex[name] for name in POINT.fields or ()], axis=1)


def sample(mesh: trimesh.Trimesh) -> NDArray:
    """SAMPLES points uniform on the faces, with the faces' normals, (n, 6) float64."""
    points, faces = trimesh.sample.sample_surface(mesh, SAMPLES, seed=SEED)
    return np.hstack([points, mesh.face_normals[faces]])


def rows(table: NDArray, dtype: np.dtype) -> NDArray:
    """(n, k) numbers as n records of `dtype`, which has k fields of one kind."""
    return np.ascontiguousarray(table, dtype[0]).view(dtype).ravel()


def write(path: Path, origin: str, **elements: NDArray) -> None:
    """A binary little-endian PLY file that says where it is from."""
    described = [PlyElement.describe(array, name) for name, array in elements.items()]
    comments = [ORIGIN.format(origin)]
    PlyData(described, text=False, byte_order="<", comments=comments).write(path)
    print(f"{path}: {', '.join(f'{len(array):,} {name}' for name, array in elements.items())}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path, help="the unpacked folder `data` of libcgal-demo")
    parser.add_argument(
        "target", type=Path, nargs="?", default=Path(__file__).resolve().parent.parent / "data"
    )
    args = parser.parse_args()
    for name, origin in SCANS.items():
        write(args.target / name, origin, vertex=rows(read_points(args.source / origin), POINT))
    for name, origin in SAMPLED.items():
        mesh = trimesh.load(args.source / origin, process=False)
        write(args.target / name, origin, vertex=rows(sample(mesh), POINT))
    for name, origin in REFERENCES.items():
        mesh = trimesh.load(args.source / origin, process=False)
        faces = np.zeros(len(mesh.faces), FACE)
        faces["vertex_indices"] = mesh.faces
        write(args.target / name, origin, vertex=rows(mesh.vertices, VERTEX), face=faces)


if __name__ == "__main__":
    main()

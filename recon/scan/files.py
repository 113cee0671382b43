"""Reads scans: checks the file at a path, then calls the reader for its ending."""

from __future__ import annotations

import difflib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from recon.errors import ScanError, UsageError, check_kind, check_number, reason
from recon.geometry import Mesh, PointCloud
from recon.scan.readers.column_names import listed
from recon.scan.readers.delimited_text import read_pts, read_text
from recon.scan.readers.e57 import read_e57
from recon.scan.readers.gltf import read_glb
from recon.scan.readers.join import join
from recon.scan.readers.las import read_las
from recon.scan.readers.mesh_scans import read_obj, read_off, read_stl, sample_surface
from recon.scan.readers.numpy_arrays import read_npy, read_npz
from recon.scan.readers.pcd import read_pcd
from recon.scan.readers.ply import read_ply
from recon.scan.readers.ptx import read_ptx
from recon.scan.readers.threemf import read_3mf

Reader = Callable[[Path], PointCloud | Mesh]
READERS: dict[str, Reader] = {
    ".ply": read_ply,
    ".pcd": read_pcd,
    ".las": read_las,
    ".laz": read_las,
    ".e57": read_e57,
    ".ptx": read_ptx,
    ".pts": read_pts,
    **dict.fromkeys((".xyz", ".txt", ".csv", ".asc", ".xyzn", ".xyzrgb", ".neu", ".pwn"), read_text),
    ".npy": read_npy,
    ".npz": read_npz,
    ".obj": read_obj,
    ".stl": read_stl,
    ".off": read_off,
    ".glb": read_glb,
    ".3mf": read_3mf,
}
MAX_SAMPLES, MAX_SEED = 10**8, 2**63 - 1
GZIP_MAGIC = b"\x1f\x8b"
# How files of these formats start; no other format starts like one of them.
MAGIC = {
    ".ply": rb"ply[ \t]*[\r\n]",
    ".pcd": rb"(\s*#[^\n]*\n)*\s*(VERSION|FIELDS)\s",
    ".las": rb"LASF",
    ".laz": rb"LASF",
    ".e57": rb"ASTM-E57",
    ".npy": rb"\x93NUMPY",
    ".npz": rb"PK(\x03\x04|\x05\x06)",
    ".off": rb"(\s*#[^\n]*\n)*\s*(ST)?C?N?OFF\s",
    ".glb": rb"glTF",
    ".3mf": rb"PK\x03\x04",
}


def read_cloud(
    path: str | Path, *, samples: int = 100_000, seed: int = 0, columns: str | None = None
) -> PointCloud:
    """Reads the points of a scan.

    They are returned as they stand in the file, including points that are not finite or repeated and normals
    of any length (see `clean`). A mesh is sampled uniformly by area, with the normals of its faces.

    Args:
        path: a scan or a mesh, in a format of `READERS`.
        samples: number of points drawn from a mesh.
        seed: of these draws.
        columns: of a text file, as "x,y,z,-,nx,ny,nz", - for one to pass over.

    Returns:
        A cloud in the world frame.

    Raises:
        ScanError: the file cannot be read.
        UsageError: samples or seed out of range, columns without x, y and z, or of no text file.
    """
    check_number("samples", samples, 1, MAX_SAMPLES, whole=True)
    check_number("seed", seed, 0, MAX_SEED, whole=True)
    content = read_any(path, columns)
    if isinstance(content, PointCloud):
        return content
    return sample_surface(content, samples, seed, str(path))


def read_clouds(
    paths: Sequence[str | Path], *, samples: int = 100_000, seed: int = 0, columns: str | None = None
) -> PointCloud:
    """Reads the scans of one scene as one cloud, in the order of `paths`, each as `read_cloud` does.

    Attributes that not all have are dropped. Raises ScanError, too, if the files state different units.
    """
    files = [] if isinstance(paths, str | Path) or not isinstance(paths, Iterable) else list(paths)
    if not files:
        raise UsageError("read_clouds reads a list of files, one or more")
    clouds = [read_cloud(path, samples=samples, seed=seed, columns=columns) for path in files]
    return join(clouds, f"the scan of {len(clouds)} files")


def read_any(path: str | Path, columns: str | None = None) -> PointCloud | Mesh:
    """Reads a mesh if the file has faces, else a cloud; arguments and errors as `read_cloud`."""
    check_kind("path", path, str | os.PathLike, "a path")
    path = Path(path)
    if columns is not None:
        check_kind("columns", columns, str, "text, as x,y,z,-,nx,ny,nz")
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numpy and libraries, at values that are looked at later
            content = _with_columns(path, reader_of(path), columns)(path)
    except OSError as error:
        raise ScanError(f"cannot read {path}: {error.strerror or error}") from None
    except MemoryError as error:
        raise ScanError(f"{path} does not fit into memory{f': {error}' if str(error) else ''}") from None
    if len(content.points if isinstance(content, PointCloud) else content.faces) == 0:
        raise ScanError(f"{path} holds no points")
    return content


def _with_columns(path: Path, reader: Reader, columns: str | None) -> Reader:
    """The reader of a text file, told its `columns`."""
    if columns is None:
        return reader
    if reader not in (read_text, read_pts):
        raise UsageError(f"columns can be given for text files, and {path} has names for its own")
    if (names := listed(columns)) is None:
        raise UsageError(
            f"the columns {columns[:60]!r} name no x, y and z: expected x,y,z,-,nx,ny,nz or the like"
        )
    return partial(reader, columns=names)


def reader_of(path: Path) -> Reader:
    """Returns the reader for `path`. Raises ScanError unless it is a file that starts as its ending says."""
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # a name too long, or with a zero byte
        raise ScanError(f"cannot read {path}: {reason(error)}") from None
    if not path.exists():
        raise ScanError(f"there is no file {path}{_hint(path)}")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "not a regular file"
        raise ScanError(f"{path} is {what}, expected a scan's file")
    ending = path.suffix.lower()
    if ending not in READERS:
        wanted = " ".join(READERS)
        raise ScanError(f"cannot read {path}: its ending '{path.suffix}' is not one of {wanted}")
    with path.open("rb") as stream:
        head = stream.read(4096)
    if not head:
        raise ScanError(f"{path} is empty")
    if head.startswith(GZIP_MAGIC):
        raise ScanError(f"{path} is compressed with gzip: unpack it first")
    found = [kind for kind, start in MAGIC.items() if re.match(start, head)]
    if found and ending not in found:
        kind = found[0]
        raise ScanError(f"{path} is a {kind[1:].upper()} file by its content: give it the ending {kind}")
    if ending in MAGIC and not found:
        raise ScanError(f"{path} is not a {ending[1:].upper()} file: it does not start like one")
    return READERS[ending]


def _hint(path: Path) -> str:
    """What exists instead: a file of a similar name, or the part of the path that exists."""
    if path.parent.is_dir():
        similar = difflib.get_close_matches(
            path.name, (other.name for other in path.parent.iterdir() if other.exists()), 1
        )
        return f": did you mean {path.parent / similar[0]}?" if similar else f" in the folder {path.parent}"
    existing = next((parent for parent in path.parents if parent.exists()), Path())
    return f": of its path only {existing} exists"

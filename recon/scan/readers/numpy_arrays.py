"""NumPy's arrays: npy, and npz with names."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recon.base.archives import array_bytes, check_arrays
from recon.errors import ScanError, reason
from recon.geometry import PointCloud
from recon.scan.readers.columns import as_colors, from_columns, from_table

# What numpy raises for files that are not as their headers say; of a zip file also NotImplementedError and
# RuntimeError, where a damaged byte names a compression or a cipher that zipfile does not have.
DAMAGED_FILE_ERRORS = (
    *(ValueError, EOFError, OverflowError, KeyError, NotImplementedError, SyntaxError, tokenize.TokenError),
    *(zipfile.BadZipFile, zlib.error, RuntimeError, TypeError, IndexError),
)
NPZ_NAMES = {
    "points": ("points", "xyz", "vertices", "positions"),
    "normals": ("normals", "normal"),
    "colors": ("colors", "color", "rgb"),
}


def read_npy(path: Path) -> PointCloud:
    """Reads an array (n, k) as `from_table`, or records with fields x, y, z and more. Raises ScanError."""
    try:
        with path.open("rb") as stream:
            wanted, there = array_bytes(stream), path.stat().st_size - stream.tell()
        if wanted > there:
            raise ValueError(f"expected {wanted:,} bytes, found {there:,}")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGED_FILE_ERRORS as error:
        raise ScanError(f"{path} is cut short or damaged, or holds objects: {reason(error)}") from None
    return _from_array(path, np.asarray(array))


def read_npz(path: Path) -> PointCloud:
    """Reads arrays points, normals and colors, (n, 3), or a single one as `read_npy`. Raises ScanError."""
    try:
        check_arrays(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {
                kind: file[name]
                for kind, names in NPZ_NAMES.items()
                for name in names
                if name in file.files and file[name].ndim == 2
            }
            single = file[file.files[0]] if len(file.files) == 1 else None
            there = ", ".join(file.files)
    except DAMAGED_FILE_ERRORS as error:
        raise ScanError(f"{path} is cut short or damaged, or holds objects: {reason(error)}") from None
    if "points" not in arrays:
        if single is None:
            raise ScanError(f"{path} has no array 'points', only: {there or 'none'}")
        return _from_array(path, single)
    for kind, array in arrays.items():
        if array.shape != (len(arrays["points"]), 3) or array.dtype.kind not in "fiu":
            what = f"'{kind}' is {array.dtype} of shape {array.shape}"
            raise ScanError(f"{path}: {what}, expected numbers (n, 3)")
    colors = as_colors(arrays["colors"]) if "colors" in arrays else None
    return PointCloud(arrays["points"], arrays.get("normals"), colors, str(path))


def _from_array(path: Path, array: NDArray) -> PointCloud:
    if array.dtype.names:
        columns = {
            name: array[name].ravel() for name in array.dtype.names if array[name].shape == array.shape
        }
        return from_columns(path, columns)
    if array.dtype.kind not in "fiu":
        raise ScanError(f"{path} holds an array of {array.dtype}, expected numbers")
    return from_table(path, array)

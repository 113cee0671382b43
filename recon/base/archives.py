"""Zip archives, as npz files and checkpoints are, measured before anything in them is unpacked."""

from __future__ import annotations

import math
import stat
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

MAX_DEFLATE_RATIO = 1032
FREE_BYTES, BYTES_PER_BYTE = 1 << 26, 20  # that arrays may take unpacked: of tiny files, and by a file's size


def check_stored(path: Path) -> None:
    """Raises OSError or ValueError unless `path` is a regular file, an archive that is not compressed."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is not a regular file")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("its parts are compressed")
    if (total := sum(member.file_size for member in members)) > path.stat().st_size:
        raise ValueError(f"its parts have {total:,} bytes")


def check_arrays(path: Path) -> None:
    """Raises ValueError if an array of an npz file has no room in it, MemoryError if all take too much.

    Also raises what numpy and zipfile raise for damaged files.
    """
    unpacked, size = 0, path.stat().st_size
    with zipfile.ZipFile(path) as file:
        for member in file.infolist():
            with file.open(member) as stream:
                wanted = array_bytes(stream)
            there = min(member.file_size, MAX_DEFLATE_RATIO * member.compress_size)
            if wanted > there:
                raise ValueError(f"expected {wanted:,} bytes of '{member.filename}', found {there:,}")
            unpacked += wanted
    if unpacked > FREE_BYTES + BYTES_PER_BYTE * size:
        raise MemoryError(f"{unpacked / 1e9:.3g} GB unpacked, of {size / 1e6:.3g} MB")


def array_bytes(stream: IO[bytes]) -> int:
    """The length of an npy file's array, read from its header. Raises what numpy does for damaged headers."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject or dtype.subdtype is not None:
        raise ValueError(f"its elements are {dtype}")
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"its shape is {shape}")
    return math.prod((*shape, dtype.itemsize))

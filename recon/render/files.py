"""Picture files, and several pictures as one."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recon.base.files import OnWritten, atomic_path, nothing_more


def png(picture: NDArray[np.uint8]) -> bytes:
    """`picture` (height, width, 3) as the contents of a PNG file."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, format="PNG")
    return out.getvalue()


def write_png(
    picture: NDArray[np.uint8],
    path: str | Path,
    *,
    overwrite: bool = False,
    on_written: OnWritten = nothing_more,
) -> None:
    """Writes `picture` (height, width, 3) as PNG. Raises OutputError if it exists, or the disk refuses."""
    with atomic_path(path, overwrite, on_written) as temporary:
        temporary.write_bytes(png(picture))


def free_path(name: str) -> Path:
    """`name`, or the first of NAME-2, NAME-3, … that does not exist, with its ending."""
    path, number = Path(name), 1
    while path.exists():
        number += 1
        path = path.with_stem(f"{Path(name).stem}-{number}")
    return path


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]]) -> NDArray[np.uint8]:
    """Pictures of one size in rows of one length, as one picture."""
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows])

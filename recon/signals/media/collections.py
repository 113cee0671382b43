"""A folder of pictures as one array of small squares."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recon.base.files import walk
from recon.base.progress import ProgressCallback, no_progress
from recon.errors import SignalError, check_path
from recon.signals.media.images import Picture, read_image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")
MAX_NAMED_FILES = 3  # unreadable files that a warning names

log = logging.getLogger("recon")


def find_images(folder: str | Path) -> list[Path]:
    """All pictures below `folder`, sorted by path, without hidden files. Raises SignalError without any."""
    folder = Path(folder)
    check_path("the folder", folder)
    if not folder.is_dir():
        raise SignalError(
            f"there is no folder {folder}" if not folder.exists() else f"{folder} is not a folder"
        )
    found = sorted(
        path
        for path in walk(folder, on_error=lambda error: log.warning("cannot read %s", error.filename))
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    if not found:
        raise SignalError(f"{folder} holds no pictures: expected {' '.join(IMAGE_SUFFIXES)}")
    return found


def central_square(picture: Picture) -> tuple[int, int, int]:
    """Top, left and side of the square in the middle of a picture."""
    height, width = picture.values.shape[:2]
    side = min(height, width)
    return (height - side) // 2, (width - side) // 2, side


def cropped(picture: Picture, size: int) -> NDArray[np.uint8]:
    """The square in the middle of a picture, (size, size, 3) uint8, without alpha; floats are clipped."""
    top, left, side = central_square(picture)
    values = picture.values[top : top + side, left : left + side]
    values = values[..., : len(picture.channels.removesuffix("A"))]
    bytes_ = np.round(255 * values.clip(0, 1)).astype(np.uint8)
    if bytes_.shape[2] == 1:
        bytes_ = bytes_.repeat(3, axis=2)
    if side == size:
        return bytes_
    return np.asarray(Image.fromarray(bytes_).resize((size, size), Image.Resampling.BICUBIC))


def read_cropped(
    paths: Sequence[Path], size: int, progress: ProgressCallback = no_progress
) -> NDArray[np.uint8]:
    """Pictures as squares (n, size, size, c), c = 1 if all are grey, else 3.

    Unreadable ones are left out with a warning. Raises SignalError if none can be read.
    """
    squares = np.empty((len(paths), size, size, 3), np.uint8)
    wrong: list[str] = []
    for place, path in enumerate(paths):
        try:
            squares[place - len(wrong)] = cropped(read_image(path), size)
        except SignalError as error:
            wrong.append(str(error))
        progress((place + 1) / len(paths), "")
    if wrong:
        more = f" and {len(wrong) - MAX_NAMED_FILES} more" if len(wrong) > MAX_NAMED_FILES else ""
        log.warning("left out, because they cannot be read: %s%s", "; ".join(wrong[:MAX_NAMED_FILES]), more)
    squares = squares[: len(paths) - len(wrong)]
    if not len(squares):
        raise SignalError(f"none of {len(paths)} pictures can be read")
    grey = (squares[..., :1] == squares).all()
    return np.ascontiguousarray(squares[..., :1]) if grey else squares

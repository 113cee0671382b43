"""Frames to a film: MP4 through PyAV, GIF through Pillow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recon.atomic import atomic_path
from recon.errors import MissingLibraryError, UsageError

RATE = 24  # frames a second
QUALITY = "20"  # of H.264, its constant rate factor: lower is better and larger
Frames = Iterator[NDArray[np.uint8]]


def check_movie_path(path: str | Path) -> None:
    """Raises UsageError where the ending of `path` is no film's, and MissingLibraryError where what writes it
    is not installed."""
    ending = Path(path).suffix.lower()
    if ending not in WRITERS:
        raise UsageError(
            f"cannot write {path}: its ending '{Path(path).suffix}' is none of {' '.join(WRITERS)}"
        )
    if ending == ".mp4":
        _av()


def write_movie(frames: Frames, path: str | Path, *, overwrite: bool = False) -> None:
    """Write frames (height, width, 3), all of one size and at least one, as a film that repeats well. Raises
    as `check_movie_path`, and OutputError for a file that is there unless `overwrite`, or where the disk
    refuses."""
    check_movie_path(path)
    with atomic_path(path, overwrite) as temporary:
        WRITERS[temporary.suffix.lower()](frames, temporary)


def _mp4(frames: Frames, path: Path) -> None:
    av = _av()
    with av.open(str(path), "w") as film:
        stream = None
        for frame in frames:
            frame = frame[
                : len(frame) // 2 * 2, : frame.shape[1] // 2 * 2
            ]  # colours are kept for 2 x 2 pixels
            if stream is None:
                stream = film.add_stream("libx264", rate=RATE)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt, stream.options = "yuv420p", {"crf": QUALITY}
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        if stream is not None:
            film.mux(stream.encode())


def _gif(frames: Frames, path: Path) -> None:
    images = [Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE) for frame in frames]
    images[0].save(
        path, format="GIF", save_all=True, append_images=images[1:], duration=1000 / RATE, loop=0, disposal=1
    )


def _av() -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingLibraryError(
            f"MP4 needs PyAV ({error}): bash tools/setup view, or pip install av; a .gif needs nothing"
        ) from None
    return av


WRITERS: dict[str, Callable[[Frames, Path], None]] = {".mp4": _mp4, ".gif": _gif}

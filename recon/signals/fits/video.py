"""A film fitted: coordinates (x, y, t), three outputs."""

import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon.errors import UsageError
from recon.signals.fits.train import Job, save_summary, train
from recon.signals.fitted import Fitted, Levels
from recon.signals.media.quality import psnr
from recon.signals.media.video import check_film_path, open_film, write_film
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.values import values_task


def fit_video(
    source: str | Path,
    job: Job,
    *,
    frames: tuple[int | None, int | None] = (None, None),
    scale: float = 1.0,
    size: tuple[int, int] | None = None,
    rate: float | None = None,
) -> tuple[Fitted, dict[str, Any]]:
    """Fit the film in `source` and write it to `job.out`; returns a summary with the PSNR of its frames, too.

    Frames are decoded once into a file, from which each step takes random pixels; memory does not grow with
    the film's length.

    Args:
        source: a film.
        job: output and settings.
        frames: the first frame to fit and the one after the last.
        scale: of width and height before the fit.
        size: (width, height) of the output, by default as fitted.
        rate: frames a second of the output, by default the film's.

    Raises:
        ReconError: SignalError for a file that is not a film, OutputError, UsageError or FitError.
    """
    began = time.monotonic()
    if not 0 < scale <= 1:
        raise UsageError(f"scale is {scale:g}, expected above 0 and up to 1")
    if rate is not None and not 0.01 <= rate <= 1000:
        raise UsageError(f"a rate of {rate:g} frames a second, expected 0.01 to 1000")
    check_film_path(job.out)
    film = open_film(source)
    start, stop = frames[0] or 0, min(film.frames, film.frames if frames[1] is None else frames[1])
    if not 0 <= start < stop:
        raise UsageError(
            f"frames {start}:{frames[1]} of a film of {film.frames} are empty: expected FIRST:END"
        )
    with tempfile.TemporaryFile() as file:
        pixels, height, width = _decoded(film.frames_of(start, stop, scale=scale), file)
        count = len(pixels) // (height * width)
        longest = max(height, width)
        grid = Grid((count, height, width), (1.0, height / longest, width / longest))
        levels = Levels(0.5, np.full(3, 0.5))

        def table(indices: Tensor) -> Tensor:
            return torch.from_numpy(pixels[indices.numpy()]).float() * (2 / 255) - 1

        task = values_task(grid, table, job.config.samples.batch, job.config.seed, job.where)
        settings = {"frames": [start, stop], "scale": scale}
        fitted = train(job, "video", task, grid, levels, [source], settings, table)
        each = []
        compared = _frames(fitted, count, (width, height), lambda share: job.writing(share / 2, "comparing"))
        for number, frame in enumerate(compared):
            wanted = pixels[number * height * width : (number + 1) * height * width].reshape(height, width, 3)
            each.append(psnr(frame / 255, wanted / 255))
    out_rate = film.rate if rate is None else Fraction(rate).limit_denominator(1001)
    shown = max(1, round(count * out_rate / film.rate))
    wide = size or (width, height)
    written = _frames(fitted, shown, wide, lambda share: job.writing((1 + share) / 2, "writing"))
    write_film(written, job.out, out_rate, **job.writing_to(job.out))
    results = {
        "width": width,
        "height": height,
        "frames": count,
        "rate": float(out_rate),
        "psnr": float(np.mean(each)),
        "psnr_std": float(np.std(each)),
    }
    return fitted, save_summary(job, fitted, began, results)


def _decoded(frames: Iterator[np.ndarray], file: Any) -> tuple[np.ndarray, int, int]:
    """All pixels (n, 3) uint8, in `file`; height and width."""
    height = width = 0
    for frame in frames:
        height, width = frame.shape[:2]
        file.write(np.ascontiguousarray(frame).tobytes())
    file.flush()
    return np.memmap(file, np.uint8, "r").reshape(-1, 3), height, width


def _frames(
    fitted: Fitted, count: int, size: tuple[int, int], report: Callable[[float], None]
) -> Iterator[np.ndarray]:
    """`count` frames (height, width, 3) uint8 of `size` (width, height), evenly in time; reports each."""
    times, rows, columns = fitted.axes((count, size[1], size[0]))
    for number, time_ in enumerate(times, 1):
        values = fitted.on((np.array([time_]), rows, columns))[0]
        report(number / count)
        yield (255 * values.clip(0, 1)).round().astype(np.uint8)

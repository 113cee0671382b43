"""Two pictures blended seamlessly: a field with the gradients of both (Poisson compositing)."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from recon.errors import SignalError
from recon.geometry import Float
from recon.signals.fits.pictures import View, bits_for, picture_grid
from recon.signals.fits.train import Job, save_summary, train, with_levels
from recon.signals.fitted import Fitted, Levels
from recon.signals.media.images import Picture, check_image_path, read_image, read_mask, write_image
from recon.signals.tasks.poisson import gradient_of, gradient_task, mixed_gradient


def fit_blend(
    background: str | Path,
    inserted: str | Path,
    job: Job,
    mask: str | Path | None = None,
    view: View | None = None,
) -> tuple[Fitted, dict[str, Any]]:
    """Fit a composite of two pictures of one size and write it to `job.out`; returns a summary, too.

    Its brightness, which gradients do not determine, is the background's where that is visible.

    Args:
        background: a picture.
        inserted: a picture of the same size.
        job: output and settings.
        mask: a picture of that size, bright where `inserted` goes; by default the stronger gradient counts.
        view: the part and size to write.

    Raises:
        ReconError: SignalError for pictures of different sizes; else as `recon.signals.fits.image.fit_image`.
    """
    began = time.monotonic()
    view = view or View()
    view.check()
    check_image_path(job.out)
    first, second = read_image(background), read_image(inserted)
    if first.values.shape[:2] != second.values.shape[:2]:
        raise SignalError(
            f"{inserted} is {_size(second)} pixels, {background} {_size(first)}: expected the same size"
        )
    inside = None if mask is None else read_mask(mask, first)
    below, above = _alike(first, second)
    bits = bits_for(job.out, Picture(below, min(first.bits, 16)))
    grid = picture_grid(first)
    wanted = mixed_gradient(gradient_of(2 * below, grid), gradient_of(2 * above, grid), inside)
    config = job.config
    task = gradient_task(grid, wanted, config.samples.batch, config.seed, job.where)
    levels = Levels(0.5, np.full(below.shape[2], 0.5))
    inputs = [background, inserted, *([] if mask is None else [mask])]
    fitted = train(job, "blend", task, grid, levels, inputs)
    background_pixels = np.ones(grid.counts, bool) if inside is None or inside.all() else ~inside
    offset = levels.offset + (below - View().of(fitted))[background_pixels].mean(0)
    fitted = with_levels(fitted, Levels(0.5, offset), job.run)
    error = np.sqrt(fitted.snapshot.history[-1]["gradient"])
    write_image(view.of(fitted), job.out, bits, **job.writing_to(job.out))
    results = {
        "width": grid.counts[1],
        "height": grid.counts[0],
        "mask": None if mask is None else str(mask),
        "gradient_error": float(error),
    }
    return fitted, save_summary(job, fitted, began, results)


def _size(picture: Picture) -> str:
    return f"{picture.values.shape[1]} x {picture.values.shape[0]}"


def _alike(first: Picture, second: Picture) -> tuple[Float, Float]:
    """Both without alpha and, if one of them has colours, in colours."""
    values = [p.values[..., : 3 if p.values.shape[2] > 2 else 1] for p in (first, second)]
    channels = max(part.shape[2] for part in values)
    below, above = (np.broadcast_to(part, (*part.shape[:2], channels)) for part in values)
    return below, above

"""A picture from some of its pixels."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.errors import SignalError, UsageError
from recon.signals.fits.pictures import View, bits_for, picture_grid, picture_levels, quality
from recon.signals.fits.train import Job, save_summary, train
from recon.signals.fitted import Fitted
from recon.signals.media.images import check_image_path, read_image, read_mask, write_image
from recon.signals.tasks.inpainting import inpainting_task


def fit_inpaint(
    source: str | Path,
    job: Job,
    mask: str | Path | None = None,
    keep: float | None = None,
    view: View | None = None,
) -> tuple[Fitted, dict[str, Any]]:
    """Fit some pixels of the picture in `source` and write it to `job.out`; returns a summary, too.

    Args:
        source: a picture.
        job: output and settings.
        mask: a picture of its size, bright where pixels are missing.
        keep: instead: the fraction 0..1 of randomly chosen pixels to fit.
        view: the part and size to write.

    Raises:
        ReconError: UsageError for neither or both of mask and keep, SignalError for a mask that leaves
            nothing; else as `recon.signals.fits.image.fit_image`.
    """
    began = time.monotonic()
    view = view or View()
    view.check()
    if (mask is None) == (keep is None):
        raise UsageError(
            "say which pixels are missing: --mask PICTURE, or --keep SHARE to keep some at random"
        )
    if keep is not None and not 0 < keep <= 1:
        raise UsageError(f"keep is {keep:g}, expected a share above 0 and up to 1")
    check_image_path(job.out)
    picture = read_image(source)
    bits = bits_for(job.out, picture)
    grid = picture_grid(picture)
    if keep is None:
        assert mask is not None
        missing = read_mask(mask, picture).ravel()
    else:
        drawn = np.random.default_rng((job.config.seed, 3)).permutation(len(grid))
        missing = np.ones(len(grid), bool)
        missing[drawn[: max(1, round(keep * len(grid)))]] = False
    if missing.all():
        raise SignalError(f"{mask} marks every pixel as missing: expected some dark, known ones")
    known = torch.from_numpy(np.flatnonzero(~missing))
    levels, values = picture_levels(picture)
    settings = job.config.samples
    task = inpainting_task(
        grid,
        torch.tensor(values.reshape(len(grid), -1)[~missing], dtype=torch.float32),
        known,
        settings.batch,
        prior=settings.prior,
        prior_points=settings.prior_points,
        prior_weight=settings.prior_weight,
        footprint=settings.footprint,
        seed=job.config.seed,
        device=job.where,
    )
    inputs = [source, *([] if mask is None else [mask])]
    fitted = train(job, "inpaint", task, grid, levels, inputs, {"keep": keep})
    results = {
        "width": grid.counts[1],
        "height": grid.counts[0],
        "known": len(known),
        "prior": settings.prior,
    }
    results |= quality(fitted, picture, missing)
    write_image(view.of(fitted), job.out, bits, **job.writing_to(job.out))
    return fitted, save_summary(job, fitted, began, results)

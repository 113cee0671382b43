"""A picture fitted: by its values, or by its gradient or Laplacian alone."""

import time
from pathlib import Path
from typing import Any

import torch

from recon.render.figures import check_plots
from recon.render.files import write_png
from recon.signals.fits.pictures import (
    View,
    bits_for,
    derivative_sheet,
    picture_grid,
    picture_levels,
    quality,
    restored_levels,
)
from recon.signals.fits.train import Job, save_summary, train, with_levels
from recon.signals.fitted import Fitted
from recon.signals.media.images import check_image_path, read_image, write_image
from recon.signals.tasks.poisson import gradient_of, gradient_task, laplacian_of, laplacian_task
from recon.signals.tasks.values import values_task


def fit_image(
    source: str | Path, job: Job, mode: str = "image", view: View | None = None, derivatives: bool = False
) -> tuple[Fitted, dict[str, Any]]:
    """Fit the picture in `source` and write it to `job.out`; returns a summary, too.

    Args:
        source: a picture.
        job: output and settings.
        mode: "image"; or "gradient" or "laplacian", the only thing then that the field is fitted to.
        view: the part and size to write, by default the picture's own.
        derivatives: also write OUT.derivatives.png: value and derivatives of fit and input.

    Raises:
        ReconError: SignalError for a file that is not a picture, OutputError, UsageError or FitError.
    """
    began = time.monotonic()
    view = view or View()
    view.check()
    check_image_path(job.out)
    sheet = job.out.with_name(f"{job.out.stem}.derivatives.png")
    if derivatives:
        check_plots()
        job.check_writable(sheet)
    picture = read_image(source)
    bits = bits_for(job.out, picture)
    grid = picture_grid(picture)
    levels, values = picture_levels(picture)
    batch, seed, table = job.config.samples.batch, job.config.seed, None
    if mode == "gradient":
        task = gradient_task(grid, gradient_of(values, grid), batch, seed, job.where)
    elif mode == "laplacian":
        task = laplacian_task(grid, laplacian_of(values, grid), batch, seed, job.where)
    else:
        table = torch.tensor(values.reshape(len(grid), -1), dtype=torch.float32).__getitem__
        task = values_task(grid, table, batch, seed, job.where)
    fitted = train(job, mode, task, grid, levels, [source], table=table)
    results: dict[str, Any] = {
        "width": grid.counts[1],
        "height": grid.counts[0],
        "channels": picture.channels,
    }
    if mode != "image":
        fitted = with_levels(
            fitted, restored_levels(fitted, picture.values, affine=mode == "laplacian"), job.run
        )
        results["fitted_back"] = "a constant" if mode == "gradient" else "a linear function"
    results |= quality(fitted, picture)
    write_image(view.of(fitted), job.out, bits, **job.writing_to(job.out))
    if derivatives:
        write_png(derivative_sheet(fitted, picture), sheet, **job.writing_to(sheet))
        results["derivatives"] = str(sheet)
    return fitted, save_summary(job, fitted, began, results)

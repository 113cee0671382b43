"""`recon learn images`: a space of pictures."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.base.files import atomic_path
from recon.base.progress import ProgressCallback, no_progress
from recon.base.run_files import FOREIGN_VALUE_ERRORS, read_arrays
from recon.base.runs import begin_run
from recon.errors import SignalError
from recon.signals.media.collections import find_images, read_cropped
from recon.spaces.image_scores import scores
from recon.spaces.learn import LearnJob, save_summary, split, train_space
from recon.spaces.learned import Learned
from recon.spaces.picture_sampler import Pictures, PictureSampler
from recon.spaces.task import SpaceTask

TRAINING_CACHE, VALIDATION_CACHE = "images.npz", "validation.npz"  # in the run folder: resized pictures


def learn_images(
    folder: str | Path,
    job: LearnJob,
    validation: str | Path | None = None,
    reading: ProgressCallback = no_progress,
    scoring: ProgressCallback = no_progress,
) -> tuple[Learned, dict[str, Any]]:
    """A space of the pictures in `folder`, in the run folder, and a summary with its errors.

    The errors are those of completing held-out pictures: a share of them, or those in the folder
    `validation`. Raises SignalError, OutputError, UsageError or FitError.
    """
    config = job.config
    wanted = config.learning
    squares = _squares(find_images(folder), wanted.size, job.run / TRAINING_CACHE, reading)
    if validation is None:
        chosen, held_out = split(len(squares), wanted.validation, config.seed)
        known, unseen = squares[chosen], squares[held_out]
    else:
        others = _squares(find_images(validation), wanted.size, job.run / VALIDATION_CACHE, no_progress)
        known, unseen = squares, others
        if known.shape[3] != unseen.shape[3]:
            known, unseen = (part.repeat(3 // part.shape[3], axis=3) for part in (known, unseen))
    channels = known.shape[3]
    sampler = PictureSampler(
        Pictures(known, job.where), wanted.batch, wanted.targets, wanted.halves, config.seed
    )
    task = SpaceTask(sampler, wanted.latent_weight, wanted.weights_weight, config.seed)
    described = {"kind": "images", "axes": 2, "outputs": channels, "channels": channels, "size": wanted.size}
    space, seconds = train_space(job, described, [known, unseen], task)
    results: dict[str, Any] = {
        "pictures": len(known),
        "validation": len(unseen),
        "size": wanted.size,
        "channels": channels,
        "mse": scores(space, known, unseen, config.seed, scoring),
    }
    return space, save_summary(job, space, seconds, results)


def _squares(paths: Sequence[Path], size: int, cache: Path, progress: ProgressCallback) -> NDArray[np.uint8]:
    """The pictures, resized; from `cache` if it holds them, else read, and cached."""
    listing = hashlib.sha256(str(size).encode())
    for path in paths:
        state = path.stat()
        listing.update(os.fsencode(f"{path}\0{state.st_size}\0{state.st_mtime_ns}\n"))
    name = listing.hexdigest()
    try:
        held = read_arrays(cache)
        if str(held["listing"]) == name and held["squares"].dtype == np.uint8:
            return held["squares"].reshape(len(paths), size, size, -1)
    except FOREIGN_VALUE_ERRORS:
        pass  # not there yet, or of other pictures
    squares = read_cropped(paths, size, progress)
    if len(squares) < 2:
        raise SignalError(f"one picture, {paths[0]}, is not a collection: expected two or more")
    begin_run(cache.parent)
    if not cache.exists() or not (cache.parent / "run.json").exists():
        with atomic_path(cache, overwrite=True) as temporary, temporary.open("wb") as stream:
            np.savez(stream, squares=squares, listing=np.array(name))
    return squares

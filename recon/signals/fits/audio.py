"""A sound fitted: one coordinate, time, and an output a channel."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon.errors import UsageError
from recon.render.figures import check_plots, pixels
from recon.render.files import write_png
from recon.render.plots import spectrograms
from recon.signals.fits.train import Job, save_summary, train
from recon.signals.fitted import Fitted, Levels
from recon.signals.media.audio import Sound, check_sound_path, open_sound, write_sound
from recon.signals.media.quality import decibels
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.values import values_task

BLOCK_FRAMES = 1 << 16  # read, evaluated and written at once
TIME_UNITS_PER_SECOND = 30.0  # of the unit frame: frequencies are those of sound at any length
SPECTROGRAM_SECONDS = 60.0  # shown, from the start


def fit_audio(
    source: str | Path, job: Job, rate: int | None = None, spectrogram: bool = False
) -> tuple[Fitted, dict[str, Any]]:
    """Fit the sound in `source` and write it to `job.out`; returns a summary with its SNR, too.

    Memory does not grow with the sound's length: its samples are kept in a file.

    Args:
        source: a sound file.
        job: output and settings.
        rate: samples a second of the output; the source's by default.
        spectrogram: also write OUT.spectrogram.png, of source and fit.

    Raises:
        ReconError: SignalError for a file that is not a sound, OutputError, UsageError or FitError.
    """
    began = time.monotonic()
    if rate is not None and not 1 <= rate <= 10_000_000:
        raise UsageError(f"a rate of {rate} samples a second, expected 1 to 10,000,000")
    check_sound_path(job.out)
    picture = job.out.with_name(f"{job.out.stem}.spectrogram.png")
    if spectrogram:
        check_plots()
        job.check_writable(picture)
    sound = open_sound(source)
    grid = Grid((sound.frames,), (TIME_UNITS_PER_SECOND * sound.seconds / 2,))
    power = error = 0.0
    with tempfile.TemporaryFile() as file:
        samples = np.memmap(file, np.float32, "w+", shape=(sound.frames, sound.channels))
        for start in range(0, sound.frames, BLOCK_FRAMES):
            block = sound.read(start, min(BLOCK_FRAMES, sound.frames - start))
            samples[start : start + BLOCK_FRAMES] = block
            power += float(np.square(block, dtype=np.float64).sum())
        loudness = float(np.sqrt(power / samples.size)) or 1.0

        def table(indices: Tensor) -> Tensor:
            return torch.from_numpy(samples[indices.numpy()]) / loudness

        task = values_task(grid, table, job.config.samples.batch, job.config.seed, job.where)
        levels = Levels(loudness, np.zeros(sound.channels))
        fitted = train(job, "audio", task, grid, levels, [source], table=table)
        for start in range(0, sound.frames, BLOCK_FRAMES):
            found = _values(fitted, sound, start, min(BLOCK_FRAMES, sound.frames - start), sound.rate)
            error += float(np.square(found - samples[start : start + BLOCK_FRAMES]).sum())
    snr = decibels(power, error)
    out_rate = rate or sound.rate
    count = max(1, round(sound.frames * out_rate / sound.rate))
    write_sound(
        _blocks(fitted, sound, count, out_rate), job.out, out_rate, sound.subtype, **job.writing_to(job.out)
    )
    results: dict[str, Any] = {
        "duration": sound.seconds,
        "rate": out_rate,
        "channels": sound.channels,
        "subtype": sound.subtype,
        "snr": snr,
    }
    if spectrogram:
        shown = min(sound.frames, round(SPECTROGRAM_SECONDS * sound.rate))
        both = {"input": sound.read(0, shown), "fit": _values(fitted, sound, 0, shown, sound.rate)}
        write_png(pixels(spectrograms(both, sound.rate)), picture, **job.writing_to(picture))
        results["spectrogram"] = str(picture)
    return fitted, save_summary(job, fitted, began, results)


def _blocks(fitted: Fitted, sound: Sound, count: int, rate: int) -> Iterator[np.ndarray]:
    for start in range(0, count, BLOCK_FRAMES):
        yield _values(fitted, sound, start, min(BLOCK_FRAMES, count - start), rate)


def _values(fitted: Fitted, sound: Sound, start: int, count: int, rate: int) -> np.ndarray:
    """`count` samples (count, channels) from number `start` on, each at the middle of its period."""
    seconds = (start + np.arange(count) + 0.5) / rate
    return fitted.at(TIME_UNITS_PER_SECOND * (seconds - sound.seconds / 2)[:, None])

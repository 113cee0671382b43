"""`recon learn`: from a collection of signals to a space of them, in a run folder; images and shapes."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recon.base.device import choose_device, device_name
from recon.base.provenance import machine_origin
from recon.base.runs import open_run, save_result
from recon.errors import UsageError
from recon.spaces.learned import Learned, new_space
from recon.spaces.settings import SpaceConfig
from recon.spaces.task import SpaceTask
from recon.training.callbacks import TensorBoard
from recon.training.checkpoint import Checkpoint, latest_snapshot
from recon.training.trainer import Callback, fit


@dataclass(frozen=True)
class LearnJob:
    """What a training needs besides its signals; the same run in the folder `run` is resumed."""

    run: Path
    config: SpaceConfig
    device: str = "auto"
    callbacks: Sequence[Callback] = ()
    tensorboard: str | Path | None = None
    origin: Mapping[str, Any] | None = None

    @property
    def where(self) -> torch.device:
        """The device."""
        return choose_device(self.device)


def train_space(
    job: LearnJob, space: Mapping[str, Any], signals: Sequence[NDArray[Any]], task: SpaceTask
) -> tuple[Learned, float]:
    """Train a space on `task`; returns it and the seconds.

    `signals` identify the run; `space` has "kind", "axes", "outputs", "channels" and "size". Raises FitError,
    and UsageError for a run folder of another run.
    """
    config = job.config
    board = TensorBoard(Path(job.tensorboard)) if job.tensorboard else None
    description: dict[str, Any] = {
        "signal": _digest(signals),
        "space": dict(space),
        "config": config.as_dict(),
    }
    description = json.loads(json.dumps(description))
    machine = machine_origin(device_name(job.where), torch.get_num_threads())
    description["origin"] = {**machine, **(job.origin or {})}
    resume = latest_snapshot(job.run) if open_run(job.run, description, "signal") else None
    field = new_space(description, config).to(job.where)
    watchers: list[Callback] = [*job.callbacks, Checkpoint(job.run), *([board] if board else [])]
    start = time.monotonic()
    snapshot = fit(field, task, config.fit, callbacks=watchers, resume=resume)
    seconds = time.monotonic() - start
    return Learned(field, space["kind"], config, snapshot, description), seconds


def split(count: int, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of `count` signals for training and for validation. Raises UsageError if either is empty."""
    order = np.random.default_rng((seed, 5)).permutation(count)
    held_out = max(1, round(share * count))
    if count - held_out < 1:
        raise UsageError(f"{count} signals cannot be split into training and validation")
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def save_summary(job: LearnJob, space: Learned, seconds: float, results: Mapping[str, Any]) -> dict[str, Any]:
    """The summary, `results` and what all spaces have, written to the run as result.json."""
    summary = {
        "run": str(job.run),
        "kind": space.kind,
        "encoder": space.config.encoder.kind,
        "parameters": len(space.space.flat),
        "field_parameters": len(space.space.siren.flat),
        **results,
        "steps": space.snapshot.step,
        "recoveries": space.snapshot.recoveries,
        "seconds": {"train": round(seconds, 2)},
        "seconds_trained": round(space.snapshot.seconds, 2),
    }
    save_result(job.run, summary)
    return summary


def _digest(signals: Sequence[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in signals:
        digest.update(str(array.shape).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()

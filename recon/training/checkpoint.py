"""Snapshots of a training on disk, loaded without executing code, and its history as a table."""

import csv
import dataclasses
import io
import math
import pickle
import time
from pathlib import Path

import torch

from recon.base.files import atomic_path
from recon.base.runs import CHECKPOINT_FILE, HISTORY_FILE
from recon.errors import FitError
from recon.training.trainer import Progress, Snapshot


def save_snapshot(snapshot: Snapshot, path: Path) -> None:
    """Write `snapshot` atomically, replacing an older one. Raises OutputError if the disk refuses."""
    values = {f.name: getattr(snapshot, f.name) for f in dataclasses.fields(snapshot)}
    content = io.BytesIO()
    torch.save(values, content)  # in memory: on a file it does not report a full disk
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_snapshot(path: Path) -> Snapshot:
    """Read what `save_snapshot` wrote, tensors on the CPU. Raises FitError for any other file."""
    try:
        return Snapshot(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise FitError(
            f"{path} is not a checkpoint of this program ({error}): remove it to start over"
        ) from None


def latest_snapshot(folder: Path) -> Snapshot | None:
    """The snapshot from which the training of a run folder resumes; None before its first checkpoint."""
    path = folder / CHECKPOINT_FILE
    return load_snapshot(path) if path.exists() else None


def save_history(snapshot: Snapshot, path: Path) -> None:
    """Write the history as CSV, one row a window of the training."""
    with atomic_path(path, overwrite=True) as temporary, temporary.open("w", newline="") as stream:
        rows = csv.DictWriter(stream, list(snapshot.history[0]) if snapshot.history else ["step"])
        rows.writeheader()
        rows.writerows(snapshot.history)


CHECKPOINT_SECONDS = 15.0  # between two checkpoints


class Checkpoint:
    """The callback that saves snapshot and history to a run folder, at most every `CHECKPOINT_SECONDS`."""

    def __init__(self, folder: Path) -> None:
        self.path, self.history = folder / CHECKPOINT_FILE, folder / HISTORY_FILE
        self.written = -math.inf

    def __call__(self, progress: Progress) -> None:
        """Save, if it is time."""
        if progress.is_last or time.monotonic() - self.written >= CHECKPOINT_SECONDS:
            save_snapshot(progress.snapshot, self.path)
            save_history(progress.snapshot, self.history)
            self.written = time.monotonic()

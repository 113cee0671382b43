"""Snapshots of a training on disk, loaded without executing code, and its history as a table."""

import csv
import dataclasses
import io
import math
import time
import warnings
from pathlib import Path

import torch
from torch import Tensor

from recon.base.archives import check_stored
from recon.base.files import atomic_path
from recon.base.run_files import CHECKPOINT_FILE, reading
from recon.base.runs import HISTORY_FILE
from recon.errors import FitError
from recon.training.trainer import Progress, Snapshot

MAX_STEP, MAX_PARAMETER = 1 << 53, 1e12


def save_snapshot(snapshot: Snapshot, path: Path) -> None:
    """Write `snapshot` atomically, replacing an older one. Raises OutputError if the disk refuses."""
    values = {f.name: getattr(snapshot, f.name) for f in dataclasses.fields(snapshot)}
    content = io.BytesIO()
    torch.save(values, content)  # in memory: on a file it does not report a full disk
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_bytes(content.getbuffer())


def load_snapshot(path: Path) -> Snapshot:
    """Read what `save_snapshot` wrote, tensors on the CPU. Raises FitError for any other file."""
    with reading(path, FitError):
        check_stored(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, at files that it did not write
            snapshot = Snapshot(**torch.load(path, map_location="cpu", weights_only=True))
        _check(snapshot, path.stat().st_size)
        return snapshot


def _check(snapshot: Snapshot, size: int) -> None:
    """Raises TypeError or ValueError for a state that no training has, read from a file of `size` bytes."""
    counts, numbers = (snapshot.step, snapshot.recoveries), (snapshot.seconds, snapshot.rate_scale)
    if not all(type(count) is int and 0 <= count <= MAX_STEP for count in counts):
        raise ValueError(f"step {counts[0]!r}, recoveries {counts[1]!r}")
    if not all(type(number) in (int, float) and 0 <= number < math.inf for number in numbers):
        raise ValueError(f"seconds {numbers[0]!r}, rate {numbers[1]!r}")
    tensors = [value for value in snapshot.field.values() if isinstance(value, Tensor)]
    tensors += [value for value in snapshot.optimizer.values() if isinstance(value, Tensor)]
    if len(tensors) < len(snapshot.field) or sum(tensor.nbytes for tensor in tensors) > size:
        raise ValueError("its tensors are not as a field's")
    if not all((tensor.abs() < MAX_PARAMETER).all() for tensor in snapshot.field.values()):
        raise ValueError("parameters that are not finite, or huge")
    for row in (snapshot.first, snapshot.best, *snapshot.history):
        if not all(isinstance(name, str) and type(value) in (int, float) for name, value in row.items()):
            raise TypeError("its history is not of numbers")


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

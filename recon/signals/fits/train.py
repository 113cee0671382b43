"""From a signal's task to a fitted field with its run folder, for all modes."""

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from recon.base.device import choose_device, device_name
from recon.base.files import check_writable
from recon.base.progress import ProgressCallback, no_progress
from recon.base.provenance import fingerprint, machine_origin
from recon.base.runs import claim, claims, default_run_folder, open_run, save_description, save_result
from recon.errors import UsageError
from recon.field.heads import HeadedField
from recon.field.heads_file import HEADS_FILE, read_heads, save_heads
from recon.field.kernels import fast_kernels
from recon.field.siren import Siren
from recon.signals.fitted import Fitted, Levels
from recon.signals.heads import with_heads
from recon.signals.settings import SignalConfig
from recon.signals.tasks.grid import Grid, Table
from recon.training.callbacks import TensorBoard
from recon.training.checkpoint import Checkpoint, latest_snapshot
from recon.training.constraints import ConstraintTask
from recon.training.trainer import Callback, fit


@dataclass(frozen=True)
class Job:
    """What every mode needs besides its inputs.

    Attributes:
        out: the file to write, its place checked before.
        run: the run folder, which keeps checkpoints; the same run in it is resumed.
        device: "auto", "cpu", "cuda" or "cuda:N".
        solving: called with the share of the heads that are solved for.
        writing: called with the progress of comparing and writing a long result.
    """

    out: Path
    config: SignalConfig
    run: Path
    device: str = "auto"
    overwrite: bool = False
    callbacks: Sequence[Callback] = ()
    tensorboard: str | Path | None = None
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    solving: Callable[[float], None] = lambda share: None
    writing: ProgressCallback = no_progress

    def check_writable(self, path: Path) -> None:
        """Raise OutputError unless `path` can be written, and is new, given up, or this run's own result."""
        check_writable(path, self._may_replace(path))

    def writing_to(self, path: Path) -> dict[str, Any]:
        """The arguments of what writes a result to `path`, which is noted as this run's own."""
        return {"overwrite": self._may_replace(path), "on_written": partial(claim, self.run, path)}

    def _may_replace(self, path: Path) -> bool:
        return self.overwrite or claims(self.run, path)

    @property
    def where(self) -> torch.device:
        """The device."""
        return choose_device(self.device)


def train(
    job: Job,
    mode: str,
    task: ConstraintTask,
    grid: Grid,
    levels: Levels,
    inputs: Sequence[str | Path],
    data: Mapping[str, Any] | None = None,
    table: Table | None = None,
) -> Fitted:
    """Fit a field to `task` of a signal on `grid`; with a `table` of its samples, heads to them, too.

    Files `inputs` and plain `data` identify the signal. Raises FitError, UsageError for a run folder of
    another run or for heads without samples, and MissingLibraryError without TensorBoard.
    """
    if job.config.heads.tile and table is None:
        raise UsageError(f"heads.tile is {job.config.heads.tile:g}, expected 0: mode {mode} has no heads")
    config = job.config.resolved_for(grid.spacing, len(grid.counts))
    board = TensorBoard(Path(job.tensorboard)) if job.tensorboard else None
    prints = [fingerprint(path) for path in inputs]
    signal = hashlib.sha256(json.dumps([mode, [p["sha256"] for p in prints], data]).encode()).hexdigest()
    description = {
        "signal": signal,
        "mode": mode,
        "outputs": len(levels.offset),
        "grid": dataclasses.asdict(grid),
        "levels": _as_dict(levels),
        "config": config.as_dict(),
    }
    description = json.loads(json.dumps(description))
    machine = machine_origin(device_name(job.where), torch.get_num_threads())
    description["origin"] = {**machine, **job.origin, "inputs": prints}
    before = open_run(job.run, description, "signal", default_run_folder(job.out))
    resume = latest_snapshot(job.run) if before else None
    generator = torch.Generator().manual_seed(config.seed)
    field = Siren(config.field, len(grid.counts), len(levels.offset), generator).to(job.where)
    watchers: list[Callback] = [*job.callbacks, Checkpoint(job.run)]
    if board:
        watchers.append(board)
    start = time.monotonic()
    snapshot = fit(field, task, config.fit, callbacks=watchers, resume=resume)
    seconds = {"train": time.monotonic() - start}
    headed = HeadedField(field)
    if config.heads.tile and table is not None:
        headed = _headed(job, field, grid, table)
        seconds["heads"] = time.monotonic() - start - seconds["train"]
    return Fitted(headed, mode, grid, levels, config, snapshot, description, seconds)


def _headed(job: Job, trunk: Siren, grid: Grid, table: Table) -> HeadedField:
    """The trained `trunk` with the heads of the run folder, or with new ones, which are saved there."""
    if (job.run / HEADS_FILE).exists():
        return read_heads(job.run, trunk)
    with fast_kernels():
        found = with_heads(trunk, grid, table, job.config.heads.tile, job.config.seed, job.solving)
    save_heads(found, job.run)
    return found


def with_levels(fitted: Fitted, levels: Levels, run: Path) -> Fitted:
    """The same with `levels`, in the run folder, too."""
    description = {**fitted.description, "levels": _as_dict(levels)}
    save_description(run, description)
    return replace(fitted, levels=levels, description=description)


def save_summary(job: Job, fitted: Fitted, began: float, results: Mapping[str, Any]) -> dict[str, Any]:
    """The summary of a mode, `results` and what all modes share, written to the run as result.json."""
    summary = {
        "mode": fitted.mode,
        "input": [entry["path"] for entry in fitted.description["origin"]["inputs"]],
        "output": str(job.out),
        **results,
        "activation": fitted.config.field.activation,
        "parameters": fitted.field.parameters,
        "steps": fitted.snapshot.step,
        "recoveries": fitted.snapshot.recoveries,
        "seconds": {name: round(value, 2) for name, value in fitted.seconds.items()},
        "seconds_all": round(time.monotonic() - began, 2),
    }
    save_result(job.run, summary)
    return summary


def _as_dict(levels: Levels) -> dict[str, Any]:
    slope = None if levels.slope is None else levels.slope.tolist()
    return {"gain": float(levels.gain), "offset": levels.offset.tolist(), "slope": slope}

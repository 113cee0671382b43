"""From a declared problem to its solution."""

import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from recon.base.device import choose_device, device_name
from recon.base.provenance import machine_origin
from recon.base.runs import open_run, save_description
from recon.field.kernels import fast_kernels
from recon.field.siren import Siren
from recon.pde.last_layer import solve_last_layer
from recon.pde.problem import Problem
from recon.pde.settings import SolveConfig
from recon.pde.solution import Solution
from recon.training.checkpoint import Checkpoint, latest_snapshot
from recon.training.trainer import Callback, fit


def solve(
    problem: Problem,
    config: SolveConfig | None = None,
    *,
    seconds: float | None = None,
    run: str | Path | None = None,
    device: str = "auto",
    callbacks: Sequence[Callback] = (),
    what: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Solution:
    """Train a field on `problem`.

    Args:
        problem: its equations, on parts of a box.
        config: the settings.
        seconds: a time budget instead of their steps.
        run: a folder that keeps checkpoints; the same run in it is resumed.
        device: "auto", "cpu", "cuda" or "cuda:N".
        callbacks: of the training.
        what: plain values that identify this problem, which `run` is checked for, as are its box and
            unknowns. Equations are not: they are code.
        origin: for the run folder.

    Raises:
        UsageError: for a run folder of another problem or settings.
        OutputError: if the folder cannot be written.
        FitError: if training fails.
    """
    config = config or SolveConfig()
    if seconds is not None:
        config = config.with_(fit={"seconds": seconds})
    where = choose_device(device)
    watchers, resume = list(callbacks), None
    description = {
        "problem": {"equations": list(problem.equations), **(what or {})},
        "units": dataclasses.asdict(problem.units),
        "outputs": problem.outputs,
        "config": config.as_dict(),
    }
    description = json.loads(json.dumps(description))
    description["origin"] = {**machine_origin(device_name(where), torch.get_num_threads()), **(origin or {})}
    if run is not None:
        run = Path(run)
        resume = latest_snapshot(run) if open_run(run, description, "problem") else None
        watchers.append(Checkpoint(run))
    generator = torch.Generator().manual_seed(config.seed)
    field = Siren(config.field, len(problem.box), problem.outputs, generator).to(where)
    began = time.monotonic()
    task = problem.task(config.seed, where, field)
    snapshot = fit(field, task, config.fit, callbacks=watchers, resume=resume)
    exact = False
    if problem.linear:
        with fast_kernels():
            exact = solve_last_layer(field, problem, config.seed)
    solution = Solution(field, problem.units, snapshot, exact, time.monotonic() - began)
    if run is not None:
        solution.save(run)
        save_description(run, {**description, "exact": exact})
    return solution

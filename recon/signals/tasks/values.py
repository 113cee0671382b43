"""Samples fitted as they are: images, audio, video. data: ‖Φ - f‖² (Sitzmann et al. 2020, section 4.1)."""

import torch
from torch import Tensor

from recon.base.settings import Schedule
from recon.field.jet import Jet
from recon.signals.tasks.grid import Grid, Table, grid_sampler
from recon.training.constraints import Constraint, ConstraintTask


def squared_error(jet: Jet, target: Tensor) -> Tensor:
    """(n,): ‖Φ - f‖², f (n, k)."""
    return (jet.value - target).square().sum(1)


def values_task(
    grid: Grid, table: Table, batch: int, seed: int = 0, device: torch.device | str = "cpu"
) -> ConstraintTask:
    """Φ = f at the samples of `grid`; `table` gives the values (n, k)."""
    sample = grid_sampler(grid, table, batch, seed, device)
    return ConstraintTask({"data": Constraint(sample, squared_error, Schedule.constant(1.0))}, seed, device)

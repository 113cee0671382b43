"""Shared by the named problems: their folder, what is written there, errors against a reference."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.base.archives import array_bytes
from recon.base.files import atomic_path
from recon.base.progress import ProgressCallback, no_progress
from recon.base.provenance import fingerprint
from recon.base.run_files import FOREIGN_VALUE_ERRORS
from recon.base.runs import check_run_folder, clear_run, save_result
from recon.errors import SignalError
from recon.pde.media import Map, named_medium
from recon.pde.problem import Problem
from recon.pde.settings import SolveConfig
from recon.pde.solution import Solution
from recon.pde.solver import solve
from recon.render.figures import check_plots
from recon.signals.media.paths import check_readable
from recon.training.trainer import Callback

ARRAYS_FILE, PICTURE_FILE = "solution.npz", "picture.png"
MAX_MAP_SIDE = 4096  # values


@dataclass(frozen=True)
class SolveJob:
    """What every problem needs besides its own parameters.

    Attributes:
        out: the folder to write; the same run in it is resumed.
        device: "auto", "cpu", "cuda" or "cuda:N".
        reference: called with the progress of the reference solution.
    """

    out: Path
    config: SolveConfig
    device: str = "auto"
    overwrite: bool = False
    callbacks: Sequence[Callback] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    reference: ProgressCallback = no_progress

    def begin(self) -> None:
        """Check the folder, and remove a run there that `overwrite` gives up.

        Raises OutputError if it holds other things, MissingLibraryError if no picture can be made.
        """
        check_plots()
        check_run_folder(self.out)
        if self.overwrite and self.out.exists():
            clear_run(self.out)

    def solve(self, problem: Problem, what: Mapping[str, Any]) -> Solution:
        """Solve `problem`, which `what` identifies."""
        return solve(
            problem,
            self.config,
            run=self.out,
            device=self.device,
            callbacks=self.callbacks,
            what=what,
            origin=self.origin,
        )

    def finish(
        self, solution: Solution, began: float, results: Mapping[str, Any], arrays: Mapping[str, NDArray]
    ) -> dict[str, Any]:
        """Write `arrays` and the summary, `results` and what all problems have; return the summary."""
        with atomic_path(self.out / ARRAYS_FILE, overwrite=True) as temporary:
            np.savez_compressed(temporary, allow_pickle=False, **arrays)
        summary = {
            **results,
            "output": str(self.out),
            "activation": self.config.field.activation,
            "parameters": len(solution.field.flat),
            "steps": solution.snapshot.step,
            "last_layer_solved": solution.exact,
            "seconds": {"train": round(solution.seconds, 2)},
            "seconds_all": round(time.monotonic() - began, 2),
        }
        save_result(self.out, summary)
        return summary


def read_map(path: str | Path, half: float, what: str) -> Map:
    """A map from a square array in a .npy file, of `what`. Raises SignalError for anything else."""
    check_readable(path, f"a .npy file with {what}")
    try:
        with Path(path).open("rb") as stream:
            if array_bytes(stream) > Path(path).stat().st_size:
                raise ValueError
        table = np.load(path, allow_pickle=False)
    except FOREIGN_VALUE_ERRORS:
        raise SignalError(f"{path} is not a .npy file of numbers, expected one with {what}") from None
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not 2 <= len(table) <= MAX_MAP_SIDE:
        raise SignalError(
            f"{path} is an array {table.shape}, expected a square one of 2 to {MAX_MAP_SIDE} a side"
        )
    if table.dtype.kind not in "fiu":
        raise SignalError(f"{path} holds {table.dtype}, expected real numbers")
    if not np.isfinite(table).all():
        raise SignalError(f"{path} has {np.count_nonzero(~np.isfinite(table)):,} values that are not finite")
    return Map(table.astype(np.float64), half)


def read_medium(medium: str, half: float) -> tuple[Map, Any]:
    """The slowness of a named medium, or of a .npy file; and what identifies it.

    Raises UsageError for another name, SignalError for a file that is no map of values above 0.
    """
    if not medium.lower().endswith(".npy"):
        return named_medium(medium, half), medium
    found = read_map(medium, half, "slowness 1/c")
    if not found.table.min() > 0:
        raise SignalError(f"{medium} has a slowness of {found.table.min():g}, expected all above 0")
    return found, fingerprint(medium)["sha256"]


def relative_error(found: NDArray, wanted: NDArray) -> float:
    """The L2 norm of the difference over that of `wanted`."""
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))

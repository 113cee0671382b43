"""A fitted signal: a field that can be evaluated anywhere."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.base.device import choose_device
from recon.base.run_files import RUN_FILE, parameter_file, read_description, reading
from recon.errors import FitError, ScanError, SignalError, check_path
from recon.field.heads import HeadedField
from recon.field.heads_file import read_heads
from recon.field.jet import VALUE, Jet, Order
from recon.field.kernels import fast_kernels
from recon.field.siren import Siren
from recon.geometry import Float, checked_rows
from recon.signals.settings import SignalConfig
from recon.signals.tasks.grid import Grid
from recon.training.checkpoint import load_snapshot
from recon.training.trainer import Snapshot

CHUNK_POINTS = 1 << 14  # points evaluated at once


@dataclass(frozen=True, eq=False)
class Levels:
    """From the field's outputs to the signal's values: gain Φ + offset + slope · x.

    `offset` (k,) and `slope` (k, m) restore what a fit to derivatives alone has lost.
    """

    gain: float
    offset: Float
    slope: Float | None = None

    def values(self, outputs: Float, points: Float) -> Float:
        """(n, k) of outputs (n, k) at points (n, m)."""
        values = self.gain * outputs + self.offset
        return values if self.slope is None else values + points @ self.slope.T


@dataclass(frozen=True, eq=False)
class Fitted:
    """A field fitted to a signal on `grid`.

    Attributes:
        mode: image, gradient, laplacian, blend, inpaint, audio or video.
        levels: from outputs to values: 0 to 1 for images, as in the file for audio.
        config: the settings, those that depend on the signal resolved.
    """

    field: HeadedField
    mode: str
    grid: Grid
    levels: Levels
    config: SignalConfig
    snapshot: Snapshot
    description: dict[str, Any]
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    def at(self, points: Float) -> Float:
        """The signal's values (n, k) float64 at points (n, m) of the unit frame: (t), (x, y) or (x, y, t)."""
        found = self.jet(points, VALUE).value.double().cpu().numpy()
        return self.levels.values(found, np.asarray(points, np.float64))

    def jet(self, points: Float, order: Order) -> Jet:
        """Outputs and derivatives there, in the unit frame; `levels` not applied. Raises ShapeError."""
        points = checked_rows(points, np.float64, len(self.grid.counts), "points")
        where = torch.as_tensor(points.copy(), dtype=torch.float32, device=self.field.device)
        with torch.no_grad(), fast_kernels():
            parts = [self.field.jet(part, order) for part in where.split(CHUNK_POINTS)]
        stacked = [
            torch.cat([getattr(p, name) for p in parts], -2) for name in ("value", "gradient", "second")
        ]
        return Jet(*stacked)

    def on(self, axes: Sequence[Float]) -> Float:
        """The values (…, k) on the product of `axes`, in the order of an array's: rows before columns."""
        mesh = np.meshgrid(*axes, indexing="ij")
        points = np.stack([part.ravel() for part in reversed(mesh)], axis=1)
        return self.at(points).reshape(*mesh[0].shape, -1)

    def axes(
        self, counts: Sequence[int] | None = None, box: Sequence[tuple[float, float]] | None = None
    ) -> list:
        """For `on`: the centres of `counts` cells of `box`, (low, high) an axis in samples."""
        counts = counts or self.grid.counts
        box = box or [(0.0, float(count)) for count in self.grid.counts]
        found = []
        for count, (low, high), samples, half in zip(
            counts, box, self.grid.counts, self.grid.halves, strict=True
        ):
            places = low + (np.arange(count) + 0.5) * (high - low) / count
            found.append((2 * places / samples - 1) * half)
        return found


def load_fit(folder: str | Path, device: str | torch.device = "cpu") -> Fitted:
    """The fit of a run folder of `recon fit --run`, finished or not.

    Raises:
        SignalError: if `folder` is not one.
        FitError: if its checkpoint or its heads are damaged.
        UsageError: if there is no such device.
    """
    folder, where = check_path("folder", folder), choose_device(device)
    try:
        description = read_description(folder)
        saved, outputs, mode = description["levels"], description["outputs"], description["mode"]
    except (ScanError, KeyError):
        raise SignalError(
            f"{folder} is not a run folder of `recon fit`: `recon fit … --run DIR` makes one"
        ) from None
    with reading(folder / RUN_FILE, SignalError):
        grid = Grid(tuple(description["grid"]["counts"]), tuple(description["grid"]["halves"]))
        slope = None if saved["slope"] is None else np.array(saved["slope"], np.float64)
        levels = Levels(float(saved["gain"]), np.array(saved["offset"], np.float64), slope)
        config = SignalConfig.from_dict(description["config"])
        if levels.offset.shape != (outputs,) or (
            slope is not None and slope.shape != (outputs, len(grid.counts))
        ):
            raise ValueError(f"levels of {levels.offset.shape}, outputs {outputs!r}")
        if not all(type(count) is int and count > 0 for count in grid.counts) or not min(grid.halves) > 0:
            raise ValueError(f"a grid of {grid.counts} samples in {grid.halves}")
    snapshot = load_snapshot(path := parameter_file(folder, SignalError))
    with reading(path, FitError):
        siren = Siren.restored(config.field, snapshot.field, len(grid.counts), outputs)
    return Fitted(read_heads(folder, siren.to(where)), mode, grid, levels, config, snapshot, description)

"""A solved problem: unknowns that can be evaluated anywhere, with derivatives."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from recon.base.run_files import RUN_FILE, parameter_file, read_description, reading
from recon.errors import FitError, ScanError, SignalError
from recon.field.derivatives import jet
from recon.field.jet import VALUE, Jet, Order
from recon.field.kernels import fast_kernels
from recon.field.siren import Siren
from recon.geometry import Float
from recon.pde.problem import Units
from recon.pde.settings import SolveConfig
from recon.training.checkpoint import load_snapshot, save_snapshot
from recon.training.trainer import Snapshot

FIELD_FILE = "field.pt"  # in a run folder: the field after training and the solve for its last layer
CHUNK_POINTS = 1 << 14  # points evaluated at once


@dataclass(frozen=True, eq=False)
class Solution:
    """The unknowns of a problem; `exact` if the last layer was solved for after the training."""

    field: Siren
    units: Units
    snapshot: Snapshot
    exact: bool
    seconds: float

    def at(self, points: ArrayLike) -> Float:
        """The unknowns (n, k) float64 at points (n, m) of the problem's coordinates."""
        return self.jet(points, VALUE).value.double().cpu().numpy()

    def jet(self, points: ArrayLike, order: Order) -> Jet:
        """The unknowns and their derivatives there, in the problem's coordinates and units, float32."""
        where = torch.as_tensor(np.asarray(points, np.float64))
        unit = self.units.to_unit(where).float().to(self.field.flat.device)
        with torch.no_grad(), fast_kernels():
            parts = [self.units.jet(jet(self.field, part, order)) for part in unit.split(CHUNK_POINTS)]
        names = [field.name for field in dataclasses.fields(Jet)]
        return Jet(*(torch.cat([getattr(part, name) for part in parts], -2) for name in names))

    def on(self, *axes: ArrayLike) -> Float:
        """The unknowns (…, k) on the product of coordinates, one array for each of them in their order."""
        mesh = np.meshgrid(*(np.asarray(axis, np.float64) for axis in axes), indexing="ij")
        return self.at(np.stack([part.ravel() for part in mesh], 1)).reshape(*mesh[0].shape, -1)

    def save(self, folder: Path) -> None:
        """Write the field into the run folder, where `load_solution` finds it."""
        state = {name: value.cpu() for name, value in self.field.state_dict().items()}
        save_snapshot(dataclasses.replace(self.snapshot, field=state, optimizer={}), folder / FIELD_FILE)


def load_solution(folder: str | Path, device: str | torch.device = "cpu") -> Solution:
    """The solution that `recon solve -o FOLDER` or `recon.pde.solve(…, run=FOLDER)` left.

    Raises:
        SignalError: if there is none.
        FitError: if its field is damaged.
    """
    folder = Path(folder)
    try:
        description = read_description(folder)
        saved, outputs, config = description["units"], description["outputs"], description["config"]
    except (ScanError, KeyError):
        raise SignalError(f"{folder} holds no solution: `recon solve … -o FOLDER` makes one") from None
    with reading(folder / RUN_FILE, SignalError):
        size = saved["size"]
        units = Units(
            tuple((float(low), float(high)) for low, high in saved["box"]),
            tuple(map(float, size)) if isinstance(size, list) else float(size),
        )
        settings = SolveConfig().with_(field=config["field"]).field
    snapshot = load_snapshot(path := parameter_file(folder, SignalError, FIELD_FILE))
    with reading(path, FitError):
        field = Siren.restored(settings, snapshot.field, len(units.box), outputs)
    exact = description.get("exact") is True
    return Solution(field.to(device), units, snapshot, exact, snapshot.seconds)

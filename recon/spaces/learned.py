"""A trained space of functions: from some samples to a field."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recon.base.device import choose_device
from recon.base.run_files import RUN_FILE, parameter_file, read_description, reading
from recon.errors import FitError, ScanError, SignalError, check_path
from recon.field.kernels import fast_kernels
from recon.spaces.encoders import Observation
from recon.spaces.hypernetwork import Space
from recon.spaces.settings import SpaceConfig
from recon.training.checkpoint import load_snapshot
from recon.training.trainer import Snapshot

MAX_SIZE = 512  # pixels a side, axes, channels
CHUNK_SIGNALS = 64  # encoded at once
CHUNK_POINTS = 1 << 16  # evaluated at once


@dataclass(frozen=True, eq=False)
class Learned:
    """A trained space of functions; its `kind` is "images" or "shapes"."""

    space: Space
    kind: str
    config: SpaceConfig
    snapshot: Snapshot
    description: Mapping[str, Any]

    @property
    def device(self) -> torch.device:
        """The device of the space."""
        return self.space.flat.device

    @torch.no_grad()
    def latents(self, seen: Observation) -> Tensor:
        """(b, latent) of what is known of b signals."""
        with fast_kernels():
            parts = zip(
                *(part.split(CHUNK_SIGNALS) for part in (seen.points, seen.values, seen.known)), strict=True
            )
            return torch.cat([self.space.encode(Observation(*part)) for part in parts])

    @torch.no_grad()
    def weights(self, latents: Tensor) -> Tensor:
        """(b, p): the parameters of their fields."""
        return self.space.weights(latents)

    @torch.no_grad()
    def values(self, weights: Tensor, x: Tensor) -> Tensor:
        """(b, n, k): fields with these parameters at x (n, m), or (b, n, m)."""
        with fast_kernels():
            some = max(1, CHUNK_POINTS // max(1, x.shape[-2]))
            if x.dim() == 3:
                pairs = zip(weights.split(some), x.split(some), strict=True)
                return torch.cat([self.space.values(part, at) for part, at in pairs])
            rows = [
                torch.cat([self.space.values(part, at) for at in x.split(CHUNK_POINTS)], dim=1)
                for part in weights.split(some)
            ]
            return torch.cat(rows)


def new_space(description: Mapping[str, Any], config: SpaceConfig) -> Space:
    """The untrained space that a run folder describes."""
    kind = description["space"]
    generator = torch.Generator().manual_seed(config.seed)
    return Space(config, kind["axes"], kind["outputs"], kind["channels"], kind["size"], generator)


def load_space(folder: str | Path, device: str | torch.device = "cpu") -> Learned:
    """The space of a run folder of `recon learn`, finished or not.

    Raises SignalError if `folder` is not one, FitError if its checkpoint is damaged, UsageError if there is
    no such device.
    """
    folder, where = check_path("folder", folder), choose_device(device)
    try:
        description = read_description(folder)
        kind = description["space"]["kind"]
    except (ScanError, KeyError, TypeError):
        raise SignalError(
            f"{folder} is not a run folder of `recon learn`: `recon learn images FOLDER -o DIR` makes one"
        ) from None
    with reading(folder / RUN_FILE, SignalError):
        config = SpaceConfig.from_dict(description["config"])
        numbers = [description["space"][name] for name in ("axes", "outputs", "channels", "size")]
        if kind not in ("images", "shapes") or not all(
            type(n) is int and 0 <= n <= MAX_SIZE for n in numbers
        ):
            raise ValueError(f"a space of {kind!r} with {numbers}")
    snapshot = load_snapshot(path := parameter_file(folder, SignalError))
    with reading(path, FitError):
        predicted = config.field.units**2 * config.field.hidden * config.encoder.hidden
        if snapshot.field["flat"].numel() < predicted:  # before they are allocated
            raise ValueError(
                f"{snapshot.field['flat'].numel():,} parameters, expected {predicted:,} and more"
            )
        space = new_space(description, config)
        space.load_state_dict(snapshot.field)
    return Learned(space.to(where), kind, config, snapshot, description)

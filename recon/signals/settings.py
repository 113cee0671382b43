"""The settings of `recon fit`, by mode and preset; docs/signals.md explains the values."""

from dataclasses import dataclass, replace

from recon.base.settings import StagedConfig, setting
from recon.errors import UsageError
from recon.field.settings import FieldConfig
from recon.training.settings import FitConfig

# Of the first layer for sounds: highest over lowest frequency; rad from a sample to the next of the highest,
# two thirds of Nyquist's π, as higher ones oscillate between samples.
MAX_AUDIO_SPREAD, AUDIO_PHASE_PER_SAMPLE = 300.0, 2.1


@dataclass(frozen=True)
class SamplesConfig:
    """What a step of training sees of a signal."""

    batch: int = setting(8192, "samples a step", within=(1, 1e8))
    prior: str = setting(
        "tv", "what an inpainted picture is taken to be like", choices=("none", "tv", "hessian")
    )
    prior_weight: float = setting(0.02, "weight of the prior", within=(0.0, 1e9))
    prior_points: int = setting(2048, "points of the prior a step", within=(1, 1e8))
    footprint: int = setting(
        1, "points that a known pixel is the average of, when inpainting; 1: its centre", within=(1, 4096)
    )


@dataclass(frozen=True)
class HeadsConfig:
    """Heads for the samples, and their tiles."""

    tile: float = setting(0.0, "edge of a tile's cell, in samples; 0: no heads", within=(0.0, 1e9))


@dataclass(frozen=True)
class SignalConfig(StagedConfig):
    """All stages of a fit to a signal."""

    field: FieldConfig = FieldConfig(width=256)
    samples: SamplesConfig = SamplesConfig()
    fit: FitConfig = FitConfig(steps=1000, rate=1e-3, warmup=20, watch=False)
    heads: HeadsConfig = HeadsConfig()

    def check(self) -> None:
        """Raise UsageError for a value out of range, or a tile smaller than a sample."""
        super().check()
        if 0 < self.heads.tile < 1:
            raise UsageError(f"heads.tile is {self.heads.tile:g}, expected 0 or at least 1")

    def resolved_for(self, spacing: float, axes: int) -> "SignalConfig":
        """With the settings that depend on the signal; its samples are `spacing` apart in the unit frame."""
        field = self.field
        if axes == 1 and field.spread is None:
            spread = AUDIO_PHASE_PER_SAMPLE / (field.omega_first * spacing)
            field = replace(field, spread=min(max(spread, 1.0), MAX_AUDIO_SPREAD))
        return replace(self, field=field.resolved_for(spacing))


_PICTURE = SignalConfig()
STANDARD: dict[str, SignalConfig] = {
    "image": _PICTURE.with_(fit={"steps": 200}, heads={"tile": 8.0}),
    "gradient": _PICTURE.with_(field={"omega_first": 20.0, "spread": 1.0}, fit={"rate": 3e-4}),
    "laplacian": _PICTURE.with_(field={"omega_first": 20.0, "spread": 1.0}, fit={"rate": 3e-4}),
    "blend": _PICTURE.with_(field={"omega_first": 20.0, "spread": 1.0}, fit={"rate": 3e-4}),
    "inpaint": _PICTURE.with_(field={"omega_first": 10.0, "spread": 1.0}, fit={"rate": 3e-4}),
    "audio": _PICTURE.with_(
        field={"width": 128, "omega_first": 10.0}, fit={"steps": 100, "rate": 5e-4}, heads={"tile": 64.0}
    ),
    "video": _PICTURE.with_(fit={"steps": 200}, heads={"tile": 6.0}),
}

# The published method: its optimiser and rate, all of a picture in each step or 0.38 % of a film.
_PUBLISHED = {
    "optimizer": "adam",
    "rate": 1e-4,
    "decay": "constant",
    "warmup": 0,
    "beta2": 0.999,
    "clip": 1e9,
}
_PUBLISHED_FIELD = {"omega_first": 30.0, "spread": 1.0}
PRESETS: dict[str, dict[str, SignalConfig]] = {
    "draft": {mode: c.with_(fit={"steps": c.fit.total // 4}) for mode, c in STANDARD.items()},
    "standard": STANDARD,
    "fine": {
        mode: c.with_(fit={"steps": 4 * c.fit.total}, field={"width": 3 * c.field.units // 2})
        for mode, c in STANDARD.items()
    },
    "paper": {
        mode: c.with_(
            field=_PUBLISHED_FIELD | ({"width": 1024} if mode == "video" else {"width": 256}),
            samples={"batch": 163_000 if mode == "video" else 1 << 22},
            fit=_PUBLISHED | {"steps": 9000 if mode == "audio" else 100_000 if mode == "video" else 15_000},
            heads={"tile": 0.0},
        )
        for mode, c in STANDARD.items()
    },
}

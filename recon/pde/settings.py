"""The settings of `recon solve`, by problem and preset; docs/pde.md explains the values."""

from dataclasses import dataclass

from recon.base.settings import StagedConfig, setting
from recon.field.settings import FieldConfig
from recon.training.settings import FitConfig


@dataclass(frozen=True)
class DrawnConfig:
    """What a step of training sees of a problem's domain."""

    points: int = setting(
        2048, "points of the box a step; of an inverse problem, as many more inside the ring", within=(2, 1e8)
    )
    near: int = setting(512, "more around the sources, or at the start of a wave", within=(1, 1e8))
    sides: int = setting(256, "at the sides of a wave's square", within=(4, 1e8))


@dataclass(frozen=True)
class SolveConfig(StagedConfig):
    """All stages of a solution."""

    field: FieldConfig = FieldConfig(omega_first=10.0, spread=1.0)
    drawn: DrawnConfig = DrawnConfig()
    fit: FitConfig = FitConfig(steps=6000, rate=1e-3, warmup=20, watch=False)


STANDARD: dict[str, SolveConfig] = {
    "helmholtz": SolveConfig().with_(field={"omega_first": 15.0}, fit={"steps": 4000}),
    "wave": SolveConfig().with_(field={"omega_first": 8.0}, fit={"steps": 4000}),
    "inverse": SolveConfig().with_(field={"omega_first": 8.0}, drawn={"points": 1024}, fit={"steps": 4000}),
}

# The published method: its optimiser and rate, 230² points of a Helmholtz problem in each step.
_PUBLISHED = {
    "optimizer": "adam",
    "rate": 2e-5,
    "decay": "constant",
    "warmup": 0,
    "beta2": 0.999,
    "clip": 1e9,
    "steps": 50_000,
}
PRESETS: dict[str, dict[str, SolveConfig]] = {
    "draft": {name: c.with_(fit={"steps": c.fit.total // 4}) for name, c in STANDARD.items()},
    "standard": STANDARD,
    "fine": {
        name: c.with_(fit={"steps": 3 * c.fit.total}, field={"width": 2 * c.field.units})
        for name, c in STANDARD.items()
    },
    "paper": {
        name: c.with_(
            field={"width": 512 if name == "wave" else 256, "omega_first": 30.0},
            drawn={"points": 230**2 // (2 if name == "inverse" else 1)},
            fit=_PUBLISHED,
        )
        for name, c in STANDARD.items()
    },
}

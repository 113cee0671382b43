"""What settings are made of: stages of them, schedules, and the values that make sense."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from recon.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

ACTIVATIONS = ("sine", "finer", "truncated-sine", "gauss", "relu", "relu-pe", "tanh", "softplus")


@dataclass(frozen=True)
class Schedule:
    """A weight as a function of progress in 0..1: through `points` (progress, value), geometrically
    between them, constant outside. `Schedule.constant(v)` is a weight that does not change."""

    points: tuple[tuple[float, float], ...]

    @classmethod
    def constant(cls, value: float) -> Schedule:
        return cls(((0.0, value),))

    def capped(self, value: float) -> Schedule:
        """The same, but nowhere above `value`."""
        return Schedule(tuple((progress, min(weight, value)) for progress, weight in self.points))

    def times(self, factor: float) -> Schedule:
        """The same, all weights multiplied by `factor`."""
        return Schedule(tuple((progress, factor * weight) for progress, weight in self.points))

    def __call__(self, progress: float) -> float:
        before = self.points[0]
        for after in self.points:
            if progress < after[0]:
                if after is before:
                    break
                share = (progress - before[0]) / (after[0] - before[0])
                return before[1] * (after[1] / before[1]) ** share
            before = after
        return before[1]


def setting(default: Any, help: str) -> Any:
    """A field of a stage, with the line that `--help` prints."""
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Staged:
    """What configurations share: stages, each a dataclass of settings, and a seed."""

    seed: int = 0

    def with_(self, **stages: dict[str, Any]) -> Self:
        """A copy with settings replaced by stage: `config.with_(fit={"steps": 100})`. Raises
        UsageError for a setting that does not exist or a value no stage can use."""
        changed: dict[str, Any] = {}
        for stage, settings in stages.items():
            if not hasattr(self, stage):
                raise UsageError(f"no stage '{stage}' of settings here: the run is of another kind")
            known = {f.name for f in dataclasses.fields(getattr(self, stage))}
            for name in settings:
                if name not in known:
                    raise UsageError(f"no setting {stage}.{name}; there are {', '.join(sorted(known))}")
            changed[stage] = replace(getattr(self, stage), **settings)
        config = replace(self, **changed)
        config.check()
        return config

    def check(self) -> None:
        """Raises UsageError for a value that makes no sense, saying which."""
        for stage, name, low, high in _RANGES:
            value = getattr(getattr(self, stage, None), name, None)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise UsageError(f"{stage}.{name} is {value}, wanted between {low:g} and {high:g}")
        for stage, name, choices in _CHOICES:
            value = getattr(getattr(self, stage, None), name, None)
            if value is not None and value not in choices:
                raise UsageError(f"{stage}.{name} is '{value}', wanted one of {', '.join(choices)}")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as run folders keep them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `as_dict`. Raises UsageError for settings this version does not know."""
        config = cls(seed=values.get("seed", 0))
        stages = {}
        for stage, settings in values.items():
            if stage != "seed":
                stages[stage] = {name: _revived(value) for name, value in settings.items()}
        return config.with_(**stages)


def _revived(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"points"}:
        return Schedule(tuple((float(a), float(b)) for a, b in value["points"]))
    return tuple(value) if isinstance(value, list) else value


_RANGES = (
    ("scan", "margin", 0.0, 0.5),
    ("scan", "samples", 200, 1e8),
    ("scan", "most", 200, 1e9),
    ("field", "width", 1, 4096),
    ("field", "hidden", 0, 64),
    ("field", "omega_first", 1e-3, 1e4),
    ("field", "omega_hidden", 1e-3, 1e4),
    ("field", "spread", 1.0, 1e4),
    ("field", "octaves", 0, 24),
    ("surface", "on_surface", 1, 1e7),
    ("surface", "off_surface", 1, 1e7),
    ("surface", "prior_samples", 1000, 1e9),
    ("surface", "near_share", 0.0, 0.99),
    ("surface", "alpha", 0.0, 1e6),
    ("surface", "noise_weight", 1e-12, 1e6),
    ("fit", "steps", 1, 1e9),
    ("fit", "seconds", 1.0, 1e7),
    ("fit", "rate", 1e-9, 1.0),
    ("fit", "warmup", 0, 1e6),
    ("fit", "beta2", 0.0, 0.99999),
    ("fit", "clip", 1e-9, 1e9),
    ("samples", "batch", 1, 1e8),
    ("samples", "prior_weight", 0.0, 1e9),
    ("samples", "prior_points", 1, 1e8),
    ("samples", "footprint", 1, 4096),
    ("drawn", "points", 2, 1e8),
    ("drawn", "near", 1, 1e8),
    ("drawn", "sides", 4, 1e8),
    ("encoder", "width", 1, 4096),
    ("encoder", "layers", 1, 32),
    ("encoder", "omega", 1e-3, 1e4),
    ("encoder", "latent", 1, 65536),
    ("encoder", "hidden", 1, 65536),
    ("learning", "size", 8, 512),
    ("learning", "batch", 1, 1e5),
    ("learning", "targets", 1, 1e7),
    ("learning", "halves", 0.0, 1.0),
    ("learning", "validation", 0.0, 0.9),
    ("learning", "latent_weight", 0.0, 1e9),
    ("learning", "weights_weight", 0.0, 1e9),
    ("mesh", "resolution", 16, 4096),
    ("mesh", "finest", 16, 4096),
    ("mesh", "cell", 1e-300, 1e300),
    ("mesh", "faces", 4, 1e9),
)
_CHOICES = (
    ("scan", "normals", ("auto", "file", "estimate", "none")),
    ("scan", "outliers", ("auto", "off")),
    ("field", "activation", ACTIVATIONS),
    ("fit", "optimizer", ("muon", "adam")),
    ("fit", "decay", ("cosine", "constant")),
    ("encoder", "kind", ("set-sine", "set-relu", "cnn", "partial-conv")),
    ("samples", "prior", ("none", "tv", "hessian")),
    ("mesh", "color", ("auto", "off")),
)

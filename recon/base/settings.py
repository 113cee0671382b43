"""Parts of configurations: a stage is a frozen dataclass of settings, a configuration has stages and a seed.

A setting is declared once, by `setting` at its field: type, default, help, range or choices, unit. The
command line, the Python API, the run folders and the JSON Schemas all read that.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field, replace
from functools import cache
from numbers import Integral, Real
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from recon.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Self

MAX_SCHEDULE_POINTS = 1000
MAX_SHOWN = 60  # characters of a wrong value


@dataclass(frozen=True)
class Schedule:
    """A weight over progress in 0..1, interpolated geometrically between `points` (progress, value)."""

    points: tuple[tuple[float, float], ...]

    @classmethod
    def constant(cls, value: float) -> Schedule:
        """A weight that does not change."""
        return cls(((0.0, value),))

    @property
    def is_valid(self) -> bool:
        """Whether the points are numbers in order, and the weights above 0 where there are several."""
        places, weights = zip(*self.points, strict=True) if self.points else ((), ())
        least = 0.0 if len(self.points) == 1 else math.ulp(0.0)
        return (
            all(isinstance(number, Real) and math.isfinite(number) for number in (*places, *weights))
            and 0 < len(places) <= MAX_SCHEDULE_POINTS
            and all(weight >= least for weight in weights)
            and list(places) == sorted(set(places))
        )

    def capped(self, value: float) -> Schedule:
        """The same schedule, limited to `value`."""
        return Schedule(tuple((progress, min(weight, value)) for progress, weight in self.points))

    def times(self, factor: float) -> Schedule:
        """The same schedule, multiplied by `factor`."""
        return Schedule(tuple((progress, factor * weight) for progress, weight in self.points))

    def __call__(self, progress: float) -> float:
        """The weight at `progress`."""
        before = self.points[0]
        for after in self.points:
            if progress < after[0]:
                if after is before:
                    break
                share = (progress - before[0]) / (after[0] - before[0])
                return before[1] * (after[1] / before[1]) ** share
            before = after
        return before[1]


def setting(
    default: Any,
    help: str,
    *,
    within: tuple[float, float] = (-math.inf, math.inf),
    choices: tuple[str, ...] | None = None,
    unit: str | None = None,
    metavar: str | None = None,
) -> Any:
    """A field of a stage.

    Args:
        default: its value if none is given.
        help: the line that `--help` prints.
        within: the range of numbers, both ends included.
        choices: the allowed strings. None, where a setting may be None, is always allowed.
        unit: of numbers; "s" allows times like 90s and 2m.
        metavar: the value's name in `--help`, by default that of its type.
    """
    metadata = {"help": help, "within": within, "choices": choices, "unit": unit, "metavar": metavar}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class StagedConfig:
    """Base of all configurations: stages, each a dataclass of settings, and a seed."""

    seed: int = setting(0, "seed of all random draws", within=(0, 2**63 - 1))

    @property
    def stages(self) -> dict[str, Any]:
        """The stages by name."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "seed"}

    def with_(self, **stages: dict[str, Any]) -> Self:
        """A copy with other settings: `config.with_(fit={"steps": 100})`. Raises UsageError."""
        changed: dict[str, Any] = {}
        for stage, settings in stages.items():
            if stage not in self.stages:
                raise UsageError(f"no stage '{stage}' of settings here: the run is of another kind")
            if not isinstance(settings, dict):
                raise UsageError(
                    f"the settings of '{stage}' are {str(settings)[:MAX_SHOWN]!r}, expected a table"
                )
            known = {f.name for f in dataclasses.fields(getattr(self, stage))}
            for name in settings:
                if name not in known:
                    raise UsageError(f"no setting {stage}.{name}; there are {', '.join(sorted(known))}")
            changed[stage] = replace(getattr(self, stage), **settings)
        config = replace(self, **changed)
        config.check()
        return config

    def check(self) -> None:
        """Raises UsageError for a value out of range."""
        _check(self, dataclasses.fields(StagedConfig), "")
        for name, stage in self.stages.items():
            _check(stage, dataclasses.fields(stage), f"{name}.")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as run folders store them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The inverse of `as_dict`. Raises UsageError for unknown settings."""
        config = cls(seed=values.get("seed", 0))
        stages = {}
        for stage, settings in values.items():
            if stage == "seed":
                continue
            if not isinstance(settings, dict):
                raise UsageError(
                    f"the settings of '{stage}' are {str(settings)[:MAX_SHOWN]!r}, expected a table"
                )
            stages[stage] = {name: _revived(value) for name, value in settings.items()}
        return config.with_(**stages)


def _check(owner: Any, settings: tuple[dataclasses.Field, ...], prefix: str) -> None:
    for one in settings:
        value, name = getattr(owner, one.name), prefix + one.name
        (low, high), choices = one.metadata["within"], one.metadata["choices"]
        kinds = _kinds(owner.__class__, one.name)
        if value is None and type(None) in kinds:
            continue
        if not any(_is(value, kind) for kind in kinds):
            wanted = " or ".join(_NAMES.get(kind, "three numbers") for kind in kinds)
            raise UsageError(f"{name} is {str(value)[:MAX_SHOWN]!r}, expected {wanted}")
        if choices and value not in choices:
            raise UsageError(f"{name} is '{value[:MAX_SHOWN]}', expected one of {', '.join(choices)}")
        if isinstance(value, Real) and not (math.isfinite(value) and low <= value <= high):
            raise UsageError(f"{name} is {value}, expected between {low:g} and {high:g}")


@cache
def _kinds(owner: Any, name: str) -> tuple[Any, ...]:
    """The types that a setting's value may have."""
    hint = get_type_hints(owner)[name]
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "None"}
_NAMES |= {Schedule: "a number, or a schedule of numbers above 0"}


def _is(value: Any, kind: Any) -> bool:
    if kind is Schedule:
        return isinstance(value, Schedule) and value.is_valid
    if get_origin(kind) is tuple:
        numbers = isinstance(value, tuple) and len(value) == len(get_args(kind))
        return numbers and all(isinstance(part, Real) and math.isfinite(part) for part in value)
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, kind)


def _revived(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"points"}:
        points = value["points"]
        if isinstance(points, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in points):
            return Schedule(tuple((place, weight) for place, weight in points))
    return tuple(value) if isinstance(value, list) else value

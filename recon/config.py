"""Every setting of the program: one frozen dataclass a stage, and the presets.

The command line, the Python API and the run folders all read these; `help` metadata is what
`--help` prints. Lengths are in the unit frame unless a name says world.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field, replace
from typing import Any

from recon.errors import UsageError


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


TURN, LARGEST_SPREAD = 0.65, 3.0
ESTIMATED_POINTS, ESTIMATED_NORMALS = 4.5, 0.3  # factors of the weights of |Φ| and of estimated normals
CELLS, COARSEST = 6, 128  # cells of the mesh from a point of the scan to the next; samples a side, at least


def _setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class ScanConfig:
    """From the file's points to clean, oriented points in the unit frame."""

    normals: str = _setting("auto", "auto, file, estimate or none: where the normals come from")
    sensor: tuple[float, float, float] | None = _setting(
        None, "X,Y,Z of the scanner, in the scan's frame: estimated normals turn towards it"
    )
    outliers: str = _setting("auto", "auto or off: whether points that are no part of a surface are left out")
    most: int = _setting(2_000_000, "points kept of a larger scan, evenly spaced")
    open: bool | None = _setting(None, "true or false: an open surface; by default as its points say")
    margin: float = _setting(0.1, "free space around the scan, as a share of the unit box")
    samples: int = _setting(100_000, "points drawn from a file that is a mesh")


@dataclass(frozen=True)
class FieldConfig:
    """The network. Defaults of the paper: 256 wide, 3 hidden layers, ω = 30 in all of them."""

    width: int = _setting(128, "units a layer")
    hidden: int = _setting(3, "hidden sine layers, the first one not counted")
    omega_first: float = _setting(30.0, "frequency factor ω of the first layer")
    omega_hidden: float = _setting(30.0, "frequency factor ω of the hidden layers")
    spread: float | None = _setting(
        None, "highest over lowest frequency of the first layer's units; by default from the scan's density"
    )

    def suited_to(self, spacing: float) -> FieldConfig:
        """With the spread for points `spacing` apart, where it is not given: the highest frequency turns by
        `TURN` rad, no more, from a point to the next; never below one, never above `LARGEST_SPREAD`."""
        if self.spread is not None:
            return self
        return replace(self, spread=min(max(TURN / (self.omega_first * spacing), 1.0), LARGEST_SPREAD))


@dataclass(frozen=True)
class SurfaceConfig:
    """The terms of the surface task; each is a mean over the samples it is defined on."""

    on_surface: int = _setting(1000, "points of the scan a step")
    off_surface: int = _setting(300, "points of space a step")
    prior_samples: int = _setting(150_000, "points of space with a known distance to the scan")
    near_share: float = _setting(0.5, "share of these drawn near the scan, the others uniform")
    alpha: float = _setting(100.0, "α of the off-surface term exp(-α|Φ|)")
    surface: Schedule = _setting(Schedule(((0.0, 300.0), (0.3, 3000.0))), "weight of |Φ| on the scan")
    noise_weight: float | None = _setting(
        0.0044,
        "the weight of |Φ| is at most this over the variance of the scan's noise, which is smoothed over",
    )
    normal: Schedule = _setting(Schedule.constant(100.0), "weight of 1 - cos(∇Φ, n)")
    off: Schedule = _setting(Schedule.constant(10.0), "weight of exp(-α|Φ|) off the scan")
    eikonal: Schedule = _setting(Schedule.constant(10.0), "weight of |‖∇Φ‖ - 1|")
    prior: Schedule | None = _setting(
        Schedule(((0.0, 300.0), (1.0, 100.0))), "weight of |Φ - d|, d the scan's distance"
    )

    def suited_to(self, noise: float, estimated: bool = False) -> SurfaceConfig:
        """With the weight of |Φ| for points that are `noise` off their surface, a standard deviation; and
        with the points before the normals where these are `estimated` from them, and repeat their errors."""
        if self.noise_weight is None:
            return self
        most = self.noise_weight * (ESTIMATED_POINTS if estimated else 1.0)
        surface = self.surface.capped(most / noise**2) if noise > 0 else self.surface
        normal = self.normal.times(ESTIMATED_NORMALS) if estimated else self.normal
        return replace(self, surface=surface, normal=normal)


@dataclass(frozen=True)
class FitConfig:
    """The training loop."""

    steps: int = _setting(12_000, "steps of the optimiser")
    seconds: float | None = _setting(None, "a time budget instead of the steps")
    optimizer: str = _setting("muon", "muon (orthogonalised momentum) or adam")
    rate: float = _setting(7e-4, "learning rate")
    decay: str = _setting("cosine", "cosine or constant: the learning rate over the run")
    warmup: int = _setting(50, "steps in which the learning rate rises")
    beta2: float = _setting(0.98, "averaging of squared gradients")
    clip: float = _setting(1.0, "largest norm of the gradient")


@dataclass(frozen=True)
class MeshConfig:
    """From the field to the mesh."""

    resolution: int | None = _setting(
        None, "samples along the longest side; by default from the scan's density, `finest` at most"
    )
    finest: int = _setting(512, "the resolution for dense scans")
    cell: float | None = _setting(None, "the cell's size in the scan's unit, instead of the resolution")
    trim: str = _setting(
        "auto",
        "auto (open scans stay open), off, or the distance from the points, in the scan's unit, to cut at",
    )
    parts: str = _setting("auto", "auto (all but floating crumbs), all, largest, or how many")
    faces: int | None = _setting(None, "triangles to simplify to; by default as many as come")
    color: str = _setting("auto", "auto (the scan's colours and scalars go to the vertices) or off")

    def suited_to(self, spacing: float, side: float) -> MeshConfig:
        """With the resolution for points `spacing` apart in a box with this longest `side`, where it is not
        given: `CELLS` cells from a point to the next; finer ones would show the field alone, not the scan."""
        if self.resolution is not None:
            return self
        wanted = 1 + math.ceil(CELLS * side / spacing)
        return replace(self, resolution=min(max(wanted, COARSEST), self.finest))


@dataclass(frozen=True)
class Config:
    """All stages of one reconstruction."""

    scan: ScanConfig = ScanConfig()
    field: FieldConfig = FieldConfig()
    surface: SurfaceConfig = SurfaceConfig()
    fit: FitConfig = FitConfig()
    mesh: MeshConfig = MeshConfig()
    seed: int = 0

    def with_(self, **stages: dict[str, Any]) -> Config:
        """A copy with settings replaced by stage: `config.with_(fit={"steps": 100})`. Raises
        UsageError for a setting that does not exist or a value no stage can use."""
        changed: dict[str, Any] = {}
        for stage, settings in stages.items():
            known = {f.name for f in dataclasses.fields(getattr(self, stage))}
            for name in settings:
                if name not in known:
                    raise UsageError(f"no setting {stage}.{name}; there are {', '.join(sorted(known))}")
            changed[stage] = replace(getattr(self, stage), **settings)
        config = replace(self, **changed)
        config.check()
        return config

    def suited_to(self, spacing: float, noise: float, side: float, estimated: bool = False) -> Config:
        """With all that is left to the scan decided: its points are `spacing` apart and off their surface by
        `noise`, in a box with this longest `side`, all in the unit frame; its normals are its own or
        `estimated`."""
        return replace(
            self,
            field=self.field.suited_to(spacing),
            surface=self.surface.suited_to(noise, estimated),
            mesh=self.mesh.suited_to(spacing, side),
        )

    def check(self) -> None:
        """Raises UsageError for a value that makes no sense, saying which."""
        for stage, name, low, high in _RANGES:
            value = getattr(getattr(self, stage), name)
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise UsageError(f"{stage}.{name} is {value}, wanted between {low:g} and {high:g}")
        for stage, name, choices in _CHOICES:
            value = getattr(getattr(self, stage), name)
            if value not in choices:
                raise UsageError(f"{stage}.{name} is '{value}', wanted one of {', '.join(choices)}")
        trim_distance(self.mesh.trim)
        parts = self.mesh.parts
        if parts not in ("auto", "all", "largest") and not (parts.isdigit() and int(parts) > 0):
            raise UsageError(f"parts is '{parts}', wanted auto, all, largest or a number from 1")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as run folders keep them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """The inverse of `as_dict`. Raises UsageError for settings this version does not know."""
        config = cls(seed=values.get("seed", 0))
        stages = {}
        for stage, settings in values.items():
            if stage != "seed":
                stages[stage] = {name: _revived(value) for name, value in settings.items()}
        return config.with_(**stages)


def trim_distance(trim: str) -> float | None:
    """The distance that `MeshConfig.trim` names, None for "auto" and "off". Raises UsageError."""
    if trim in ("auto", "off"):
        return None
    try:
        distance = float(trim)
    except ValueError:
        distance = math.nan
    if not 0 < distance < math.inf:
        raise UsageError(f"trim is '{trim}', wanted auto, off or a distance above 0")
    return distance


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
    ("mesh", "resolution", 16, 4096),
    ("mesh", "finest", 16, 4096),
    ("mesh", "cell", 1e-300, 1e300),
    ("mesh", "faces", 4, 1e9),
)
_CHOICES = (
    ("scan", "normals", ("auto", "file", "estimate", "none")),
    ("scan", "outliers", ("auto", "off")),
    ("fit", "optimizer", ("muon", "adam")),
    ("fit", "decay", ("cosine", "constant")),
    ("mesh", "color", ("auto", "off")),
)

STANDARD = Config()
PRESETS: dict[str, Config] = {
    "draft": STANDARD.with_(fit={"steps": 2500}, mesh={"finest": 256}),
    "standard": STANDARD,
    "fine": STANDARD.with_(field={"width": 192}, fit={"steps": 24_000}, mesh={"finest": 768}),
    # The published method, unchanged: no sign prior, plain Adam. Its means run over all samples of a
    # batch, half of which are on the surface, so the weights 3e3, 1e2 and 1e2 count half here.
    "paper": STANDARD.with_(
        field={"width": 256, "spread": 1.0},
        surface={
            "on_surface": 1400,
            "off_surface": 1400,
            "prior_samples": 2_000_000,  # with no prior, all there is to draw points of space from
            "near_share": 0.0,
            "surface": Schedule.constant(1.5e3),
            "normal": Schedule.constant(50.0),
            "off": Schedule.constant(50.0),
            "eikonal": Schedule.constant(50.0),
            "prior": None,
            "noise_weight": None,
        },
        fit={
            "steps": 50_000,
            "optimizer": "adam",
            "rate": 1e-4,
            "decay": "constant",
            "warmup": 0,
            "beta2": 0.999,
        },
    ),
}

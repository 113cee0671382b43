"""Every setting of the program: one frozen dataclass a stage, and the presets.

The command line, the Python API and the run folders all read these; `help` metadata is what
`--help` prints. Lengths are in the unit frame unless a name says world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from recon.errors import UsageError
from recon.stages import Schedule, Staged, setting

TURN, LARGEST_SPREAD = 0.65, 3.0
BLUR = 3.0  # standard deviations of the noise that blur a scan like as much space between its points
ESTIMATED_POINTS, ESTIMATED_NORMALS = 6.0, 0.3  # factors of the weights of |Φ| and of estimated normals
EXACT = 0.05  # of the point spacing: the least noise that counts as some
HUBER = 1.345  # standard deviations: robust, and for normal noise as good as the mean but for 5 %
CELLS, COARSEST = 6, 128  # cells of the mesh from a point of the scan to the next; samples a side, at least


@dataclass(frozen=True)
class ScanConfig:
    """From the file's points to clean, oriented points in the unit frame."""

    normals: str = setting("auto", "auto, file, estimate or none: where the normals come from")
    sensor: tuple[float, float, float] | None = setting(
        None, "X,Y,Z of the scanner, in the scan's frame: estimated normals turn towards it"
    )
    outliers: str = setting("auto", "auto or off: whether points that are no part of a surface are left out")
    most: int = setting(2_000_000, "points kept of a larger scan, evenly spaced")
    open: bool | None = setting(None, "true or false: an open surface; by default as its points say")
    margin: float = setting(0.1, "free space around the scan, as a share of the unit box")
    samples: int = setting(100_000, "points drawn from a file that is a mesh")


@dataclass(frozen=True)
class FieldConfig:
    """The network. Defaults of the paper: 256 wide, 3 hidden layers, ω = 30 in all of them."""

    width: int = setting(128, "units a layer")
    hidden: int = setting(3, "hidden layers, the first one not counted")
    activation: str = setting(
        "sine", "sine, finer, truncated-sine, gauss, relu, relu-pe, tanh or softplus: the nonlinearity"
    )
    omega_first: float = setting(30.0, "frequency factor ω of the first layer")
    omega_hidden: float = setting(30.0, "frequency factor ω of the hidden layers")
    spread: float | None = setting(
        None, "highest over lowest frequency of the first layer's units; by default from the data's density"
    )
    octaves: int | None = setting(
        None, "of the coordinates of relu-pe; by default up to the frequency of the data's density"
    )

    def suited_to(self, spacing: float, noise: float = 0.0) -> FieldConfig:
        """With the spread for points `spacing` apart and `noise` off their surface, where it is not given:
        the highest frequency turns by `TURN` rad, no more, from a point to the next and within `BLUR` times
        the noise, both taken together; never below one, never above `LARGEST_SPREAD`. And with as many
        octaves as end at half a turn from a point to the next."""
        spread, octaves = self.spread, self.octaves
        if spread is None:
            finest = math.hypot(spacing, BLUR * noise)
            spread = min(max(TURN / (self.omega_first * finest), 1.0), LARGEST_SPREAD)
        if octaves is None and self.activation == "relu-pe":
            octaves = 1 + max(0, math.floor(math.log2(1 / spacing)))
        return replace(self, spread=spread, octaves=octaves)


@dataclass(frozen=True)
class SurfaceConfig:
    """The terms of the surface task; each is a mean over the samples it is defined on."""

    on_surface: int = setting(1000, "points of the scan a step")
    off_surface: int = setting(300, "points of space a step")
    prior_samples: int = setting(150_000, "points of space with a known distance to the scan")
    near_share: float = setting(0.5, "share of these drawn near the scan, the others uniform")
    alpha: float = setting(100.0, "α of the off-surface term exp(-α|Φ|)")
    surface: Schedule = setting(Schedule(((0.0, 300.0), (0.3, 3000.0))), "weight of |Φ| on the scan")
    noise_weight: float | None = setting(
        0.012,
        "the weight of |Φ| is at most this over the variance of the scan's noise, which is smoothed over",
    )
    rounding: float | None = setting(
        None, "below it |Φ| on the scan counts by its square; by default from the scan's noise"
    )
    normal: Schedule = setting(Schedule.constant(100.0), "weight of 1 - cos(∇Φ, n)")
    off: Schedule = setting(Schedule.constant(10.0), "weight of exp(-α|Φ|) off the scan")
    eikonal: Schedule = setting(Schedule.constant(10.0), "weight of |‖∇Φ‖ - 1|")
    prior: Schedule | None = setting(
        Schedule(((0.0, 300.0), (1.0, 100.0))), "weight of |Φ - d|, d the scan's distance"
    )

    def suited_to(self, noise: float, estimated: bool = False) -> SurfaceConfig:
        """With the weight of |Φ| for points that are `noise` off their surface, a standard deviation; and
        with the points before the normals where these are `estimated` from them, and repeat their errors."""
        if self.noise_weight is None:
            return self
        most = self.noise_weight * (ESTIMATED_POINTS if estimated else 1.0)
        surface = self.surface.capped(most / noise**2) if noise > 0 else self.surface
        rounding = HUBER * noise if self.rounding is None else self.rounding
        normal = self.normal.times(ESTIMATED_NORMALS) if estimated else self.normal
        return replace(self, surface=surface, normal=normal, rounding=rounding)


@dataclass(frozen=True)
class FitConfig:
    """The training loop."""

    steps: int = setting(12_000, "steps of the optimiser")
    seconds: float | None = setting(None, "a time budget instead of the steps")
    optimizer: str = setting("muon", "muon (orthogonalised momentum) or adam")
    rate: float = setting(7e-4, "learning rate")
    decay: str = setting("cosine", "cosine or constant: the learning rate over the run")
    warmup: int = setting(50, "steps in which the learning rate rises")
    beta2: float = setting(0.98, "averaging of squared gradients")
    clip: float = setting(1.0, "largest norm of the gradient")
    watch: bool = setting(
        True,
        "true or false: whether a run goes back, slower, when its loss jumps or does not fall",
    )


@dataclass(frozen=True)
class MeshConfig:
    """From the field to the mesh."""

    resolution: int | None = setting(
        None, "samples along the longest side; by default from the scan's density, `finest` at most"
    )
    finest: int = setting(512, "the resolution for dense scans")
    cell: float | None = setting(None, "the cell's size in the scan's unit, instead of the resolution")
    trim: str = setting(
        "auto",
        "auto (open scans stay open), off, or the distance from the points, in the scan's unit, to cut at",
    )
    parts: str = setting("auto", "auto (all but floating crumbs), all, largest, or how many")
    faces: int | None = setting(None, "triangles to simplify to; by default as many as come")
    color: str = setting("auto", "auto (the scan's colours and scalars go to the vertices) or off")

    def suited_to(self, spacing: float, side: float) -> MeshConfig:
        """With the resolution for points `spacing` apart in a box with this longest `side`, where it is not
        given: `CELLS` cells from a point to the next; finer ones would show the field alone, not the scan."""
        if self.resolution is not None:
            return self
        wanted = 1 + math.ceil(CELLS * side / spacing)
        return replace(self, resolution=min(max(wanted, COARSEST), self.finest))


@dataclass(frozen=True)
class Config(Staged):
    """All stages of one reconstruction."""

    scan: ScanConfig = ScanConfig()
    field: FieldConfig = FieldConfig()
    surface: SurfaceConfig = SurfaceConfig()
    fit: FitConfig = FitConfig()
    mesh: MeshConfig = MeshConfig()

    def suited_to(self, spacing: float, noise: float, side: float, estimated: bool = False) -> Config:
        """With all that is left to the scan decided: its points are `spacing` apart and off their surface by
        `noise`, in a box with this longest `side`, all in the unit frame; its normals are its own or
        `estimated`. Noise of less than `EXACT` spacings is none: estimated normals show as much."""
        noise = noise if noise > EXACT * spacing else 0.0
        return replace(
            self,
            field=self.field.suited_to(spacing, noise),
            surface=self.surface.suited_to(noise, estimated),
            mesh=self.mesh.suited_to(spacing, side),
        )

    def check(self) -> None:
        super().check()
        if self.field.activation != "sine":
            raise UsageError(
                f"field.activation is '{self.field.activation}', wanted sine: surfaces have no other"
            )
        trim_distance(self.mesh.trim)
        parts = self.mesh.parts
        if parts not in ("auto", "all", "largest") and not (parts.isdigit() and int(parts) > 0):
            raise UsageError(f"parts is '{parts}', wanted auto, all, largest or a number from 1")


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
            "rounding": 0.0,
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

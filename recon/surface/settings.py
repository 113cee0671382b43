"""The settings of `recon mesh`: the loss and, from all stages together, a configuration and the presets.

Lengths are in the unit frame unless a name says world.
"""

import re
from dataclasses import dataclass, replace

import numpy as np

from recon.base.settings import Schedule, StagedConfig, setting
from recon.errors import UsageError, shown
from recon.field.settings import FieldConfig
from recon.geometry import Float
from recon.meshing.settings import MeshConfig, trim_distance
from recon.scan.settings import ScanConfig
from recon.training.settings import FitConfig

ESTIMATED_SURFACE_FACTOR, ESTIMATED_NORMAL_FACTOR = 6.0, 0.3  # of the weights, for estimated normals
MIN_NOISE_SPACINGS = 0.05  # noise below this many point spacings counts as none
BLOCKS = re.compile("[1-9][0-9]{0,5}")
PARTS = re.compile("0{0,9}[1-9][0-9]{0,8}")  # a number from 1
NOISE_TILE_FACTOR, MIN_TILE, MAX_TILE = 3.5, 1e-5, 1.0  # of the edge of a tile's cell, unit frame
# Of points, unit frame: closer ones get heads; further apart the trunk needs all of its steps.
DENSE_SPACING, SPARSE_SPACING = 0.02, 0.03
HUBER_SIGMAS = 1.345  # standard deviations: 95 % as efficient as the mean for normal noise (Huber 1964)


@dataclass(frozen=True)
class SurfaceConfig:
    """The terms of the surface task; each is a mean over the samples it is defined on."""

    on_surface: int = setting(1000, "points of the scan a step", within=(1, 1e7))
    off_surface: int = setting(300, "points of space a step", within=(1, 1e7))
    prior_samples: int = setting(
        150_000, "points of space with a known distance to the scan", within=(1000, 1e9)
    )
    near_share: float = setting(
        0.5, "share of these drawn near the scan, the others uniform", within=(0.0, 0.99)
    )
    alpha: float = setting(100.0, "α of the off-surface term exp(-α|Φ|)", within=(0.0, 1e6))
    surface: Schedule = setting(Schedule(((0.0, 300.0), (0.3, 3000.0))), "weight of |Φ| on the scan")
    noise_weight: float | None = setting(
        0.012,
        "the weight of |Φ| is at most this over the variance of the scan's noise, which is smoothed over",
        within=(1e-12, 1e6),
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

    def resolved_for(self, noise: float, estimated: bool = False) -> "SurfaceConfig":
        """With weights for points with a standard deviation of `noise`; lower for `estimated` normals."""
        if self.noise_weight is None:
            return self
        max_weight = self.noise_weight * (ESTIMATED_SURFACE_FACTOR if estimated else 1.0)
        surface = self.surface.capped(max_weight / noise**2) if noise > 0 else self.surface
        rounding = HUBER_SIGMAS * noise if self.rounding is None else self.rounding
        normal = self.normal.times(ESTIMATED_NORMAL_FACTOR) if estimated else self.normal
        return replace(self, surface=surface, normal=normal, rounding=rounding)


def significant(noise: float, spacing: float) -> float:
    """`noise`, or 0 if estimated normals alone show as much in exact points `spacing` apart."""
    return noise if noise > MIN_NOISE_SPACINGS * spacing else 0.0


@dataclass(frozen=True)
class HeadsConfig:
    """Heads and their tiles; and how little the trunk needs where they carry the detail."""

    tile: float | None = setting(
        None,
        "edge of a tile's cell, for most of the scan; by default from its density and noise; 0: no heads",
        within=(0.0, 2.0),
    )
    spacings: float = setting(4.0, "point spacings that this edge has at least", within=(1.0, 1000.0))
    dense_width: int = setting(64, "units a layer for dense scans", within=(1, 4096))
    sparse_width: int = setting(128, "units a layer for sparse scans", within=(1, 4096))
    fewest_steps: int = setting(600, "steps of the optimiser for the densest scans", within=(1, 1e9))
    most_steps: int = setting(12_000, "steps of the optimiser for sparse scans", within=(1, 1e9))

    def resolved_for(self, spacing: float, noise: float, overall: float | None = None) -> "HeadsConfig":
        """With a tile for points `spacing` apart, with `noise` off their surface; unit frame.

        Sparse points have none: what is between them, the trunk knows better. Of a part of a scene the
        `overall` spacing tells.
        """
        if self.tile is not None:
            return self
        overall = spacing if overall is None else overall
        return replace(self, tile=float(self.edge_for(spacing, noise)) if overall <= DENSE_SPACING else 0.0)

    def edge_for(self, spacing: Float | float, noise: float) -> Float:
        """The edge of a tile's cell for points `spacing` apart, a number or an array; unit frame.

        Larger tiles average more noise, smaller ones follow more detail. A surface whose error grows as the
        cube of the edge, and falls with the root of the number of points, is best where the edge is in
        proportion to the cube root of noise times spacing.
        """
        followed, averaged = np.multiply(self.spacings, spacing), np.cbrt(np.multiply(noise, spacing))
        return np.minimum(np.maximum(NOISE_TILE_FACTOR * averaged, followed), MAX_TILE)

    def trunk_for(self, spacing: float) -> tuple[int, int]:
        """Units a layer and steps of the optimiser for points `spacing` apart, unit frame.

        Without heads the trunk has to say what is between the points, and is wide and well trained; with
        them, it only has to know the shape.
        """
        if not self.tile:
            return self.sparse_width, self.most_steps
        steps = round(self.most_steps * (spacing / SPARSE_SPACING) ** 2)
        return self.dense_width, min(max(steps, self.fewest_steps), self.most_steps)


@dataclass(frozen=True)
class SceneConfig:
    """How a scan that is more than one field holds is cut into blocks."""

    blocks: str = setting(
        "auto",
        "cut the scan into blocks: auto (scans of millions of points), off, or how many",
        metavar="auto|off|N",
    )
    points: int = setting(150_000, "points of a block, about", within=(2000, 1e8))


@dataclass(frozen=True)
class Config(StagedConfig):
    """All stages of one reconstruction."""

    scan: ScanConfig = ScanConfig()
    field: FieldConfig = FieldConfig(width=None)
    surface: SurfaceConfig = SurfaceConfig()
    fit: FitConfig = FitConfig(steps=None)
    heads: HeadsConfig = HeadsConfig()
    mesh: MeshConfig = MeshConfig()
    scene: SceneConfig = SceneConfig()

    def resolved_for(
        self,
        spacing: float,
        noise: float,
        side: float,
        estimated: bool = False,
        overall: float | None = None,
    ) -> "Config":
        """With the settings that depend on the scan.

        Its points are `spacing` apart, with a standard deviation of `noise`, in a box of longest `side`,
        all in the unit frame; its normals are given or `estimated`. Of a part of a scene, `overall` is the
        spacing in the unit frame of the whole, which tells sparse scans from dense ones. Noise below
        `MIN_NOISE_SPACINGS` spacings counts as none: estimated normals show as much.
        """
        noise = significant(noise, spacing)
        overall = spacing if overall is None else overall
        heads = self.heads.resolved_for(spacing, noise, overall)
        heads = replace(heads, tile=0.0) if self.scan.normals == "none" else heads  # they need normals
        width, steps = heads.trunk_for(overall)
        field = replace(self.field, width=self.field.width or width)
        return replace(
            self,
            field=field.resolved_for(spacing, noise),
            surface=self.surface.resolved_for(noise, estimated),
            fit=replace(self.fit, steps=self.fit.steps or steps),
            heads=heads,
            mesh=self.mesh.resolved_for(spacing, side),
        )

    def check(self) -> None:
        """Raise UsageError for settings that make no sense together."""
        super().check()
        if self.field.activation != "sine":
            raise UsageError(
                f"field.activation is '{self.field.activation}', expected sine: surfaces support no other"
            )
        if self.heads.tile is not None and 0 < self.heads.tile < MIN_TILE:
            raise UsageError(f"heads.tile is {self.heads.tile:g}, expected 0 or at least {MIN_TILE:g}")
        if self.scene.blocks not in ("auto", "off") and not BLOCKS.fullmatch(self.scene.blocks):
            raise UsageError(f"blocks is {shown(self.scene.blocks)}, expected auto, off or a number from 1")
        if trim_distance(self.mesh.trim) is not None and self.mesh.solid:
            raise UsageError(f"a solid mesh is not trimmed, and trim is {self.mesh.trim}: give one of them")
        if self.mesh.texture and (self.mesh.offset or self.mesh.hollow):
            raise UsageError("a texture is of the scan's surface: give --texture or --offset and --hollow")
        parts = self.mesh.parts
        if parts not in ("auto", "all", "largest") and not PARTS.fullmatch(parts):
            raise UsageError(f"parts is {shown(parts)}, expected auto, all, largest or a number from 1")


STANDARD = Config()
PRESETS: dict[str, Config] = {
    "draft": STANDARD.with_(heads={"most_steps": 2500}, mesh={"finest": 256}),
    "standard": STANDARD,
    "fine": STANDARD.with_(
        heads={"spacings": 3.0, "sparse_width": 192, "fewest_steps": 2000, "most_steps": 24_000},
        mesh={"finest": 768},
    ),
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
        heads={"tile": 0.0},
    ),
}

"""The settings of meshing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from recon.base.settings import setting
from recon.base.units import SHORT
from recon.errors import UsageError

TEXTURE_SIZES = 64, 8192  # texels
CELLS_PER_SPACING, MIN_RESOLUTION = 6, 128  # grid cells a point spacing; samples along the longest side


@dataclass(frozen=True)
class MeshConfig:
    """From the field to the mesh."""

    resolution: int | None = setting(
        None,
        "samples along the longest side; by default from the scan's density, `finest` at most",
        within=(16, 4096),
    )
    finest: int = setting(512, "the resolution for dense scans", within=(16, 4096))
    cell: float | None = setting(
        None,
        "the cell's size in the scan's unit, instead of the resolution",
        within=(1e-300, 1e300),
        unit="the scan's unit",
        metavar="LENGTH",
    )
    trim: str = setting(
        "auto",
        "cut surface without points nearby: auto (of open scans), off, or from a distance in the scan's unit",
        metavar="auto|off|DISTANCE",
    )
    parts: str = setting(
        "auto",
        "connected components to keep: auto (all but floating crumbs), all, largest, or how many",
        metavar="auto|all|largest|N",
    )
    faces: int | None = setting(None, "triangles to simplify to; by default none are merged", within=(4, 1e9))
    color: str = setting(
        "auto", "whether the scan's colours and scalars go to the vertices", choices=("auto", "off")
    )
    texture: int | None = setting(
        None,
        "put colours and normals into pictures this many texels wide (glb, obj), for meshes of few triangles",
        within=TEXTURE_SIZES,
    )
    solid: bool = setting(
        False, "whether the mesh is closed whatever the scan leaves open; what was filled is said"
    )
    offset: float | None = setting(
        None,
        "move the surface outward by so much, inward if negative, where it is closed",
        within=(-1e300, 1e300),
        unit="the scan's unit",
        metavar="LENGTH",
    )
    hollow: float | None = setting(
        None,
        "make it a wall of this thickness, inward, or on both sides where it is open",
        within=(1e-300, 1e300),
        unit="the scan's unit",
        metavar="LENGTH",
    )
    unit: str | None = setting(
        None,
        "the unit of the coordinates, which 3MF states; by default the scan's",
        choices=tuple(SHORT),
    )
    uncertainty: bool = setting(
        False, "whether vertices get an error bar, the scalar uncertainty: a standard deviation"
    )

    def resolved_for(self, spacing: float, side: float) -> MeshConfig:
        """The same with a resolution, by default from the points' `spacing` and the box's longest `side`.

        Finer cells than `CELLS_PER_SPACING` would show the field alone, not the scan.
        """
        if self.resolution is not None:
            return self
        wanted = 1 + math.ceil(CELLS_PER_SPACING * side / spacing)
        return replace(self, resolution=min(max(wanted, MIN_RESOLUTION), self.finest))


def trim_distance(trim: str) -> float | None:
    """The distance that `MeshConfig.trim` names, None for "auto" and "off". Raises UsageError."""
    if trim in ("auto", "off"):
        return None
    try:
        distance = float(trim)
    except ValueError:
        distance = math.nan
    if not 0 < distance < math.inf:
        raise UsageError(f"trim is '{trim}', expected auto, off or a distance above 0")
    return distance

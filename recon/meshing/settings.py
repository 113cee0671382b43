"""The settings of meshing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from recon.base.settings import setting
from recon.errors import UsageError

CELLS, COARSEST = 6, 128  # cells of the mesh from a point of the scan to the next; samples a side, at least


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
        None, "the cell's size in the scan's unit, instead of the resolution", within=(1e-300, 1e300)
    )
    trim: str = setting(
        "auto",
        "auto (open scans stay open), off, or the distance from the points, in the scan's unit, to cut at",
    )
    parts: str = setting("auto", "auto (all but floating crumbs), all, largest, or how many")
    faces: int | None = setting(None, "triangles to simplify to; by default as many as come", within=(4, 1e9))
    color: str = setting(
        "auto", "auto (the scan's colours and scalars go to the vertices) or off", choices=("auto", "off")
    )

    def resolved_for(self, spacing: float, side: float) -> MeshConfig:
        """With the resolution for points `spacing` apart in a box with this longest `side`, where it is not
        given: `CELLS` cells from a point to the next; finer ones would show the field alone, not the scan.
        """
        if self.resolution is not None:
            return self
        wanted = 1 + math.ceil(CELLS * side / spacing)
        return replace(self, resolution=min(max(wanted, COARSEST), self.finest))


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

"""The settings of the way from a file's points to oriented ones."""

from __future__ import annotations

from dataclasses import dataclass

from recon.base.settings import setting


@dataclass(frozen=True)
class ScanConfig:
    """From the file's points to clean, oriented points in the unit frame."""

    normals: str = setting(
        "auto",
        "where the normals come from",
        choices=("auto", "file", "estimate", "none"),
    )
    sensor: tuple[float, float, float] | None = setting(
        None, "the scanner's place, in the scan's frame: estimated normals turn towards it"
    )
    outliers: str = setting(
        "auto",
        "whether points that are not part of a surface are left out",
        choices=("auto", "off"),
    )
    most: int = setting(2_000_000, "points kept of a larger scan, evenly spaced", within=(200, 1e9))
    open: bool | None = setting(None, "whether the surface is open; by default as its points say")
    margin: float = setting(0.1, "free space around the scan, as a share of the unit box", within=(0.0, 0.5))
    columns: str | None = setting(
        None, "the columns of a text file, - for one to pass over", metavar="x,y,z,-,nx,ny,nz"
    )
    classes: str | None = setting(
        None, "only points of these classes, as 2 (ground) and 6 (buildings) of LAS", metavar="2,6"
    )
    returns: str = setting(
        "all", "only these returns of a scanner's pulses", choices=("all", "first", "last", "only")
    )
    samples: int = setting(100_000, "points drawn from a file that is a mesh", within=(200, 1e8))

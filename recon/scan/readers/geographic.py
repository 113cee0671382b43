"""Longitudes and latitudes to metres: a surface needs one unit along all axes."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.errors import MissingLibraryError, ScanError
from recon.geometry import Float, PointCloud
from recon.scan.readers.columns import from_columns

WGS84 = 4979  # EPSG: longitude, latitude and height above the ellipsoid
UTM_NORTH, UTM_SOUTH = 32600, 32700  # EPSG, plus the zone
ZONE_DEGREES = 6
MAX_ZONES = 3.0  # zones apart: beyond, one of them bends

log = logging.getLogger("recon")


def projected(path: Path | str, degrees: Float, crs: Any = WGS84) -> Float:
    """Projects longitude, latitude and height (n, 3) of `crs`, in degrees and metres, to their UTM zone.

    Returns:
        (n, 3) easting, northing and height, metres.

    Raises:
        ScanError: they are no degrees, or further apart than `MAX_ZONES` zones.
        MissingLibraryError: pyproj is not installed.
    """
    try:
        from pyproj import Transformer
    except ImportError:
        raise MissingLibraryError(
            f"{path} is in degrees, which pyproj projects to metres: install it with bash tools/setup geo"
        ) from None
    known = np.isfinite(degrees).all(1)
    longitude, latitude = degrees[known, 0], degrees[known, 1]
    if not known.any() or np.abs(latitude).max() > 90 or np.abs(longitude).max() > 360:
        raise ScanError(f"{path} has no longitudes and latitudes: expected up to 360 and 90 degrees")
    if np.ptp(longitude) > MAX_ZONES * ZONE_DEGREES:
        raise ScanError(f"{path} spans {np.ptp(longitude):.0f} degrees of longitude: project it in parts")
    middle = (float(np.median(longitude)) + 180) % 360
    zone = int(middle // ZONE_DEGREES) + 1
    north = float(np.median(latitude)) >= 0
    to = Transformer.from_crs(crs, (UTM_NORTH if north else UTM_SOUTH) + zone, always_xy=True)
    log.info("%s is in degrees: projected to UTM zone %d%s, metres", path, zone, "N" if north else "S")
    return np.stack(to.transform(*degrees.T), axis=1)


def from_degrees(path: Path, columns: Mapping[str, NDArray]) -> PointCloud:
    """As `from_columns`, of longitude, latitude and perhaps z instead; errors as `projected`."""
    left = dict(columns)
    longitude, latitude = left.pop("longitude"), left.pop("latitude")
    height = left.get("z", np.zeros(len(longitude)))
    x, y, z = projected(path, np.stack([longitude, latitude, height], axis=1)).T
    return replace(from_columns(path, left | {"x": x, "y": y, "z": z}), unit="metre")

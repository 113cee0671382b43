"""The names that programs give to columns, and what `from_columns` calls them."""

from __future__ import annotations

import re
from collections.abc import Sequence

DEGREES = ("longitude", "latitude")
AXES = ("x", "y", "z")
UNIT = re.compile(r"\s*[\[(][^\])]*[\])]\s*$")  # as "X [m]" ends
NUMBERED = re.compile(r"(.+?)[:_.]([012])")  # of a vector, as ParaView counts its components
VECTORS = {
    AXES: ("points", "point", "points_m_xyz", "coordinates", "position", "xyz"),
    ("nx", "ny", "nz"): ("normals", "normal", "n"),
    ("red", "green", "blue"): ("rgb", "rgba", "colors", "color", "colours", "diffuse"),
}
NAMES = {
    "x": ("easting", "east", "e", "x_coordinate", "x_coord", "xcoord", "coord_x", "pos_x", "position_x"),
    "y": ("northing", "north", "n", "y_coordinate", "y_coord", "ycoord", "coord_y", "pos_y", "position_y"),
    "z": (
        *("elevation", "elev", "height", "altitude", "alt", "h", "z_coordinate", "z_coord", "zcoord"),
        *("coord_z", "pos_z", "position_z"),
    ),
    "longitude": ("lon", "long", "lng"),
    "latitude": ("lat",),
}
KNOWN = {name: canonical for canonical, names in NAMES.items() for name in names}


def plain(name: str) -> str:
    """A column's name without quotes: "X [m]" is x, "Points:0", too; others keep their case."""
    name = name.strip().strip("\"'").strip()
    word = UNIT.sub("", name).lower().replace(" ", "_")
    if found := NUMBERED.fullmatch(word):
        for triple, vectors in VECTORS.items():
            if found[1] in vectors:
                return triple[int(found[2])]
    return word if word in AXES or word in KNOWN or word in DEGREES else name


def understood(names: Sequence[str]) -> list[str] | None:
    """`names` as `from_columns` knows them, or longitude, latitude and z; None without three coordinates.

    What is called x, y and z is that; else easting, northing and a height are.
    """
    plains = [plain(name) for name in names]
    if set(plains) >= set(AXES):
        return plains
    found = [KNOWN.get(name.lower(), name) for name in plains]
    for wanted in (AXES, (*DEGREES, "z")):
        if all(found.count(axis) == 1 for axis in wanted):
            return found
    return None


def listed(text: str) -> list[str] | None:
    """The columns of `text`, as "x,y,z,-,nx,ny,nz", - for one to pass over; None without coordinates."""
    return understood(text.split(","))

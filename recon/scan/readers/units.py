"""The unit of coordinates in the coordinate system of georeferenced files.

Formats: OGC 19-008r4 (GeoTIFF keys), OGC 12-063r5 and 18-010r7 (WKT, versions 1 and 2).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from recon.base.units import METRES

log = logging.getLogger("recon")

DEGREE = "degree"
FACTOR_TOLERANCE = 1e-7  # relative: files round the factors; the two feet differ by 2e-6
MODEL_KEY, PLANE_KEY, HEIGHT_KEY = 1024, 3076, 4099  # of GeoTIFF: the model, and the units
GEOGRAPHIC_MODEL = 2  # longitudes and latitudes
GEOTIFF_UNITS = {9001: "metre", 9002: "foot", 9003: "US survey foot"}
PROJECTED_CRS = {"PROJCS", "PROJCRS", "PROJECTEDCRS"}
VERTICAL_CRS = {"VERT_CS", "VERTCRS", "VERTICALCRS"}
GEOGRAPHIC_CRS = {"GEOGCS", "GEOGCRS", "GEOGRAPHICCRS", "GEODCRS"}
MAX_DEPTH = 30  # of nested brackets
TOKEN = re.compile(r'"((?:[^"]|"")*)"|([\[(])|([\])])|,|([^\s,\[\]()"]+)')


def unit_of_geotiff(keys: Mapping[int, int]) -> str | None:
    """The horizontal unit that GeoTIFF's `keys` state, if any."""
    if keys.get(MODEL_KEY) == GEOGRAPHIC_MODEL:
        return DEGREE
    return _same(GEOTIFF_UNITS.get(keys.get(PLANE_KEY, 0)), GEOTIFF_UNITS.get(keys.get(HEIGHT_KEY, 0)))


def unit_of_wkt(text: str) -> str | None:
    """The horizontal unit that the well-known text of a coordinate system states, if any."""
    nodes = list(_nodes(text))
    plane = next((node for node in nodes if node[0] in PROJECTED_CRS), None)
    if plane is None:
        return DEGREE if any(node[0] in GEOGRAPHIC_CRS for node in nodes) else None
    return _same(_unit(plane), next((_unit(node) for node in nodes if node[0] in VERTICAL_CRS), None))


def _same(plane: str | None, height: str | None) -> str | None:
    if plane and height and plane != height:
        log.warning("the plane is in %s, heights are in %s: convert one of them", plane, height)
        return None
    return plane


def _nodes(text: str) -> list[list[Any]]:
    """Every KEYWORD[...] of the text, as a list of its keyword and the content of its brackets."""
    nodes: list[list[Any]] = []
    open_nodes: list[list[Any]] = [[]]
    for quoted, begin, end, word in TOKEN.findall(text):
        inner = open_nodes[-1]
        if begin and inner and isinstance(inner[-1], str) and len(open_nodes) < MAX_DEPTH:
            node = [inner.pop().upper()]
            inner.append(node)
            nodes.append(node)
            open_nodes.append(node)
        elif end and len(open_nodes) > 1:
            open_nodes.pop()
        elif quoted or word:
            inner.append(quoted or word)
    return nodes


def _unit(node: list[Any]) -> str | None:
    """The UNIT of a coordinate system or, without one, of its axes."""
    axes = [part for part in node if isinstance(part, list) and part[0] == "AXIS"]
    for part in (part for parent in (node, *axes) for part in parent):
        if isinstance(part, list) and part[0] in ("UNIT", "LENGTHUNIT") and len(part) > 2:
            try:
                factor = float(part[2])
            except (TypeError, ValueError):
                continue
            near = (name for name, metres in METRES.items() if abs(factor / metres - 1) < FACTOR_TOLERANCE)
            return next(near, str(part[1]))
    return None

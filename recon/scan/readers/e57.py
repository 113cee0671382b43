"""E57, the exchange format of terrestrial scanners: scans with their poses, in metres.

Format: ASTM E2807. pye57, an optional package, provides the reference library; points are read in chunks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.errors import MissingLibraryError, ScanError, reason
from recon.geometry import Float, PointCloud
from recon.scan.readers.columns import cut_short
from recon.scan.readers.e57_description import check_description
from recon.scan.readers.join import join

CHUNK_POINTS = 1 << 18
CARTESIAN = ("cartesianX", "cartesianY", "cartesianZ")
SPHERICAL = ("sphericalRange", "sphericalAzimuth", "sphericalElevation")
COLORS = ("colorRed", "colorGreen", "colorBlue")
NORMALS = ("normalX", "normalY", "normalZ")  # of an extension: a prefix and a colon stand before them
GRID_FIELDS = {"rowIndex", "columnIndex"}


def read_e57(path: Path) -> PointCloud:
    """Reads the valid points of all scans of an E57 file, in its world frame, metres.

    They have normals, colours and intensity, and the scanner's position if the poses tell it.

    Raises:
        ScanError: the file is damaged, empty, or names other files.
        MissingLibraryError: pye57 is not installed.
    """
    try:
        from pye57 import libe57
    except ImportError:
        raise MissingLibraryError("E57 files need pye57, which is not installed: pip install pye57") from None
    check_description(path)
    try:
        file = libe57.ImageFile(str(path), "r")
        try:
            nodes = file.root()["data3D"]
            scans = [nodes[index] for index in range(len(nodes))]
            moved = any((matrix != np.eye(4)).any() for matrix in map(_pose, scans))
            clouds = [_read(path, libe57, file, scan, moved) for scan in scans]
        finally:
            file.close()
    except (ScanError, OSError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 the library raises what it stumbles over in a damaged file
        raise ScanError(f"{path} is cut short or damaged: {reason(error)}") from None
    clouds = [cloud for cloud in clouds if len(cloud)]
    if not clouds:
        raise ScanError(f"{path} holds no points")
    return join(clouds, str(path))


def _read(path: Path, libe57: Any, file: Any, scan: Any, moved: bool) -> PointCloud:
    """Reads the scan of a node.

    Its scanner stood at its origin, unless that is meaningless, as in a merger of many scans: no scan of the
    file is `moved`, and the points are neither on a grid nor in spherical coordinates.
    """
    fields = libe57.StructureNode(scan["points"].prototype())
    plain = {name.partition(":")[2] or name: name for name in _children(fields)}  # without prefixes
    axes = next((axes for axes in (CARTESIAN, SPHERICAL) if plain.keys() >= {*axes}), None)
    if axes is None:
        raise ScanError(
            f"{path} has a scan without coordinates; its fields are: {', '.join(plain) or 'nothing'}"
        )
    count = scan["points"].childCount()
    if count > 8 * path.stat().st_size:  # a point takes a bit at least
        raise cut_short(path, count, "points", 8 * path.stat().st_size)
    pose = _pose(scan)
    rotation, translation = pose[:3, :3], pose[:3, 3]
    state = axes[0].removesuffix("X").removesuffix("Range") + "InvalidState"
    extras = [names for names in (NORMALS, COLORS, ("intensity",)) if plain.keys() >= {*names}]
    names = [name for group in (axes, (state,), *extras) for name in group if name in plain]
    parts = {name: np.empty(min(count, CHUNK_POINTS)) for name in names}
    buffers = libe57.VectorSourceDestBuffer()
    for name, part in parts.items():
        buffers.append(libe57.SourceDestBuffer(file, plain[name], part, len(part), True, True))

    points = np.empty((count, 3))
    normals = np.empty((count, 3)) if NORMALS in extras else None
    colors = np.empty((count, 3), np.uint8) if COLORS in extras else None
    intensity = np.empty(count) if "intensity" in parts else None
    at = 0
    reader = scan["points"].reader(buffers)
    while count and (length := reader.read()):
        valid = parts[state][:length] == 0 if state in parts else np.ones(length, bool)
        here = {name: part[:length][valid] for name, part in parts.items()}
        to = slice(at, at + np.count_nonzero(valid))
        with np.errstate(all="ignore"):
            place = _stack(here, axes) if axes is CARTESIAN else _from_spherical(*(here[a] for a in axes))
            points[to] = place @ rotation.T + translation
            if normals is not None:
                normals[to] = _stack(here, NORMALS) @ rotation.T
        if colors is not None:
            scaled = _stack(here, COLORS) * (255 / _brightest(scan, fields))
            colors[to] = np.rint(np.nan_to_num(scaled)).clip(0, 255)
        if intensity is not None:
            intensity[to] = here["intensity"]
        at = to.stop
    known = moved or axes is SPHERICAL or plain.keys() >= GRID_FIELDS
    return PointCloud(
        points[:at],
        None if normals is None else normals[:at],
        None if colors is None else colors[:at],
        str(path),
        np.broadcast_to(translation, (at, 3)) if known else None,
        {} if intensity is None else {"intensity": intensity[:at]},
        "metre",
    )


def _children(node: Any) -> list[str]:
    return [node[index].elementName() for index in range(node.childCount())]


def _pose(scan: Any) -> Float:
    """The matrix (4, 4) from a scan to the world."""
    matrix = np.eye(4)
    pose = scan["pose"] if scan.isDefined("pose") else None
    if pose is not None and pose.isDefined("rotation"):
        from scipy.spatial.transform import Rotation  # here: it takes long to load

        turn = [pose["rotation"][name].value() for name in "xyzw"]
        matrix[:3, :3] = Rotation.from_quat(turn).as_matrix()
    if pose is not None and pose.isDefined("translation"):
        matrix[:3, 3] = [pose["translation"][name].value() for name in "xyz"]
    return matrix


def _stack(columns: dict[str, NDArray], names: tuple[str, ...]) -> Float:
    return np.stack([columns[name] for name in names], axis=1)


def _from_spherical(distance: Float, azimuth: Float, elevation: Float) -> Float:
    """(n, 3) points from distances (n,), azimuths (n,) and elevations (n,) in radians."""
    flat = distance * np.cos(elevation)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), distance * np.sin(elevation)], axis=1)


def _brightest(scan: Any, fields: Any) -> float:
    """The maximum value of a colour that the file states."""
    limits = scan["colorLimits"] if scan.isDefined("colorLimits") else None
    if limits is not None and limits.isDefined("colorRedMaximum"):
        stated = limits["colorRedMaximum"].value()
    else:
        stated = fields["colorRed"].maximum()
    return stated if 0 < stated <= 0xFFFF else 255

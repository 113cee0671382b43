"""Clouds that are in memory already: arrays, tensors, and the objects of Open3D, trimesh and PyVista.

What they are is told by the names of their types: none of these libraries is loaded for it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recon.errors import ShapeError, reason, shown
from recon.geometry import Bytes, Mesh, PointCloud, checked_rows
from recon.scan.files import read_any
from recon.scan.readers.columns import from_table
from recon.scan.readers.mesh_scans import sample_surface

SAMPLES = 100_000  # of a mesh
WANTED = "an array (n, 3), a PointCloud, a path, a tensor, or a cloud or mesh of Open3D, trimesh or PyVista"


def as_cloud(given: Any, normals: ArrayLike | None = None, colors: ArrayLike | None = None) -> PointCloud:
    """The points of whatever people hold, as a cloud in the world frame.

    Args:
        given: a PointCloud; a Mesh, which is sampled (100,000 points, uniform by area); a path, read as
            `read_cloud` does; a cloud or mesh of Open3D (also of open3d.t), trimesh or PyVista; an array,
            a torch tensor or nested lists (n, 3), or with more columns: told as in a file without names.
        normals: (n, 3), instead of those of `given`, of any length.
        colors: (n, 3) or (n, 4), instead of those of `given`: whole numbers 0 to 255, or shares of 1.

    Raises:
        ShapeError: it is none of these, or its arrays have other shapes.
        ScanError: a file cannot be read, or a mesh has no area.
    """
    content = content_of(given)
    cloud = sample_surface(content, SAMPLES) if isinstance(content, Mesh) else content
    if normals is not None:
        cloud = replace(cloud, normals=checked_rows(_array(normals, "normals"), np.float64, 3, "normals"))
    if colors is not None:
        cloud = replace(cloud, colors=_colors(colors))
    return cloud


def content_of(given: Any) -> PointCloud | Mesh:
    """The cloud or mesh that `given`, anything that `as_cloud` takes, is or holds; errors as there."""
    if isinstance(given, PointCloud | Mesh):
        return given
    if isinstance(given, str | os.PathLike):
        return read_any(Path(given))
    library = type(given).__module__.split(".")[0]
    if library == "open3d" and (known := _of_open3d(given)):
        return known
    if library == "trimesh" and (known := _of_trimesh(given)):
        return known
    if library == "pyvista" and (known := _of_pyvista(given)):
        return known
    if isinstance(given, bytes | dict | set) or callable(given):
        raise ShapeError(f"the cloud is {shown(given)}, expected {WANTED}")
    table = _array(given, "the cloud")
    if table.ndim != 2 or table.shape[1] < 3 or table.dtype.kind not in "biuf":
        raise ShapeError(
            f"the cloud is an array {table.shape} of {table.dtype}, expected rows of at least x y z"
        )
    return replace(from_table(Path("the array"), table.astype(np.float64)), source="the array")


def _of_open3d(given: Any) -> PointCloud | Mesh | None:
    given = given.to_legacy() if hasattr(given, "to_legacy") else given
    if hasattr(given, "triangles"):
        return Mesh(
            np.asarray(given.vertices),
            np.asarray(given.triangles, np.int64),
            colors=_colors(given.vertex_colors) if given.has_vertex_colors() else None,
        )
    if not hasattr(given, "has_points"):
        return None
    normals = np.asarray(given.normals) if given.has_normals() else None
    colors = _colors(given.colors) if given.has_colors() else None
    return PointCloud(np.asarray(given.points), normals, colors, "the Open3D cloud")


def _of_trimesh(given: Any) -> PointCloud | Mesh | None:
    if hasattr(given, "geometry"):  # a scene
        given = given.to_geometry()
    if hasattr(given, "faces"):
        colored = given.visual.kind == "vertex"
        colors = _colors(given.visual.vertex_colors) if colored else None
        return Mesh(np.asarray(given.vertices), np.asarray(given.faces), colors=colors)
    if not hasattr(given, "vertices") or hasattr(given, "entities"):
        return None
    colors = np.asarray(given.colors)
    found = _colors(colors) if len(colors) == len(given.vertices) else None
    return PointCloud(np.asarray(given.vertices), colors=found, source="the trimesh cloud")


def _of_pyvista(given: Any) -> PointCloud | Mesh | None:
    if not hasattr(given, "regular_faces"):
        return None
    data, points = given.point_data, np.asarray(given.points, np.float64)
    colors = next((_colors(data[name]) for name in ("RGB", "RGBA", "colors") if name in data), None)
    if np.size(given.faces):
        return Mesh(points, np.asarray(given.triangulate().regular_faces, np.int64), colors=colors)
    normals = np.asarray(data["Normals"], np.float64) if "Normals" in data else None
    scalars = {name: np.asarray(data[name]) for name in data if np.asarray(data[name]).ndim == 1}
    return PointCloud(points, normals, colors, "the PyVista cloud", values=scalars)


def _colors(given: Any) -> Bytes:
    """Colours (n, 3) uint8 of whole numbers or shares of 1, without their opacity."""
    array = _array(given, "colors")
    if array.ndim != 2 or array.shape[1] not in (3, 4) or array.dtype.kind not in "biuf":
        raise ShapeError(f"colors is an array {array.shape} of {array.dtype}, expected (n, 3)")
    rgb = array[:, :3]
    if rgb.dtype.kind == "f" and ((rgb >= 0) & (rgb <= 1)).all():
        return np.rint(255.0 * rgb).astype(np.uint8)
    return checked_rows(rgb, np.uint8, 3, "colors")


def _array(given: Any, name: str) -> NDArray:
    """A numpy array of what is one, a tensor of any device, or nested lists."""
    if hasattr(given, "detach"):
        given = given.detach().cpu()
    try:
        return np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ShapeError(f"{name} is {shown(given)}, expected {WANTED}: {reason(error)}") from None

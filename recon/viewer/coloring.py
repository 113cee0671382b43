"""Colours that show a quantity on a surface, and their legend."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from recon.errors import UsageError
from recon.geometry import Bytes, Float, Mesh, PointCloud, vertex_normals
from recon.meshing.triangles import distance_to_mesh
from recon.render.legend import Legend
from recon.render.palette import DIVERGING, SEQUENTIAL, Colors
from recon.scan.preparation.spacing import NEIGHBOURS, point_spacing

PLANE_REACH_SPACINGS = 2.0  # from a point, within which its tangent plane stands for the surface
TAIL_PERCENT = 2.0  # of the values that may lie beyond either end of the legend
COLOR_MODES = ("auto", "plain", "scan", "normal", "height", "distance", "curvature")


def modes(thing: Mesh | PointCloud) -> list[str]:
    """The ways to colour a thing: the common ones, and the names of its scalars."""
    return [*COLOR_MODES, *(name for name in thing.values if name not in COLOR_MODES)]


def colored(
    thing: Mesh | PointCloud,
    mode: str,
    beside: Sequence[Mesh | PointCloud] = (),
    up: Float | None = None,
    unit: str | None = None,
) -> tuple[Mesh | PointCloud, Legend | None]:
    """A thing coloured by a mode, and the legend of a numeric one.

    - auto: its own colours, else plain
    - plain: without colours
    - scan: its own colours; for a mesh without any, those of the nearest points of the clouds `beside`
    - normal: x, y, z of the normal as red, green, blue
    - height: the coordinate along `up`, z by default
    - distance: of a mesh to the clouds `beside`, of a cloud to the meshes `beside`
    - curvature: the mean of the two principal curvatures, above 0 where it bulges outward
    - else the scalar of that name

    Raises:
        UsageError: if the thing lacks what the mode needs.
    """
    if mode == "auto":
        return thing, None
    if mode == "plain":
        return replace(thing, colors=None), None
    if mode == "scan":
        return replace(thing, colors=_scan_colors(thing, beside)), None
    if mode == "normal":
        return replace(thing, colors=np.rint((_normals(thing) + 1) * 127.5).astype(np.uint8)), None
    legend, values = _BY_MODE[mode](thing, beside, up, unit) if mode in _BY_MODE else _scalar(thing, mode)
    return replace(thing, colors=legend.colors(values)), legend


def _places(thing: Mesh | PointCloud) -> Float:
    return thing.vertices if isinstance(thing, Mesh) else thing.points


def _normals(thing: Mesh | PointCloud) -> Float:
    if thing.normals is not None:
        return np.nan_to_num(thing.normals).clip(-1, 1)
    if isinstance(thing, Mesh):
        return vertex_normals(thing)
    raise UsageError(f"{thing.source} has no normals to colour it by")


def _scan_colors(thing: Mesh | PointCloud, beside: Sequence[Mesh | PointCloud]) -> Bytes:
    if thing.colors is not None:
        return thing.colors
    for other in beside:
        if isinstance(other, PointCloud) and other.colors is not None and isinstance(thing, Mesh):
            return other.colors[_nearest(thing.vertices, other)[1]]
    raise UsageError("neither the mesh nor a scan shown with it has colours: give a coloured scan, too")


def _nearest(places: Float, cloud: PointCloud) -> tuple[Float, np.ndarray]:
    """For each of (n, 3) places, distance and index of the nearest point of `cloud`."""
    rows = np.flatnonzero(np.isfinite(cloud.points).all(1))
    origin = cloud.points[rows[0]]  # a tree far from 0 would lose digits
    distance, index = cKDTree(cloud.points[rows] - origin).query(places - origin, workers=-1)
    return distance, rows[index]


def _distance_to_scan(places: Float, cloud: PointCloud) -> Float:
    """(n,): distances of (n, 3) places to a scan.

    Near points with a normal, to their tangent plane, so that the gaps between points do not count.
    """
    distance, index = _nearest(places, cloud)
    if cloud.normals is None or len(cloud) <= NEIGHBOURS:
        return distance
    known = cloud.points[np.isfinite(cloud.points).all(1)]
    off = np.abs(((places - cloud.points[index]) * cloud.normals[index]).sum(1))
    near = distance < PLANE_REACH_SPACINGS * point_spacing(known - known[0])
    return np.where(near & np.isfinite(off), off, distance)


def _height(
    thing: Mesh | PointCloud, beside: object, up: Float | None, unit: str | None
) -> tuple[Legend, Float]:
    axis = np.array([0.0, 0.0, 1.0]) if up is None else np.asarray(up, np.float64)
    axis = axis / np.linalg.norm(axis)
    name = next(
        (f"{'-' if s < 0 else ''}{c}" for c, s in zip("xyz", axis, strict=True) if abs(s) > 0.999), None
    )
    title = f"height along {name or ','.join(f'{part:.2g}' for part in axis)}"
    return _ranged(title, unit, _places(thing) @ axis, SEQUENTIAL, tail=0.0)


def _distance(
    thing: Mesh | PointCloud, beside: Sequence[Mesh | PointCloud], up: object, unit: str | None
) -> tuple[Legend, Float]:
    if isinstance(thing, Mesh):
        clouds = [other for other in beside if isinstance(other, PointCloud)]
        if not clouds:
            raise UsageError(
                "the distance to the scan needs the scan: give it, or the run folder, with the mesh"
            )
        found = np.min([_distance_to_scan(thing.vertices, cloud) for cloud in clouds], axis=0)
        return _ranged("distance to the scan", unit, found, SEQUENTIAL, low=0.0)
    meshes = [other for other in beside if isinstance(other, Mesh)]
    if not meshes:
        raise UsageError("the distance to the mesh needs a mesh: give it with the scan")
    known = np.isfinite(thing.points).all(1)
    found = np.full(len(thing), np.nan)
    found[known] = np.min([distance_to_mesh(thing.points[known], mesh) for mesh in meshes], axis=0)
    return _ranged("distance to the mesh", unit, found, SEQUENTIAL, low=0.0)


def _curvature(
    thing: Mesh | PointCloud, beside: object, up: object, unit: str | None
) -> tuple[Legend, Float]:
    if not isinstance(thing, Mesh):
        raise UsageError(f"{thing.source} is points: only meshes can be coloured by curvature")
    found = mean_curvature(thing)
    limit = max(float(np.percentile(np.abs(found), 100 - 2 * TAIL_PERCENT)), np.finfo(float).tiny)
    beyond = bool((found < -limit).any()), bool((found > limit).any())
    return Legend("mean curvature", f"1/{unit or 'scan unit'}", -limit, limit, DIVERGING, beyond), found


def _scalar(thing: Mesh | PointCloud, name: str) -> tuple[Legend, Float]:
    if name not in thing.values:
        known = ", ".join(modes(thing))
        raise UsageError(f"cannot colour by '{name}': expected one of {known}")
    return _ranged(name, "", thing.values[name], SEQUENTIAL)


def _ranged(
    title: str,
    unit: str | None,
    values: Float,
    map: Colors,
    low: float | None = None,
    tail: float = TAIL_PERCENT,
) -> tuple[Legend, Float]:
    known = values[np.isfinite(values)]
    if len(known) == 0:
        raise UsageError(f"there are no values of {title} to colour by")
    bottom, top = (
        np.percentile(known, (tail, 100 - tail)) if low is None else (low, np.percentile(known, 100 - tail))
    )
    if not top > bottom:
        top = bottom + max(abs(bottom), 1.0) * 1e-9
    beyond = bool((known < bottom).any()), bool((known > top).any())
    unit = "scan unit" if unit is None else unit
    return Legend(title, unit, float(bottom), float(top), map, beyond), values


def mean_curvature(mesh: Mesh) -> Float:
    """(n,): mean curvature at the vertices, 1 / world units, positive where the surface bulges outward.

    Half the divergence of the normals, linear on a face; averaged by area over the faces around a vertex,
    twice. Exact on spheres with exact normals.
    """
    normals = vertex_normals(mesh) if mesh.normals is None else mesh.normals
    corners = mesh.vertices[mesh.faces]
    scale = max(float(np.ptp(mesh.vertices, axis=0).max()), 1e-300)
    edges = (corners[:, [2, 0, 1]] - corners[:, [1, 2, 0]]) / scale  # each opposite to its corner
    double = np.cross(edges[:, 0], edges[:, 1])
    area = np.linalg.norm(double, axis=1)
    across = np.cross((double / np.maximum(area, 1e-300)[:, None])[:, None], edges)
    turned = 0.5 * (normals[mesh.faces] * across).sum((1, 2))  # the divergence, times the area: no division
    for _ in range(2):
        turned, area = (_sum_to_vertices(mesh, per_face)[mesh.faces].sum(1) for per_face in (turned, area))
    return _sum_to_vertices(mesh, turned) / np.maximum(_sum_to_vertices(mesh, area), 1e-300) / scale


def _sum_to_vertices(mesh: Mesh, per_face: Float) -> Float:
    """(n,): the sum of (m,) values of the faces around each vertex."""
    count = len(mesh.vertices)
    return np.bincount(mesh.faces.ravel(), np.repeat(per_face, 3), count).astype(np.float64)


_BY_MODE: dict[str, Callable] = {"height": _height, "distance": _distance, "curvature": _curvature}

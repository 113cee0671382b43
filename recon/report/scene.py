"""Mesh and scan for the page, quantised from a corner, which keeps survey coordinates exact."""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree

from recon.errors import ExtractError
from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.levels import coarser
from recon.meshing.triangles import distance_to_mesh
from recon.render.camera import usual_view
from recon.surface.scenes.reconstruction import Reconstruction, SceneReconstruction
from recon.surface.uncertainty import UNCERTAINTY

MAX_FACES, MAX_POINTS = 200_000, 100_000
MAX_PICTURE_FACES = 1_000_000  # of a scene in blocks, in the pictures
POSITION_STEPS = 65535  # of a coordinate, along the longest side
LOW_PERCENTILE, HIGH_PERCENTILE = 1.0, 99.0  # of a scalar, at which the colour scale ends
MAX_SCALARS = 8


@dataclass(frozen=True, eq=False)
class Surface:
    """What a report measures and shows, world.

    Attributes:
        mesh: as `recon mesh` makes it, but of a scene in blocks simplified; None without a surface yet.
        shown: the same with few triangles, for the page.
        cloud: a uniform sample of the scan, for the page.
        distances: (len(cloud),) of its points to `mesh`, empty without one.
    """

    mesh: Mesh | None
    shown: Mesh | None
    cloud: PointCloud
    distances: Float


def surface_of(result: Reconstruction | SceneReconstruction) -> Surface:
    """Mesh the field, simplify the mesh and measure the scan's points."""
    step = -(-len(result.scan) // MAX_POINTS)
    cloud = result.scan.select(np.arange(0, len(result.scan), step))
    if isinstance(result, SceneReconstruction):
        mesh, distances = result.mesh(MAX_PICTURE_FACES), result.distances_to_mesh(cloud.points)
        known = np.isfinite(distances)
        return Surface(mesh, coarser(mesh, MAX_FACES), cloud.select(known), distances[known])
    try:
        mesh = result.mesh()
    except ExtractError:  # stopped early: the field need not have a surface
        return Surface(None, None, cloud, np.zeros(0))
    return Surface(mesh, _simplified(result, mesh), cloud, distance_to_mesh(cloud.points, mesh))


def _simplified(result: Reconstruction, mesh: Mesh) -> Mesh:
    """`mesh` with about `MAX_FACES` triangles, or as it is with fewer."""
    if len(mesh.faces) <= MAX_FACES:
        return mesh
    fewer = result.mesh(faces=MAX_FACES)
    if len(fewer.faces) <= 1.1 * MAX_FACES:
        return fewer
    settings = result.config.mesh  # could not be simplified: mesh coarser, faces go by the square
    resolution = settings.resolution or settings.finest
    return result.mesh(max(16, int(resolution * np.sqrt(MAX_FACES / len(mesh.faces)))), faces=None)


def scene_data(surface: Surface, result: Reconstruction | SceneReconstruction) -> dict[str, Any]:
    """What page.js draws of a run."""
    return drawn_data(surface.shown, surface.cloud, _scalars(surface, result))


def drawn_data(
    mesh: Mesh | None, cloud: PointCloud, scalars: list[dict[str, Any]], first: str | None = None
) -> dict[str, Any]:
    """What page.js draws, ready for JSON: a mesh and a cloud, coloured by one of `scalars`, at first `first`.

    Positions are whole steps from `low`, a `step` long, world.
    """
    points = cloud.points if mesh is None else np.concatenate([cloud.points, mesh.vertices])
    low, high = points.min(0), points.max(0)
    step = float((high - low).max()) / POSITION_STEPS or 1.0
    direction, up = usual_view(mesh or cloud)

    def positions(world: Float) -> str:
        return _packed(np.rint((world - low) / step), np.uint16)

    return {
        "low": low.tolist(),
        "high": high.tolist(),
        "step": step,
        "unit": cloud.unit,
        "direction": direction.tolist(),
        "up": up.tolist(),
        "mesh": mesh and _mesh(mesh, positions),
        "cloud": {"positions": positions(cloud.points), "colors": _colors(cloud.colors)},
        "scalars": scalars,
        "first": first,
    }


def _mesh(mesh: Mesh, positions: Any) -> dict[str, Any]:
    normals = None if mesh.normals is None else _packed(np.rint(127 * mesh.normals), np.int8)
    return {
        "positions": positions(mesh.vertices),
        "normals": normals,
        "faces": _packed(mesh.faces, np.uint32),
        "colors": _colors(mesh.colors),
    }


def _scalars(surface: Surface, result: Reconstruction | SceneReconstruction) -> list[dict[str, Any]]:
    """What the page can colour by: name, unit, the values at the colours' ends, 0 to 255 for each element.

    Vertices or points without the scalar have None.
    """
    mesh, cloud, distances, out = surface.shown, surface.cloud, surface.distances, []
    if mesh is not None:
        beside = distances[cKDTree(cloud.points).query(mesh.vertices)[1]]
        out.append(scalar("distance of the scan to the mesh", distances, beside, cloud.unit, low=0.0))
        beyond, _ = cKDTree(result.scan.points).query(mesh.vertices)
        out.append(scalar("distance of the mesh to the nearest point", None, beyond, cloud.unit, low=0.0))
    on_mesh = {} if mesh is None else mesh.values
    for name in list({**on_mesh, **cloud.values})[:MAX_SCALARS]:
        unit, low = (cloud.unit, 0.0) if name == UNCERTAINTY else (None, None)
        out.append(scalar(name, cloud.values.get(name), on_mesh.get(name), unit, low))
    return out


def scalar(
    name: str,
    points: Float | None,
    vertices: Float | None,
    unit: str | None,
    low: float | None = None,
    signed: bool = False,
) -> dict[str, Any]:
    """What the page can colour by: values of the cloud's `points`, the mesh's `vertices`, or both.

    The colours end at percentiles; if `signed`, as far on both sides of zero.
    """
    known = vertices if points is None else points
    assert known is not None
    known = known[np.isfinite(known)]
    if not len(known):
        known = np.zeros(1)
    last = float(np.percentile(np.abs(known) if signed else known, HIGH_PERCENTILE))
    first = -last if signed else float(np.percentile(known, LOW_PERCENTILE)) if low is None else low
    width = last - first or 1.0

    def shades(values: Float | None) -> str | None:
        if values is None:
            return None
        share = np.nan_to_num((values - first) / width, nan=0.0, posinf=1.0, neginf=0.0)
        return _packed(np.rint(255 * share.clip(0, 1)), np.uint8)

    return {
        "name": name,
        "unit": unit,
        "low": first,
        "high": last,
        "signed": signed,
        "cloud": shades(points),
        "mesh": shades(vertices),
    }


def _colors(colors: ArrayLike | None) -> str | None:
    return None if colors is None else _packed(colors, np.uint8)


def _packed(values: ArrayLike, dtype: type) -> str:
    return base64.b64encode(np.asarray(values, np.dtype(dtype).newbyteorder("<")).tobytes()).decode()

"""Point clouds, meshes and the frame, which travel through the whole program.

Coordinates outside the field are float64 in the *world* frame, the file's own units. The field lives in the
*unit* frame, `[-1, 1]^3`; `Frame` is the only place that maps one to the other. Names say the frame wherever
both occur (`points_unit`, `vertices_world`).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recon.errors import MissingLibraryError, ShapeError, check_kind, reason

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def checked_rows(array: ArrayLike, dtype: type, columns: int | None, name: str) -> NDArray:
    """`array` as a read-only array (n, columns), or (n,) for None, of `dtype`.

    Raises ShapeError if it has another shape, or holds what is not such a number.
    """
    wanted = f"(n, {columns})" if columns else "(n,)"
    try:
        given = np.asarray(array)
        if given.dtype.kind not in "biufO":
            raise TypeError(f"{given.dtype} values")
        with np.errstate(invalid="ignore"):  # what is not finite has no whole number; told below
            out: NDArray = np.ascontiguousarray(given, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ShapeError(f"{name} holds {reason(error)}, expected numbers {wanted}") from None
    if given.shape != ((len(out), columns) if columns else (out.size,)):
        raise ShapeError(f"{name} has shape {given.shape}, expected {wanted}")
    if np.issubdtype(dtype, np.integer) and given.dtype != dtype and not (out == given).all():
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        raise ShapeError(f"{name} holds {given.dtype} values that are not whole, or not from {low} to {high}")
    view = out.view()
    view.flags.writeable = False
    return view


class _Rows:
    """Base of clouds and meshes: attributes are read-only arrays with one row per point or vertex."""

    def _freeze(self, columns: Mapping[str, tuple[type, int]], first: str) -> None:
        for name, (dtype, count) in columns.items():
            if (array := getattr(self, name)) is not None or name == first or name == "faces":
                object.__setattr__(self, name, checked_rows(array, dtype, count, name))
        values = getattr(self, "values")  # noqa: B009
        check_kind("values", values, Mapping, "a dict of arrays")
        frozen = {
            str(name): checked_rows(array, np.float64, None, str(name)) for name, array in values.items()
        }
        object.__setattr__(self, "values", frozen)
        n = len(getattr(self, first))
        rows = {name: getattr(self, name) for name in columns if name != "faces"} | frozen
        for name, array in rows.items():
            if array is not None and len(array) != n:
                raise ShapeError(f"{name} has {len(array)} rows, {first} has {n}")


@dataclass(frozen=True, eq=False)
class PointCloud(_Rows):
    """Points of a scan, with outward normals, colours and more where known.

    Attributes:
        points: (n, 3) float64, world.
        normals: (n, 3) float64, unit length, outward, or None.
        colors: (n, 3) uint8 RGB, or None.
        source: the origin of the points, for messages.
        sensors: (n, 3) float64, world: position of the scanner that saw each point, or None.
        values: other scalars of the points by name, as an intensity, (n,) float64 each.
        unit: the name of the coordinates' unit if the file states it, as "metre".

    Raises:
        ShapeError: an array has the wrong shape, or does not hold such numbers.
    """

    points: Float
    normals: Float | None = None
    colors: Bytes | None = None
    source: str = "the cloud"
    sensors: Float | None = None
    values: Mapping[str, Float] = field(default_factory=dict)
    unit: str | None = None

    def __post_init__(self) -> None:
        check_kind("source", self.source, str, "text")
        check_kind("unit", self.unit, str | None, "the name of a unit")
        columns = {"points": (np.float64, 3), "normals": (np.float64, 3), "colors": (np.uint8, 3)}
        self._freeze(columns | {"sensors": (np.float64, 3)}, "points")

    def __len__(self) -> int:
        return len(self.points)

    def select(self, index: ArrayLike) -> PointCloud:
        """The points that `index` (boolean mask or integers) selects, with their attributes."""
        index = np.asarray(index)
        pick = lambda a: None if a is None else a[index]  # noqa: E731
        return replace(
            self,
            points=self.points[index],
            normals=pick(self.normals),
            colors=pick(self.colors),
            sensors=pick(self.sensors),
            values={name: array[index] for name, array in self.values.items()},
        )


@dataclass(frozen=True, eq=False)
class Mesh(_Rows):
    """A triangle mesh; faces are oriented counter-clockwise seen from outside.

    Attributes:
        vertices: (n, 3) float64, world unless a name says otherwise.
        faces: (m, 3) int64, indices into vertices.
        normals: (n, 3) float64 unit vertex normals, or None.
        colors: (n, 3) uint8 RGB, or None.
        values: other scalars of the vertices by name, (n,) float64 each.
        unit: the name of the coordinates' unit if it is known, as "metre".

    Raises:
        ShapeError: an array has the wrong shape or does not hold such numbers, or a face names no vertex.
    """

    vertices: Float
    faces: Int
    normals: Float | None = None
    colors: Bytes | None = None
    values: Mapping[str, Float] = field(default_factory=dict)
    unit: str | None = None

    def __post_init__(self) -> None:
        check_kind("unit", self.unit, str | None, "the name of a unit")
        columns = {"vertices": (np.float64, 3), "faces": (np.int64, 3), "normals": (np.float64, 3)}
        self._freeze(columns | {"colors": (np.uint8, 3)}, "vertices")
        if len(self.faces) and not 0 <= self.faces.min() <= self.faces.max() < len(self.vertices):
            raise ShapeError(f"faces name vertices that are not there: there are {len(self.vertices):,}")

    def to_trimesh(self) -> Any:
        """A `trimesh.Trimesh` with the same vertices, normals and colours; nothing is merged."""
        import trimesh

        return trimesh.Trimesh(
            self.vertices,
            self.faces,
            vertex_normals=self.normals,
            vertex_colors=self.colors,
            vertex_attributes=dict(self.values),
            process=False,
        )

    def to_open3d(self) -> Any:
        """An `open3d.geometry.TriangleMesh`, colours as shares of 1. Raises MissingLibraryError."""
        open3d = _library("open3d", "Open3D")
        vector = lambda array: open3d.utility.Vector3dVector(np.array(array))  # noqa: E731 it takes no read-only ones
        faces = open3d.utility.Vector3iVector(self.faces.astype(np.int32))
        mesh = open3d.geometry.TriangleMesh(vector(self.vertices), faces)
        if self.normals is not None:
            mesh.vertex_normals = vector(self.normals)
        if self.colors is not None:
            mesh.vertex_colors = vector(self.colors / 255.0)
        return mesh

    def to_pyvista(self) -> Any:
        """A `pyvista.PolyData` with Normals, RGB and the values. Raises MissingLibraryError."""
        mesh = _library("pyvista", "PyVista").PolyData.from_regular_faces(self.vertices, self.faces)
        found = {"Normals": self.normals, "RGB": self.colors, **self.values}
        for name, array in found.items():
            if array is not None:
                mesh.point_data[name] = array
        return mesh

    def select(self, kept: ArrayLike) -> Mesh:
        """The vertices that the mask `kept` (n,) bool selects, and the faces with all corners among them."""
        kept = np.asarray(kept)
        number = np.cumsum(kept) - 1
        pick = lambda a: None if a is None else a[kept]  # noqa: E731
        return Mesh(
            self.vertices[kept],
            number[self.faces[kept[self.faces].all(1)]],
            pick(self.normals),
            pick(self.colors),
            {name: array[kept] for name, array in self.values.items()},
        )


def _library(module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingLibraryError(f"{name} is not installed: pip install {module}") from None


@dataclass(frozen=True, eq=False)
class Frame:
    """The similarity between the world and the unit frame: `world = center + scale * unit`.

    Attributes:
        center: (3,) float64, world.
        scale: world length of one unit: half the longest side of the cloud's box, over (1 - margin).
    """

    center: Float
    scale: float

    def __post_init__(self) -> None:
        center = checked_rows([self.center], np.float64, 3, "center")
        scale = checked_rows([self.scale], np.float64, None, "scale")
        if not (np.isfinite(center).all() and 0 < scale < np.inf):
            raise ShapeError(f"no frame has center {self.center} and scale {self.scale}")
        object.__setattr__(self, "center", center[0])
        object.__setattr__(self, "scale", float(scale[0]))

    @classmethod
    def around(cls, points_world: Float, margin: float = 0.1) -> Frame:
        """The frame in which the points' box is centred and its longest side is 2 (1 - `margin`)."""
        low, high = points_world.min(0), points_world.max(0)
        half = 0.5 * float((high - low).max())
        return cls(low + 0.5 * (high - low), half / (1.0 - margin))

    def to_unit(self, points_world: Float) -> Float:
        """(n, 3) world → (n, 3) unit, float64: the offset is subtracted before precision is lost."""
        return (np.asarray(points_world, np.float64) - self.center) / self.scale

    def to_world(self, points_unit: Float) -> Float:
        """(n, 3) unit → (n, 3) world, float64."""
        return np.asarray(points_unit, np.float64) * self.scale + self.center


def unit_vectors(vectors: Float) -> Float:
    """`vectors` (n, 3) at unit length; zero ones stay zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300)


def face_normals(vertices: Float, faces: Int) -> Float:
    """(m, 3) unit normals of `faces` (m, 3)."""
    a, b, c = vertices[faces.T]
    u, v = b - a, c - a
    longest = np.maximum(np.abs(np.hstack([u, v])).max(1, keepdims=True), 1e-300)
    return unit_vectors(np.cross(u / longest, v / longest))


def vertex_normals(mesh: Mesh) -> Float:
    """(n, 3) unit vertex normals: the area-weighted means of the adjacent faces' normals."""
    a, b, c = mesh.vertices[mesh.faces.T]
    scale = max(float(np.ptp(mesh.vertices, axis=0).max()), 1e-300)
    corners, count = mesh.faces.ravel(), len(mesh.vertices)
    area = np.repeat(np.cross((b - a) / scale, (c - a) / scale), 3, axis=0)
    return unit_vectors(np.stack([np.bincount(corners, part, count) for part in area.T], axis=1))

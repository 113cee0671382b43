"""The three things that travel through the program: point clouds, meshes and the frame.

Coordinates outside the field are float64 and in the *world* frame, the file's own units. The field
lives in the *unit* frame, `[-1, 1]^3`; `Frame` is the only place that maps one to the other. Names
say the frame wherever both occur (`points_unit`, `vertices_world`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bytes = NDArray[np.uint8]


def _frozen(array: ArrayLike | None, dtype: type, columns: int, name: str) -> NDArray | None:
    if array is None:
        return None
    out: NDArray = np.ascontiguousarray(array, dtype)
    if out.ndim != 2 or out.shape[1] != columns:
        raise ValueError(f"{name} has shape {out.shape}, wanted (n, {columns})")
    view = out.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Points of a scan, with outward normals and colours where known.

    points   (n, 3) float64, world
    normals  (n, 3) float64, unit length, outward, or None
    colors   (n, 3) uint8 RGB, or None
    source   where the points came from, for messages
    """

    points: Float
    normals: Float | None = None
    colors: Bytes | None = None
    source: str = "the cloud"

    def __post_init__(self) -> None:
        n = None
        for name, dtype in (("points", np.float64), ("normals", np.float64), ("colors", np.uint8)):
            array = _frozen(getattr(self, name), dtype, 3, name)
            object.__setattr__(self, name, array)
            if array is not None:
                n = len(array) if n is None else n
                if len(array) != n:
                    raise ValueError(f"{name} has {len(array)} rows, points has {n}")

    def __len__(self) -> int:
        return len(self.points)

    def select(self, index: ArrayLike) -> PointCloud:
        """The points that `index` (boolean mask or integers) names, attributes with them."""
        index = np.asarray(index)
        pick = lambda a: None if a is None else a[index]  # noqa: E731
        return PointCloud(self.points[index], pick(self.normals), pick(self.colors), self.source)


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh; faces turn counter-clockwise seen from outside.

    vertices  (n, 3) float64, world unless a name says otherwise
    faces     (m, 3) int64, indices into vertices
    normals   (n, 3) float64 unit vertex normals, or None
    colors    (n, 3) uint8 RGB, or None
    """

    vertices: Float
    faces: Int
    normals: Float | None = None
    colors: Bytes | None = None

    def __post_init__(self) -> None:
        for name, dtype in (
            ("vertices", np.float64),
            ("faces", np.int64),
            ("normals", np.float64),
            ("colors", np.uint8),
        ):
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype, 3, name))
        if len(self.faces) and not 0 <= self.faces.min() <= self.faces.max() < len(self.vertices):
            raise ValueError("faces name vertices that are not there")


@dataclass(frozen=True, eq=False)
class Frame:
    """The similarity between the world and the unit frame: `world = center + scale * unit`.

    center  (3,) float64, world
    scale   world length of one unit: half the longest side of the cloud's box, over (1 - margin)
    """

    center: Float
    scale: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "center", np.asarray(self.center, np.float64).reshape(3))
        object.__setattr__(self, "scale", float(self.scale))
        if not (np.isfinite(self.center).all() and 0 < self.scale < np.inf):
            raise ValueError(f"no frame has center {self.center} and scale {self.scale}")

    @classmethod
    def around(cls, points_world: Float, margin: float = 0.1) -> Frame:
        """The frame in which the points' box is centred and its longest side spans
        `[-(1 - margin), 1 - margin]`."""
        low, high = points_world.min(0), points_world.max(0)
        half = 0.5 * float((high - low).max())
        return cls(low + 0.5 * (high - low), half / (1.0 - margin))

    def to_unit(self, points_world: Float) -> Float:
        """(n, 3) world → (n, 3) unit, float64: the offset goes before precision is lost."""
        return (np.asarray(points_world, np.float64) - self.center) / self.scale

    def to_world(self, points_unit: Float) -> Float:
        """(n, 3) unit → (n, 3) world, float64."""
        return np.asarray(points_unit, np.float64) * self.scale + self.center

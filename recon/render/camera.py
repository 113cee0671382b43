"""Cameras, and where they stand.

`fitted` puts a camera as near as it can be with all points in view, in closed form: each side of the picture
is a plane that no point may be beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.transform import Rotation

from recon.errors import UsageError
from recon.geometry import Float, Int, Mesh, PointCloud, unit_vectors

FIELD_OF_VIEW = 30.0  # degrees, vertical
PICTURE_MARGIN = 0.06  # of its width and height, on each side
FROM_FRONT, FROM_ABOVE = (-1.0, -2.0, 1.0), (-1.0, -2.0, 2.0)
MIN_OPEN_NORMAL = 0.25  # length of the mean normal of what has a front; 0 is closed
MAX_TERRAIN_RATIO = 0.2  # height over length: above it, a thing with z up is a relief
Z_UP = (".las", ".laz", ".e57")  # by convention
FOOT_HEIGHT, MIN_FOOT, MIN_FOOT_RATIO = 0.01, 0.1, 1.5
SAMPLE_SIZE = 20_000  # faces or points


@dataclass(frozen=True, eq=False)
class Camera:
    """A perspective camera.

    Attributes:
        eye: (3,) float64, world.
        right: (3,) float64 unit vector, to the picture's right.
        upward: (3,) float64 unit vector, up in the picture.
        forward: (3,) float64 unit vector, the viewing direction.
        focus: distance from the eye to its target, world.
        size: width and height in pixels.
    """

    eye: Float
    right: Float
    upward: Float
    forward: Float
    focus: float
    size: tuple[int, int]

    @property
    def half(self) -> Float:
        """(2,) the tangents of half the angles of view, horizontal and vertical."""
        width, height = self.size
        return np.tan(np.radians(FIELD_OF_VIEW) / 2) * np.array([width / height, 1.0])

    @property
    def target(self) -> Float:
        """(3,) world: the point that it looks at."""
        return self.eye + self.focus * self.forward

    def scaled(self, factor: int) -> Camera:
        """The same camera with `factor` times the pixels along each side."""
        return replace(self, size=(factor * self.size[0], factor * self.size[1]))

    def rays(self, pixels: Int | None = None) -> Float:
        """(height · width, 3) unit vectors through the pixels' centres, row by row from the upper left.

        Or (k, 3), through those of k `pixels`, in that order.
        """
        width, height = self.size
        row, column = np.divmod(np.arange(height * width) if pixels is None else pixels, width)
        x = self.half[0] * ((2 * column + 1) / width - 1)
        y = self.half[1] * (1 - (2 * row + 1) / height)
        rays = self.forward + y[:, None] * self.upward + x[:, None] * self.right
        return rays / np.linalg.norm(rays, axis=1, keepdims=True)

    def pixels(self, points: Float) -> tuple[Float, Float]:
        """Projects (n, 3) world points to (n, 2) pixels from the upper left corner and (n,) depths, world."""
        offset = np.asarray(points, np.float64) - self.eye
        depth = offset @ self.forward
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.stack([offset @ self.right, -(offset @ self.upward)], axis=1) / depth[:, None]
            return (share / self.half + 1) / 2 * self.size, depth


def sunlight(right: Float, upward: Float, forward: Float) -> Float:
    """(3,) unit vector: how light falls on what a camera with these axes sees, from its upper left."""
    sun = forward - 0.8 * upward + 0.6 * right
    return sun / np.linalg.norm(sun)


def corners(thing: Mesh | PointCloud) -> Float:
    """(n, 3) world: the points of a thing that must be in its picture."""
    if isinstance(thing, Mesh):
        return thing.vertices
    return thing.points[np.isfinite(thing.points).all(1)]


def usual_view(thing: Mesh | PointCloud) -> tuple[Float, Float]:
    """The direction (3,) to see a thing from, and the direction (3,) of up.

    Closed things and terrains are seen from the front and a little above, with z up, or upright on their foot
    if they have a flat one and their file no convention. Things with one side are seen from it; if that is
    along z, they are taken for pictures of a camera that looks along z with y down, or reliefs with y up.
    """
    side, extent = mean_normal(_sample(thing)), np.ptp(corners(thing), axis=0)
    up = np.array([0.0, 0.0, 1.0])
    axis = int(np.abs(side).argmax())
    if extent[2] < MAX_TERRAIN_RATIO * extent.max() and not side[2] < -MIN_OPEN_NORMAL:
        return np.array(FROM_ABOVE), up
    if np.abs(side[axis]) < MIN_OPEN_NORMAL:
        by_convention = isinstance(thing, PointCloud) and thing.source.lower().endswith(Z_UP)
        upright = up if by_convention else _upright(corners(thing))
        return Rotation.align_vectors(upright[None], up[None])[0].apply(FROM_FRONT), upright
    front = np.sign(side[axis]) * np.eye(3)[axis]
    if axis == 2:
        up = np.array([0.0, np.sign(side[2]), 0.0])
    return front + 0.3 * up + 0.3 * np.cross(up, front), up


def _upright(points: Float) -> Float:
    """Up (3,), away from the foot on which the `points` (n, 3) of a closed thing stand; z without a flat one.

    A foot is what lies in the lowest hundredth, along an axis, if its hull covers a good part of the thing's
    shadow, and far more of it than any other end does.
    """
    points = points[:: max(1, len(points) // SAMPLE_SIZE)]
    feet = [(_foot(sign * points, axis), sign * np.eye(3)[axis]) for axis in (2, 0, 1) for sign in (1, -1)]
    (share, up), (next_share, _) = sorted(feet, key=lambda foot: -foot[0])[:2]
    return up if share > MIN_FOOT and share > MIN_FOOT_RATIO * next_share else np.array([0.0, 0.0, 1.0])


def _foot(points: Float, axis: int) -> float:
    """The share that the lower end along `axis` has of the shadow, hulls of both."""
    height, across = points[:, axis], np.delete(points, axis, axis=1)
    low = height < height.min() + FOOT_HEIGHT * np.ptp(points, axis=0).max()
    try:
        return float(ConvexHull(across[low]).volume / ConvexHull(across).volume)
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        return 0.0


def _sample(thing: Mesh | PointCloud) -> Mesh | PointCloud:
    """A regular sample of a thing's faces or points."""
    if isinstance(thing, Mesh):
        return Mesh(thing.vertices, thing.faces[:: max(1, len(thing.faces) // SAMPLE_SIZE)])
    return thing.select(np.arange(0, len(thing), max(1, len(thing) // SAMPLE_SIZE)))


def chosen_view(
    usual: tuple[Float, Float],
    direction: Sequence[float] | Float | None,
    up: Sequence[float] | Float | None,
) -> tuple[Float, Float]:
    """The given direction and up, by default the `usual` ones. Raises UsageError if parallel."""
    upward = usual[1] if up is None else np.array(up, np.float64)
    if direction is not None:
        toward = np.array(direction, np.float64)
    elif up is None or not upward.any():
        toward = usual[0]
    else:
        toward = Rotation.align_vectors(upward[None], usual[1][None])[0].apply(usual[0])
    axes(toward, upward)
    return toward, upward


def mean_normal(thing: Mesh | PointCloud) -> Float:
    """The mean (3,) of normals by area, or of directions to the scanner; 0 if closed or unknown."""
    if isinstance(thing, Mesh):
        a, b, c = thing.vertices[thing.faces.T]
        normals = np.cross(b - a, c - a)
    elif thing.normals is not None:
        normals = thing.normals[np.isfinite(thing.normals).all(1)]
    elif thing.sensors is not None:
        rays = thing.sensors - thing.points
        rays = rays[np.isfinite(rays).all(1)]
        normals = unit_vectors(rays)
    else:
        return np.zeros(3)
    total = float(np.linalg.norm(normals, axis=1).sum())
    return normals.sum(0) / total if total else np.zeros(3)


def axes(direction: Sequence[float] | Float, up: Sequence[float] | Float) -> tuple[Float, Float, Float]:
    """Right, upward and forward of a camera at `direction`. Raises UsageError if `up` is parallel."""
    toward, up = np.array(direction, np.float64), np.array(up, np.float64)
    right = np.cross(up, toward)
    if not np.linalg.norm(right) > 1e-6 * np.linalg.norm(up) * np.linalg.norm(toward):
        raise UsageError(f"no view from {_text(toward)} has {_text(up)} up: the two must differ")
    forward, right = -toward / np.linalg.norm(toward), right / np.linalg.norm(right)
    return right, np.cross(right, forward), forward


def _text(vector: Float) -> str:
    return ",".join(f"{part:g}" for part in vector)


def fitted(
    points: Float,
    size: tuple[int, int],
    direction: Sequence[float] | Float,
    up: Sequence[float] | Float,
) -> Camera:
    """The camera in `direction`, as near as it can be, that sees all of `points` (n, 3), world."""
    right, upward, forward = axes(direction, up)
    middle = (points.min(0) + points.max(0)) / 2
    flat = Camera(middle, right, upward, forward, 0.0, size)
    offset = points - middle
    ahead = offset @ forward
    back, place = [], []
    for axis, half in zip((right, upward), flat.half * (1 - 2 * PICTURE_MARGIN), strict=True):
        along = offset @ axis
        low, high = (half * ahead + along).min(), (half * ahead - along).min()
        back.append((low + high) / (2 * half))
        place.append((low - high) / 2)
    behind = min(*back, ahead.min() - 1e-3 * (_radius(offset) or 1.0))
    eye = middle + place[0] * right + place[1] * upward + behind * forward
    return replace(flat, eye=eye, focus=-behind)


def around(
    points: Float, size: tuple[int, int], up: Sequence[float] | Float, count: int, start: Float
) -> list[Camera]:
    """`count` equally distant cameras around `points` (n, 3) and `up`, at equal angles from `start`."""
    points = points[:: max(1, len(points) // SAMPLE_SIZE)]
    cameras = [fitted(points, size, direction, up) for direction in directions(start, up, count)]
    middle = (points.min(0) + points.max(0)) / 2
    focus = max(_centred(points - middle, camera) for camera in cameras)
    return [replace(camera, eye=middle - focus * camera.forward, focus=focus) for camera in cameras]


def _centred(offset: Float, camera: Camera) -> float:
    """The distance from which `camera`, looking at the origin, has all of `offset` (n, 3) in its picture."""
    half = camera.half * (1 - 2 * PICTURE_MARGIN)
    across = np.stack([np.abs(offset @ camera.right), np.abs(offset @ camera.upward)], axis=1) / half
    return float((across.max(1) - offset @ camera.forward).max())


def directions(start: Float, up: Sequence[float] | Float, count: int) -> list[Float]:
    """`count` directions at equal angles around `up`, the first of them `start`."""
    axis = np.array(up, np.float64) / np.linalg.norm(up)
    along = (start @ axis) * axis
    across = start - along
    angles = 2 * np.pi * np.arange(count) / count
    return [along + np.cos(a) * across + np.sin(a) * np.cross(axis, across) for a in angles]


def _radius(offset: Float) -> float:
    return float(np.sqrt((offset**2).sum(1).max()))

"""Pictures by ray casting: no screen, no graphics system, no GPU.

libigl's Embree finds what each ray hits first. Clouds are drawn as small discs facing along their normals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from igl.embree import line_mesh_intersection
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from recon.geometry import Float, Int, Mesh, PointCloud, face_normals, unit_vectors, vertex_normals
from recon.render.camera import Camera, chosen_view, corners, fitted, sunlight, usual_view
from recon.scan.preparation.spacing import point_spacing

PICTURE_SIZE = (700, 700)  # pixels
SUPERSAMPLING = 2  # rays along each side of a pixel
EVEN_COLORS = 2 / 255  # between neighbours: up to that they are alike
BACKGROUND_COLOR = np.array([1.0, 1.0, 1.0])
BODY_COLOR = np.array([0.60, 0.71, 0.83])
FACE_BACK_COLOR, POINT_BACK_COLOR = np.array([0.88, 0.50, 0.38]), np.array([0.36, 0.42, 0.50])
KEY_LIGHT, FILL_LIGHT = 0.55, 0.25  # from above the camera's left, and from the camera
GROUND_LIGHT, SKY_LIGHT = 0.22, 0.40  # ambient
MAX_DISCS = 500_000  # more cannot be told apart
DISC_CORNERS = 6
MIN_SMOOTH_COSINE = 0.75  # between a face's normal and a corner's: below it, the corner lies on an edge
BLOCK = 8  # pixels a side, of parts of a picture that show a surface or not
MAX_DEPTH = 1e6  # in focus distances: the background
EYE_DOME_STRENGTH = 30.0  # darkens pixels behind their neighbours, where points have no normals


@dataclass(frozen=True, eq=False)
class Hits:
    """What the rays of a camera hit first; k of them hit something.

    Attributes:
        found: (h, w) bool, the upper row first.
        face: (k,) int64, index of the face, row by row.
        weights: (k, 3) float64, barycentric coordinates in the face.
        rays: (k, 3) float64 unit vectors.
    """

    found: NDArray[np.bool_]
    face: Int
    weights: Float
    rays: Float


def picture(
    thing: Mesh | PointCloud,
    size: tuple[int, int] = PICTURE_SIZE,
    direction: Sequence[float] | Float | None = None,
    up: Sequence[float] | Float | None = None,
) -> NDArray[np.uint8]:
    """A picture (height, width, 3) uint8 of a mesh or cloud in the world frame, in its colours if it has any.

    Args:
        thing: the mesh or cloud.
        size: width and height in pixels.
        direction: from the thing to the camera; by default that of `usual_view`.
        up: upward in the picture; by default that of `usual_view`.
    """
    return drawn(thing, camera_for(thing, size, direction, up))


def mask(thing: Mesh | PointCloud, camera: Camera) -> NDArray[np.bool_]:
    """(height, width) bool: the pixels of `camera` whose centres show the thing."""
    return cast(surface_of(thing, camera), camera).found


def camera_for(
    thing: Mesh | PointCloud,
    size: tuple[int, int] = PICTURE_SIZE,
    direction: Sequence[float] | Float | None = None,
    up: Sequence[float] | Float | None = None,
) -> Camera:
    """The camera of `picture`."""
    return fitted(corners(thing), size, *chosen_view(usual_view(thing), direction, up))


def drawn(thing: Mesh | PointCloud, camera: Camera) -> NDArray[np.uint8]:
    """The picture (height, width, 3) uint8 that `camera` takes of a thing.

    Pixels unlike their neighbours are averages of several rays; in an even part, one ray each says the same.
    """
    fine = camera.scaled(SUPERSAMPLING)
    surface = surface_of(thing, fine)
    if isinstance(thing, PointCloud) and thing.normals is None:  # its shades tell of neighbours' depths
        return averaged(_painted(thing, surface, fine))
    once = _painted(thing, surface, camera)
    uneven = _enlarged(_uneven(once))
    color = _enlarged(once)
    color[uneven] = _painted(thing, surface, fine, uneven)[uneven]
    return averaged(color)


def _painted(
    thing: Mesh | PointCloud, surface: Mesh, camera: Camera, asked: NDArray[np.bool_] | None = None
) -> Float:
    """(h, w, 3) in 0..1: what each ray of a camera meets, or each that is `asked`; else the background."""
    assert surface.normals is not None
    hits = cast(surface, camera, asked)
    corner = surface.faces[hits.face]
    a, b, c = (surface.vertices[surface.faces[:, k]] for k in range(3))
    from_front = np.einsum("ki,ki->k", np.cross(b - a, c - a)[hits.face], hits.rays)[:, None] < 0
    if surface.colors is not None:
        body = np.einsum("kc,kci->ki", hits.weights, surface.colors[corner] / 255.0)
    else:
        back = FACE_BACK_COLOR if isinstance(thing, Mesh) else POINT_BACK_COLOR
        body = np.where(from_front, BODY_COLOR, back)
    if isinstance(thing, PointCloud) and thing.normals is None:
        shade = _relief(surface, corner, hits, camera)
    else:
        normals = unit_vectors(np.einsum("kc,kci->ki", hits.weights, surface.normals[corner]))
        shade = _shade(np.where(from_front, normals, -normals), camera)
    color = np.empty((*hits.found.shape, 3))
    color[:] = BACKGROUND_COLOR
    color[hits.found] = (body * shade[:, None]).clip(0, 1)
    return color


def _uneven(color: Float) -> NDArray[np.bool_]:
    """(h, w): pixels of a picture (h, w, 3) that are unlike a neighbour of theirs, and those around them."""
    down, right = (np.abs(np.diff(color, axis=axis)).max(2) > EVEN_COLORS for axis in (0, 1))
    found = np.zeros(color.shape[:2], bool)
    found[:-1] |= down
    found[1:] |= down
    found[:, :-1] |= right
    found[:, 1:] |= right
    return binary_dilation(found, np.ones((3, 3)))


def _enlarged(pixels: NDArray) -> NDArray:
    """(h, w, …) with each pixel as often as it has rays."""
    return pixels.repeat(SUPERSAMPLING, axis=0).repeat(SUPERSAMPLING, axis=1)


def averaged(fine: Float) -> NDArray[np.uint8]:
    """Averages an oversampled picture (rows, columns, 3) in 0..1 to (height, width, 3) uint8."""
    height, width, _ = fine.shape
    small = fine.reshape(height // SUPERSAMPLING, SUPERSAMPLING, width // SUPERSAMPLING, SUPERSAMPLING, 3)
    return np.rint(small.mean((1, 3)) * 255).astype(np.uint8)


def cast(surface: Mesh, camera: Camera, pixels: NDArray[np.bool_] | None = None) -> Hits:
    """Finds what the rays through the centres of a camera's pixels hit first, or of some `pixels` (h, w)."""
    width, height = camera.size
    scale = max(float(np.abs(surface.vertices - camera.target).max()), 1e-300)
    vertices = (surface.vertices - camera.target) / scale  # rays are float32: far offsets and units go first
    near = _near(surface, camera)
    asked = np.flatnonzero(near if pixels is None else near & pixels)
    rays = camera.rays(asked)
    eye = np.tile((camera.eye - camera.target) / scale, (len(rays), 1))
    met = line_mesh_intersection(eye, rays, vertices, surface.faces)
    hit = met[:, 0] >= 0
    face, u, v = met[hit].T
    found = np.zeros(height * width, bool)
    found[asked[hit]] = True
    weights = np.stack([1 - u - v, u, v], axis=1)
    return Hits(found.reshape(height, width), face.astype(np.int64), weights, rays[hit])


def _near(surface: Mesh, camera: Camera) -> NDArray[np.bool_]:
    """(h, w): pixels that may show a surface: those near a vertex, by the longest edge in the picture."""
    width, height = camera.size
    places, depth = camera.pixels(surface.vertices)
    if depth.min() <= 0 or not np.isfinite(places).all():
        return np.ones((height, width), bool)
    a, b, c = (places[surface.faces[:, k]] for k in range(3))
    longest = max(float(np.abs(u - v).max(initial=0.0)) for u, v in ((a, b), (b, c), (c, a)))
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    block = np.floor(places / BLOCK).astype(np.int64).clip(0, (columns - 1, rows - 1))
    near = np.zeros((rows, columns), bool)
    near[block[:, 1], block[:, 0]] = True
    near = binary_dilation(near, np.ones((3, 3)), iterations=1 + int(longest / BLOCK))
    return near.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)[:height, :width]


def surface_of(thing: Mesh | PointCloud, camera: Camera) -> Mesh:
    """The visible surface of a thing: a mesh with normals; of a cloud, its discs."""
    if isinstance(thing, PointCloud):
        return discs(thing, camera)
    return parted_at_edges(thing)


def discs(cloud: PointCloud, camera: Camera) -> Mesh:
    """A small disc for every point, facing along its normal, or to the camera if it has none."""
    rows = np.flatnonzero(np.isfinite(cloud.points).all(1))
    rows = rows[:: -(-len(rows) // MAX_DISCS)]
    points = cloud.points[rows]
    normals = camera.eye - points if cloud.normals is None else np.nan_to_num(cloud.normals[rows])
    normals = unit_vectors(normals)
    radius = 0.8 * point_spacing(points - points[0]) if len(points) > 8 else 0.01 * camera.focus
    radius = max(radius, 2e-3 * camera.focus * float(camera.half[1]))  # a pixel and a half, or they vanish
    side = unit_vectors(np.cross(normals, np.where(np.abs(normals[:, :1]) < 0.9, [1.0, 0, 0], [0.0, 1, 0])))
    other = np.cross(normals, side)
    angles = np.arange(DISC_CORNERS) * 2 * np.pi / DISC_CORNERS
    ring = side[:, None] * np.cos(angles)[:, None] + other[:, None] * np.sin(angles)[:, None]
    vertices = (points[:, None] + radius * ring).reshape(-1, 3)
    fan = np.array([[0, k, k + 1] for k in range(1, DISC_CORNERS - 1)])
    faces = (DISC_CORNERS * np.arange(len(points))[:, None, None] + fan).reshape(-1, 3)
    colors = None if cloud.colors is None else np.repeat(cloud.colors[rows], DISC_CORNERS, axis=0)
    return Mesh(vertices, faces, np.repeat(normals, DISC_CORNERS, axis=0), colors)


def parted_at_edges(mesh: Mesh) -> Mesh:
    """`mesh` itself if it has normals, else with smooth ones, split at sharp edges, without scalars."""
    if mesh.normals is not None:
        return mesh
    normals = vertex_normals(mesh)
    flat = face_normals(mesh.vertices, mesh.faces)
    agreement = np.stack([(normals[mesh.faces[:, k]] * flat).sum(1) for k in range(3)], axis=1)
    face, corner = np.nonzero(agreement < MIN_SMOOTH_COSINE)
    source, faces = mesh.faces[face, corner], mesh.faces.copy()
    faces[face, corner] = len(mesh.vertices) + np.arange(len(face))
    colors = None if mesh.colors is None else np.concatenate([mesh.colors, mesh.colors[source]])
    vertices = np.concatenate([mesh.vertices, mesh.vertices[source]])
    return Mesh(vertices, faces, np.concatenate([normals, flat[face]]), colors)


def _shade(normals: Float, camera: Camera) -> Float:
    """(k,) the brightness of surfaces with these normals (k, 3), which face the camera."""
    towards = -sunlight(camera.right, camera.upward, camera.forward)
    sky = GROUND_LIGHT + (SKY_LIGHT - GROUND_LIGHT) * (1 + normals @ camera.upward) / 2
    lit = KEY_LIGHT * np.clip(normals @ towards, 0, 1)
    return sky + lit + FILL_LIGHT * np.clip(normals @ -camera.forward, 0, 1)


def _relief(surface: Mesh, corner: Int, hits: Hits, camera: Camera) -> Float:
    """(k,) the brightness of points without normals, by eye-dome lighting (Boucheny 2009)."""
    place = np.einsum("kc,kci->ki", hits.weights, surface.vertices[corner])
    depth = np.full(hits.found.shape, np.log(2 * MAX_DEPTH))
    depth[hits.found] = np.log(
        np.maximum((place - camera.eye) @ camera.forward / camera.focus, 1 / MAX_DEPTH)
    )
    padded = np.pad(depth, SUPERSAMPLING, mode="edge")
    rows, columns = camera.size[1], camera.size[0]
    behind = np.zeros_like(depth)
    for i, j in ((0, 1), (2, 1), (1, 0), (1, 2), (0, 0), (0, 2), (2, 0), (2, 2)):
        down, right = SUPERSAMPLING * i, SUPERSAMPLING * j
        behind += np.maximum(depth - padded[down : down + rows, right : right + columns], 0) / 8
    return np.exp(-EYE_DOME_STRENGTH * behind[hits.found])

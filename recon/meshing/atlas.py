"""A mesh cut into charts that lie flat in a picture, by xatlas, and the place on it of each texel."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from recon.errors import MissingLibraryError
from recon.geometry import Float, Int, Mesh

PADDING = 1 / 128  # of the picture's side, between two charts: far off, pixels at a seam reach beyond it
CHUNK_TEXELS = 1 << 19  # at a time
SLOW_FACES = 60_000  # a minute of xatlas is 100,000, and it grows faster than they do
MAX_OUTSIDE = 0.5  # of a barycentric coordinate, below 0 or above 1: of a triangle that is hardly seen

log = logging.getLogger("recon")


@dataclass(frozen=True, eq=False)
class Atlas:
    """Charts that cover a mesh of m faces.

    Attributes:
        vertices: (t,) int64, the mesh's vertex of each vertex of a chart: several on a seam.
        uv: (t, 2) float64, their places in the picture: from 0 to 1, from the left and from below.
        faces: (m, 3) int64 into these, in the mesh's order.
        size: width and height of the picture, texels.
    """

    vertices: Int
    uv: Float
    faces: Int
    size: tuple[int, int]

    @cached_property
    def texels(self) -> NDArray[np.int32]:
        """(h, w) the face of each texel, the upper row first; -1 where there is none.

        A texel is its face's that has its middle, else that of one beside it.
        """
        from igl.embree import line_mesh_intersection  # here, as it takes a while, and most meshes do without

        picture = Image.new("I", self.size, -1)
        draw = ImageDraw.Draw(picture)
        corners = self._corners - 0.5  # a texel's middle is its number
        for face, triangle in enumerate(corners.reshape(-1, 6).tolist()):
            draw.polygon(triangle, fill=face, outline=face)
        found = np.array(picture, dtype=np.int32)
        flat = np.pad(self._corners.reshape(-1, 2), ((0, 0), (0, 1)))
        for rows, columns in covered(found):
            beside = (self._weights(found[rows, columns], rows, columns) < 0).any(1)
            rows, columns = rows[beside], columns[beside]
            eye = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=1)
            down = np.broadcast_to([0.0, 0.0, -1.0], eye.shape).copy()
            met = line_mesh_intersection(eye, down, flat, np.arange(len(flat)).reshape(-1, 3))[:, 0]
            found[rows, columns] = np.where(met >= 0, met, found[rows, columns])
        return found

    @cached_property
    def _corners(self) -> Float:
        """(m, 3, 2) of the faces in the picture, texels from the left and from above."""
        uv = self.uv * [1, -1] + [0, 1]
        return (uv * self.size)[self.faces]

    def weights(self, rows: Int, columns: Int) -> Float:
        """Barycentric coordinates (n, 3) of texels in their faces; in a chart's rim some are below zero."""
        return self._weights(self.texels[rows, columns], rows, columns)

    def _weights(self, faces: NDArray[np.integer], rows: Int, columns: Int) -> Float:
        a, b, c = np.moveaxis(self._corners[faces], 1, 0)
        place = np.stack([columns, rows], axis=1) + 0.5
        area = _cross(b - a, c - a)
        area = np.where(area == 0, np.inf, area)
        second, third = _cross(place - a, c - a) / area, _cross(b - a, place - a) / area
        weights = np.stack([1 - second - third, second, third], axis=1)
        weights = weights.clip(-MAX_OUTSIDE, 1 + MAX_OUTSIDE)
        return weights / weights.sum(1, keepdims=True)

    def tangents(self, vertices: Float) -> tuple[Float, Float]:
        """(m, 3) each, unnormalised: the ways on the faces along which u and v grow; `vertices` (n, 3)."""
        corners, uv = vertices[self.vertices[self.faces]], self.uv[self.faces] * self.size
        p, q = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        s, t = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
        sign = np.sign(_cross(s, t))[:, None]
        return (p * t[:, 1:] - q * s[:, 1:]) * sign, (q * s[:, :1] - p * t[:, :1]) * sign

    def filled(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """`picture` (h, w, c), its texels without a face like the nearest one that has one."""
        from scipy.ndimage import distance_transform_edt

        nearest = distance_transform_edt(self.texels < 0, return_distances=False, return_indices=True)
        return picture[tuple(nearest)]


def covered(texels: NDArray[np.int32]) -> Iterator[tuple[Int, Int]]:
    """Rows and columns (n,) of the `texels` (h, w) with a face, some rows of the picture at a time."""
    height = max(1, CHUNK_TEXELS // texels.shape[1])
    for top in range(0, len(texels), height):
        rows, columns = np.nonzero(texels[top : top + height] >= 0)
        if len(rows):
            yield rows + top, columns


@dataclass(frozen=True, eq=False)
class Texture:
    """Pictures for the charts of a mesh.

    Attributes:
        atlas: the charts.
        color: (h, w, 3) uint8 sRGB, the upper row first, or None.
        normal: (h, w, 3) uint8, the normals of the surface in the tangent frame of the faces (u, v, the
            vertices' normal), from -1 to 1, v upward, as glTF 2.0 has them.
    """

    atlas: Atlas
    color: NDArray[np.uint8] | None
    normal: NDArray[np.uint8]


def unwrapped(mesh: Mesh, size: int) -> Atlas:
    """The charts of `mesh` in a picture whose longer side is `size` texels. Raises MissingLibraryError."""
    if len(mesh.faces) > SLOW_FACES:
        log.warning(
            "%s triangles take xatlas minutes and more: --faces 20000 is meant for textures",
            f"{len(mesh.faces):,}",
        )
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    unit = (mesh.vertices - (low + high) / 2) / float((high - low).max())  # for single precision
    p, q, r = (unit[mesh.faces[:, i]] for i in range(3))
    area = 0.5 * float(np.linalg.norm(np.cross(q - p, r - p), axis=1).sum())
    library = _xatlas()
    packing = library.PackOptions()
    packing.padding, packing.bilinear = max(2, round(PADDING * size)), True
    packing.texels_per_unit = 0.8 * size / np.sqrt(area)
    charts = library.Atlas()
    charts.add_mesh(unit.astype(np.float32), mesh.faces.astype(np.uint32))
    charts.generate(library.ChartOptions(), packing)
    vertices, faces, uv = charts.get_mesh(0)
    sides = np.array([charts.width, charts.height])
    width, height = (int(side) for side in np.maximum(1, np.rint(size * sides / sides.max())))
    uv = uv.astype(np.float64) * [1, -1] + [0, 1]
    return Atlas(vertices.astype(np.int64), uv, faces.astype(np.int64), (width, height))


def check_unwrapping() -> None:
    """Raises MissingLibraryError without xatlas."""
    _xatlas()


def _xatlas() -> Any:
    try:
        return importlib.import_module("xatlas")
    except ImportError:
        raise MissingLibraryError(
            "textures need xatlas: pip install 'neural-recon[texture]' (in a checkout: tools/setup texture)"
        ) from None


def _cross(a: Float, b: Float) -> Float:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

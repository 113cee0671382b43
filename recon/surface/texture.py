"""What a light mesh shows of the field in pictures: colours and normals at each texel of its charts.

Each texel stands for a place on a triangle. From there it goes to the surface, along the field's gradient,
and takes the normal there, and the colour of the scan's color field.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon.field.heads import HeadedField
from recon.field.kernels import fast_kernels
from recon.geometry import Float, Int, Mesh, PointCloud, unit_vectors
from recon.meshing.atlas import Atlas, Texture, covered, unwrapped
from recon.scan.preparation.spacing import point_spacing
from recon.surface.colors import color_field, colors_at
from recon.surface.queries import Queries
from recon.surface.settings import Config

MAX_STEP = 2.0  # cells of the grid, to the surface: a simplified triangle is nearer
COLORS_PROGRESS = 0.3  # share of the time of the colours' field


def texture_of(
    surface: Queries,
    scan: PointCloud,
    config: Config,
    cell: float,
    mesh: Mesh,
    size: int,
    progress: Callable[[float], None] = lambda share: None,
) -> Texture:
    """The texture of a mesh; with colours if the scan has any and they are wanted.

    Args:
        surface: the field and its frame.
        scan: that it was fitted to, world.
        config: its settings.
        cell: the edge of a cell of the grid that it was meshed on, world.
        mesh: its surface, simplified, world, with normals.
        size: of the longer side of the pictures, texels.
        progress: called with the share done.

    Raises:
        MissingLibraryError: without xatlas.
    """
    atlas, colors = unwrapped(mesh, size), None
    with fast_kernels():
        if scan.colors is not None and config.mesh.color == "auto":
            points = surface.frame.to_unit(scan.points)
            colors = color_field(
                surface.field.trunk,
                config.field,
                points,
                scan.colors,
                point_spacing(points, torch.get_num_threads()),
                config.seed,
                lambda share: progress(COLORS_PROGRESS * share),
            )
        return _baked(surface, MAX_STEP * cell, mesh, atlas, colors, progress)


def _baked(
    surface: Queries,
    farthest: float,
    mesh: Mesh,
    atlas: Atlas,
    colors: HeadedField | None,
    progress: Callable[[float], None],
) -> Texture:
    pictures = np.full((2, *atlas.texels.shape, 3), 255, np.uint8)
    about = _Corners(mesh, atlas)
    begun = COLORS_PROGRESS if colors else 0.0
    for here in covered(atlas.texels):
        face, weights = atlas.texels[here].astype(np.int64), atlas.weights(*here)
        places = about.blended(mesh.vertices, face, weights)
        foot, gradient = _on_surface(surface, places, farthest)
        if colors is not None:
            pictures[0][here] = colors_at(colors, foot).cpu().numpy()
        normals = unit_vectors(gradient.double().cpu().numpy())
        pictures[1][here] = about.in_tangent_frame(normals, face, weights)
        progress(begun + (1 - begun) * (here[0][-1] + 1) / len(atlas.texels))
    color = None if colors is None else atlas.filled(pictures[0])
    return Texture(atlas, color, atlas.filled(pictures[1]))


class _Corners:
    """The corners of the faces of a mesh with charts, and their tangent frames."""

    def __init__(self, mesh: Mesh, atlas: Atlas) -> None:
        assert mesh.normals is not None
        self.mesh, self.atlas, self.normals = mesh, atlas, mesh.normals
        self.along_u, self.along_v = atlas.tangents(mesh.vertices)

    def blended(self, values: Float, face: Int, weights: Float) -> Float:
        """(n, 3) `values` of the vertices at the barycentric coordinates `weights` (n, 3) of faces (n,)."""
        return np.einsum("nc,nci->ni", weights, values[self.mesh.faces[face]])

    def in_tangent_frame(self, normals: Float, face: Int, weights: Float) -> NDArray[np.uint8]:
        """`normals` (n, 3), world, as the texels (n, 3) of a normal map."""
        up = unit_vectors(self.blended(self.normals, face, weights))
        u = self.along_u[face]
        u = unit_vectors(u - (u * up).sum(1, keepdims=True) * up)
        v = np.cross(up, u)
        v *= np.where((v * self.along_v[face]).sum(1) < 0, -1.0, 1.0)[:, None]
        local = np.stack([(normals * axis).sum(1) for axis in (u, v, up)], axis=1)
        return np.rint(127.5 * (local.clip(-1, 1) + 1)).astype(np.uint8)


def _on_surface(surface: Queries, places: Float, farthest: float) -> tuple[Tensor, Tensor]:
    """The places (n, 3), unit, on the surface next to `places` (n, 3), world, and the gradients there.

    They are not more than `farthest`, world, away.
    """
    field, farthest = surface.field, farthest / surface.frame.scale
    where = torch.tensor(surface.frame.to_unit(places)).to(field.trunk.flat)
    value, gradient = field.value_and_gradient(where)
    length = gradient.norm(dim=1).clamp_min(1e-6)
    step = (value / length).clamp(-farthest, farthest)
    where = where - (step / length)[:, None] * gradient
    return where, field.value_and_gradient(where)[1]

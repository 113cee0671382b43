"""Surfaces at a distance from a mesh: larger or smaller, hollow, or thick where there was a sheet.

Distances are exact, to the mesh's triangles, and their level set is meshed: where a surface that is moved
along its normals would cross itself, this one does not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from recon.errors import ExtractError, UsageError
from recon.geometry import Float, Frame, Mesh
from recon.meshing.components import without_crumbs
from recon.meshing.extraction import extract
from recon.meshing.levels import together
from recon.meshing.topology import topology
from recon.meshing.triangles import Triangles

MAX_SAMPLES = 2048  # a side of the grid
CELLS_PER_SHEET = 3.0  # grid cells across a sheet that was made thick
BORDER = 3.0  # cells of free space around the new surface

log = logging.getLogger("recon")


def moved(
    mesh: Mesh, distance: float, cell: float, progress: Callable[[float], None] = lambda share: None
) -> Mesh:
    """The closed surface at `distance` outside `mesh`, inside if negative.

    Args:
        mesh: closed, facing outward.
        distance: in its unit.
        cell: of the grid, in the same unit.
        progress: called with the share done.

    Raises:
        UsageError: for an open mesh, a distance at which nothing is left, or too fine a grid.
    """
    if not topology(mesh).watertight:
        raise UsageError(
            "only a closed mesh can be moved by an offset, and this one is open: --solid closes it, and "
            "--hollow makes it a shell"
        )
    try:
        return _level_set(mesh, distance, cell, signed=True, progress=progress)
    except ExtractError:
        raise UsageError(f"nothing of the mesh is left at an offset of {distance:g}") from None


def hollowed(
    mesh: Mesh, thickness: float, cell: float, progress: Callable[[float], None] = lambda share: None
) -> Mesh:
    """`mesh` as a wall of this `thickness`: its surface, and one so far inside; an open one on both sides.

    What is thinner than twice the thickness stays solid, and so do the smallest cavities. Arguments and
    errors are those of `moved`.
    """
    if not topology(mesh).watertight:
        fine = min(cell, thickness / CELLS_PER_SHEET)
        return _level_set(mesh, thickness / 2, fine, signed=False, progress=progress)
    try:
        inner = without_crumbs(_level_set(mesh, -thickness, cell, signed=True, progress=progress))
    except ExtractError:
        log.warning("nothing is thicker than two walls of %g: the mesh stays solid", thickness)
        return mesh
    if thickness < cell:
        log.warning(
            "walls of %g are thinner than a cell, %.3g: where the surface is curved they are not what was "
            "asked for; give a finer --resolution",
            thickness,
            cell,
        )
    normals = None if inner.normals is None else -inner.normals
    return together([mesh, replace(inner, faces=inner.faces[:, ::-1], normals=normals)])


def _level_set(
    mesh: Mesh, level: float, cell: float, signed: bool, progress: Callable[[float], None]
) -> Mesh:
    """Where the distance to `mesh`, if `signed` negative inside, is `level`, with the nearest attributes."""
    frame = Frame.around(mesh.vertices, margin=0.0)
    surface, reach, step = Triangles(mesh, frame, "the mesh"), level / frame.scale, cell / frame.scale
    points = frame.to_unit(mesh.vertices)
    space = max(reach, 0.0) + BORDER * step
    box = np.stack([points.min(0) - space, points.max(0) + space])
    with np.errstate(divide="ignore", over="ignore"):
        cells = float((box[1] - box[0]).max() / np.float64(step))
    if not cells < MAX_SAMPLES:
        raise UsageError(
            f"the new surface needs {cells:.3g} cells of {cell:.3g} a side, {MAX_SAMPLES:,} are the most: "
            "give a coarser --resolution, a thicker wall, or a smaller offset"
        )

    def distance(x: Float) -> tuple[Float, Float]:
        value, gradient = surface.signed(x)
        return (value, gradient) if signed else (np.abs(value), np.sign(value)[:, None] * gradient)

    def value(x: Tensor) -> Tensor:
        return torch.from_numpy(distance(x.numpy())[0] - reach)

    def value_and_gradient(x: Tensor) -> tuple[Tensor, Tensor]:
        found, gradient = distance(x.numpy())
        return torch.from_numpy(found - reach), torch.from_numpy(gradient)

    found = extract(
        value,
        box,
        1 + int(np.ceil(cells)),
        value_and_gradient=value_and_gradient,
        lipschitz=1.0,
        closed=True,
        dtype=torch.float64,
        progress=progress,
    )
    near = cKDTree(points).query(found.vertices)[1]
    return replace(
        found,
        vertices=frame.to_world(found.vertices),
        colors=None if mesh.colors is None else mesh.colors[near],
        values={name: column[near] for name, column in mesh.values.items()},
    )

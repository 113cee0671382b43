"""Levels of detail: meshes with fewer triangles, to look at, and pieces as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Mesh, vertex_normals
from recon.meshing.simplification import simplify


def coarser(mesh: Mesh, faces: int) -> Mesh:
    """`mesh` with `faces` triangles, if it has more and can be simplified.

    Colours and values are those of the nearest vertices.
    """
    if len(mesh.faces) <= faces:
        return mesh
    small = simplify(mesh, faces, tell=False)
    near = cKDTree(mesh.vertices).query(small.vertices)[1]
    colors = None if mesh.colors is None else mesh.colors[near]
    values = {name: column[near] for name, column in mesh.values.items()}
    return replace(small, normals=vertex_normals(small), colors=colors, values=values)


def together(meshes: Sequence[Mesh]) -> Mesh:
    """`meshes` as one, without what not all have."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    colors = [mesh.colors for mesh in meshes if mesh.colors is not None]
    normals = [mesh.normals for mesh in meshes if mesh.normals is not None]
    shared = set.intersection(*(set(mesh.values) for mesh in meshes))
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
        np.concatenate(normals) if len(normals) == len(meshes) else None,
        np.concatenate(colors) if len(colors) == len(meshes) else None,
        {name: np.concatenate([mesh.values[name] for mesh in meshes]) for name in sorted(shared)},
    )

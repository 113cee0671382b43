"""Fewer triangles for the same surface."""

from __future__ import annotations

import logging

import igl
import numpy as np

from recon.geometry import Frame, Mesh
from recon.meshing.topology import pulled_apart, topology

log = logging.getLogger("recon")


def simplify(mesh: Mesh, faces: int, tell: bool = True) -> Mesh:
    """Simplifies `mesh` to `faces` triangles or one fewer, without attributes; a smaller one stays as it is.

    Edges are collapsed in the order of the quadric error, with boundaries held by perpendicular planes
    (Garland and Heckbert 1997, doi:10.1145/258734.258849), and only if the surface stays a manifold of the
    same topology; if no such edge is left, more triangles remain. Non-manifold and inconsistently oriented
    meshes are returned unchanged. Both are logged if `tell` is true.
    """
    if len(mesh.faces) <= faces:
        return mesh
    split = pulled_apart(mesh)
    if topology(split).genus is None:  # igl would not come back from it
        if tell:
            log.warning(
                "not simplified: the mesh has edges with more than two faces, or inconsistent winding"
            )
        return mesh
    frame = Frame.around(split.vertices, margin=0.0)
    vertices = np.asfortranarray(frame.to_unit(split.vertices))
    found, corners, _, _ = igl.qslim(vertices, np.asfortranarray(split.faces, np.int32), faces, False)
    if tell and len(corners) > faces:
        log.warning("%d triangles are the minimum for this topology; %d were requested", len(corners), faces)
    return Mesh(frame.to_world(found), corners)

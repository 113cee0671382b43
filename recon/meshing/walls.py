"""How thick the walls of a closed mesh are: from its surface along the inward normal to the next surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from igl.embree import EmbreeIntersector

from recon.errors import UsageError, check_number
from recon.geometry import Float, Frame, Mesh, face_normals
from recon.meshing.topology import topology
from recon.meshing.triangles import surface_points

SAMPLES = 20_000
MIN_WAY = 1e-5  # of half the longest side: what a ray meets nearer is where it began


@dataclass(frozen=True)
class Walls:
    """The thickness of walls, in the mesh's unit.

    Attributes:
        wanted: the least that they should have.
        thin: the share of the surface where they have less.
        thinnest: the least that was found.
        place: (x, y, z) where that is.
    """

    wanted: float
    thin: float
    thinnest: float
    place: tuple[float, float, float]

    def line(self) -> str:
        """What was found, for people."""
        where = ", ".join(f"{x:.6g}" for x in self.place)
        return (
            f"walls     {self.thin:.2%} of the surface is thinner than {self.wanted:g}; the thinnest is "
            f"{self.thinnest:.3g}, at ({where})"
        )


def walls_of(mesh: Mesh, wanted: float) -> Walls:
    """How much of `mesh` is thinner than `wanted`, by rays from points that are even by area.

    Raises UsageError for an open mesh, or a thickness that is not above 0.
    """
    check_number("the thickness", wanted, 0, 1e300)
    if not topology(mesh).watertight:
        raise UsageError("the thickness is of closed meshes, and this one is open")
    points, found = thicknesses(mesh)
    least = int(found.argmin())
    x, y, z = points[least].tolist()
    return Walls(wanted, float((found < wanted).mean()), float(found[least]), (x, y, z))


def thicknesses(mesh: Mesh) -> tuple[Float, Float]:
    """Points (n, 3) of a closed mesh and its thickness (n,) there; none where rays meet nothing."""
    frame = Frame.around(mesh.vertices, margin=0.0)
    points, corners = surface_points(mesh, SAMPLES, np.random.default_rng(0))
    inward = -face_normals(mesh.vertices, corners)
    vertices = frame.to_unit(mesh.vertices)
    rays = EmbreeIntersector()
    rays.init(np.asfortranarray(vertices, np.float32), np.asfortranarray(mesh.faces, np.int32))
    starts, ways = frame.to_unit(points).astype(np.float32), inward.astype(np.float32)
    found = np.array([rays.intersectRay_first(o, d, MIN_WAY) for o, d in zip(starts, ways, strict=True)])
    met = found[:, 0] >= 0
    away = face_normals(vertices, mesh.faces[found[met, 0].astype(np.int64)])
    out = np.einsum("ij,ij->i", away, inward[met]) > 0  # else it has met what overlaps
    return points[met][out], frame.scale * found[met, 1][out]

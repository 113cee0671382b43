"""Points drawn on the triangles of a mesh, and exact distances to them.

Distances are from points to triangles, by libigl's bounding-volume tree, in a frame in which survey offsets
and tiny units cost no precision.
"""

from functools import cached_property

import igl
import numpy as np

from recon.errors import ScanError
from recon.geometry import Float, Frame, Int, Mesh

CHUNK_POINTS = 100_000  # query points at a time


class Triangles:
    """The triangles of a mesh in `frame`, to sample and to measure to; those without area are dropped."""

    def __init__(self, mesh: Mesh, frame: Frame, name: str) -> None:
        self.vertices = frame.to_unit(mesh.vertices)
        a, b, c = (self.vertices[mesh.faces[:, k]] for k in range(3))
        self._cross = np.cross(b - a, c - a)
        self._twice_area = np.sqrt(np.einsum("ij,ij->i", self._cross, self._cross))
        self.faces = mesh.faces
        if not (solid := self._twice_area > 0).all():
            self.faces, self._cross = self.faces[solid], self._cross[solid]
            self._twice_area = self._twice_area[solid]
        if not len(self.faces):
            raise ScanError(f"{name} has only faces without area; give a mesh with a surface")

    @cached_property
    def normals(self) -> Float:
        """(m, 3): unit vectors, of the faces."""
        return self._cross / self._twice_area[:, None]

    @cached_property
    def cumulated_area(self) -> Float:
        """(m,): twice the area of each face and of those before it."""
        return np.cumsum(self._twice_area)

    @cached_property
    def _tree(self) -> igl.AABB:
        tree = igl.AABB()
        tree.init(self.vertices, self.faces)
        return tree

    def sample(self, count: int, rng: np.random.Generator) -> tuple[Float, Int]:
        """`count` points uniform by area, stratified along the list of faces, and their faces."""
        u = (np.arange(count) + rng.random(count)) / count * self.cumulated_area[-1]
        face = np.searchsorted(self.cumulated_area, u, side="right").clip(max=len(self.faces) - 1)
        s, t = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
        a, b, c = self.vertices[self.faces[face].T]
        return (1 - s) * a + s * (1 - t) * b + s * t * c, face

    def sides(self, points: Float) -> Float:
        """1 where `points` (n, 3) are in front of the nearest face, or on it, and -1 behind.

        By angle-weighted pseudonormals: Bærentzen and Aanæs 2005, doi:10.1109/TVCG.2005.49.
        """
        kind = igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL
        signed, *_ = igl.signed_distance(points, self.vertices, self.faces, kind)
        return np.where(signed < 0, -1.0, 1.0)

    def nearest(self, points: Float) -> tuple[Float, Int]:
        """Distance of each point to the surface, and the nearest face."""
        distance, face = np.empty(len(points)), np.empty(len(points), np.int64)
        for i in range(0, len(points), CHUNK_POINTS):
            part = slice(i, i + CHUNK_POINTS)
            squared, face[part], _ = self._tree.squared_distance(self.vertices, self.faces, points[part])
            distance[part] = np.sqrt(squared)
        return distance, face


def used_vertices(mesh: Mesh, name: str) -> Float:
    """The vertices that faces use, checked to make a surface."""
    if len(mesh.faces) == 0:
        raise ScanError(f"{name} has no faces; give a triangle mesh")
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.faces] = True
    return checked(mesh.vertices[used], name)


def checked(points: Float, name: str) -> Float:
    """`points` (n, 3). Raises ScanError if they are not finite or all the same."""
    if not np.isfinite(points).all():
        raise ScanError(f"{name} has coordinates that are not finite; remove them first")
    if not np.ptp(points, axis=0).any():
        raise ScanError(f"{name} has no extent: all its points coincide")
    return points


def distance_to_mesh(points: Float, mesh: Mesh) -> Float:
    """Exact distances (n,) float64 of `points` (n, 3) to the triangles of `mesh`, in the same frame and unit.

    Raises ScanError for a mesh without faces or with coordinates that are not finite.
    """
    frame = Frame.around(used_vertices(mesh, "the mesh"), margin=0.0)
    distance, _ = Triangles(mesh, frame, "the mesh").nearest(frame.to_unit(points))
    return distance * frame.scale


def surface_points(mesh: Mesh, count: int, rng: np.random.Generator) -> tuple[Float, Int]:
    """(count, 3) points of `mesh`, uniform by area, in its own unit, and the corners (count, 3) around each.

    Errors as `distance_to_mesh`.
    """
    frame = Frame.around(used_vertices(mesh, "the mesh"), margin=0.0)
    surface = Triangles(mesh, frame, "the mesh")
    points, face = surface.sample(count, rng)
    return frame.to_world(points), surface.faces[face]

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
ON_EDGE = 1e-9  # of a barycentric coordinate, from which on a place lies inside of a face


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

    def signed(self, points: Float) -> tuple[Float, Float]:
        """The distance of each of `points` (n, 3), negative behind the surface, and its gradient (n, 3).

        Sides are told by angle-weighted pseudonormals: right for every closed surface, and in front of an
        open one (Bærentzen and Aanæs 2005, doi:10.1109/TVCG.2005.49).
        """
        squared, face, closest = self._tree.squared_distance(self.vertices, self.faces, points)
        away, normal = points - closest, self._pseudonormals(face, closest)
        side = np.where(np.einsum("ij,ij->i", away, normal) < 0, -1.0, 1.0)
        distance = np.sqrt(squared)
        gradient = side[:, None] * away / np.maximum(distance, np.finfo(float).tiny)[:, None]
        return side * distance, np.where(distance[:, None] > 0, gradient, self.normals[face])

    def _pseudonormals(self, face: Int, places: Float) -> Float:
        """Of `places` (n, 3) on these faces (n,): of the face, or of the edge or corner that they lie on."""
        of_corners, of_edges, edge_numbers = self._around
        a, b, c = self.vertices[self.faces[face].T]
        double = self._cross[face]
        size = np.einsum("ij,ij->i", double, double)
        weights = np.stack(
            [np.einsum("ij,ij->i", np.cross(v - u, places - u), double) / size for u, v in ((b, c), (c, a))],
            axis=1,
        )
        weights = np.column_stack([weights, 1 - weights.sum(1)])
        away = weights < ON_EDGE  # from a corner: on the edge opposite to it
        normals = self.normals[face].copy()
        on_edge, on_corner = away.sum(1) == 1, away.sum(1) == 2
        opposite = away[on_edge].argmax(1)
        normals[on_edge] = of_edges[edge_numbers[face[on_edge] + len(self.faces) * opposite]]
        normals[on_corner] = of_corners[self.faces[face[on_corner], weights[on_corner].argmax(1)]]
        return normals

    @cached_property
    def _around(self) -> tuple[Float, Float, Int]:
        """The pseudonormals of corners and of edges, and the edge opposite to each corner of each face."""
        angles = igl.PER_VERTEX_NORMALS_WEIGHTING_TYPE_ANGLE
        of_edges, _, numbers = igl.per_edge_normals(
            self.vertices, self.faces, igl.PER_EDGE_NORMALS_WEIGHTING_TYPE_UNIFORM
        )
        return igl.per_vertex_normals(self.vertices, self.faces, angles), of_edges, numbers

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

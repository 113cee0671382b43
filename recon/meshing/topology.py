"""The topology of a triangle mesh, closed, outward, parts and handles, and its size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from recon.geometry import Float, Int, Mesh

LISTED_HOLES = 3  # in the summary
CHUNK_FACES = 500_000


@dataclass(frozen=True)
class Topology:
    """The topology of a triangle mesh. Faces with a repeated vertex are ignored.

    Attributes:
        vertices: number of them.
        faces: number of them.
        watertight: every edge has exactly two faces.
        consistent: no two faces traverse an edge in the same direction.
        outward: the signed volume is positive; None if the mesh is not watertight or not consistent.
        components: parts connected across edges, not across single vertices.
        genus: sum over the components, holes closed by discs; None for non-manifold edges or inconsistent
            winding.
        boundary_edges: edges with one face.
        boundary_loops: holes that these form; None as for genus.
        nonmanifold_edges: edges with more than two faces.
    """

    vertices: int
    faces: int
    watertight: bool
    consistent: bool
    outward: bool | None
    components: int
    genus: int | None
    boundary_edges: int
    boundary_loops: int | None
    nonmanifold_edges: int


@dataclass(frozen=True)
class Hole:
    """A loop of boundary edges; lengths in the mesh's unit.

    Attributes:
        edges: number of them.
        length: of the loop.
        size: sides of its box along x, y, z.
        center: of that box.
    """

    edges: int
    length: float
    size: tuple[float, float, float]
    center: tuple[float, float, float]


@dataclass(frozen=True)
class Measures:
    """The size of a mesh, in its own unit.

    Attributes:
        area: of the surface.
        volume: None unless the mesh is closed and oriented outward.
        holes: sorted by length, longest first; loops that share a non-manifold edge count as one.
    """

    area: float
    volume: float | None
    holes: tuple[Hole, ...]

    def line(self, unit: str | None = None) -> str:
        """The same for people, in a unit of this name."""
        of = lambda power: f" {unit}{power}" if unit else ""  # noqa: E731
        volume = "" if self.volume is None else f", volume {self.volume:.6g}{of('³')}"
        boxes = [" x ".join(f"{side:.3g}" for side in hole.size) for hole in self.holes[:LISTED_HOLES]]
        rims = [f"{hole.length:.4g}{of('')} ({box})" for hole, box in zip(self.holes, boxes, strict=False)]
        more = ["…"] if len(self.holes) > LISTED_HOLES else []
        kind = "hole, its rim" if len(self.holes) == 1 else "holes, their rims"
        holes = f"; {len(self.holes):,} {kind} {', '.join(rims + more)}" if rims else ""
        return f"area {self.area:.6g}{of('²')}{volume}{holes}"


class _Edges:
    """The half-edges of a mesh's faces that have three different vertices.

    Attributes:
        faces: (m, 3).
        forward: (3m,) bool of half-edge h, from corner h to the next one of its face: it leads to a higher
            vertex.
        order: (3m,) int32, sorts half-edges by their edge.
        first: (e,) the places in `order` where an edge begins.
        count: (e,) faces at each edge.
        fan: (3m,) of each corner, from 0: corners at a vertex that meet across an edge are one fan.
        after: (3m,) the next corner of the same face.
    """

    def __init__(self, mesh: Mesh) -> None:
        f = mesh.faces
        self.faces = f = f[(f[:, 0] != f[:, 1]) & (f[:, 1] != f[:, 2]) & (f[:, 2] != f[:, 0])]
        m, n = len(f), len(mesh.vertices)
        start = f.ravel()
        end = f[:, [1, 2, 0]].ravel()
        self.forward = forward = start < end
        key = np.where(forward, start * n + end, end * n + start)
        self.order = order = np.argsort(key).astype(np.int32)  # scipy's graphs hold no more
        same = np.diff(key[order], prepend=-1) == 0  # half-edge i of the order lies on the edge of i - 1
        del start, end, key
        self.first = np.flatnonzero(~same)
        self.count = np.diff(self.first, append=3 * m)
        corner = np.arange(3 * m, dtype=np.int32)
        self.after = after = np.where(corner % 3 == 2, corner - 2, corner + 1)
        low, high = np.where(forward, corner, after), np.where(forward, after, corner)
        a, b = order[:-1][same[1:]], order[1:][same[1:]]
        ends = np.concatenate([low[a], high[a]]), np.concatenate([low[b], high[b]])
        self.fans, self.fan = connected_parts(3 * m, *ends)

    @property
    def boundary(self) -> NDArray:
        """The half-edges that are alone at their edge."""
        return self.order[self.first[self.count == 1]]

    def loops(self) -> tuple[int, NDArray]:
        """The number of loops that the boundary forms, and the loop of each of its half-edges."""
        rim = np.stack([self.fan[self.boundary], self.fan[self.after[self.boundary]]])
        places, ends = np.unique(rim, return_inverse=True)
        a, b = ends.reshape(2, -1)
        number, label = connected_parts(len(places), a, b)
        return number, label[a]


def topology(mesh: Mesh) -> Topology:
    """Topology of `mesh` by its indices; a vertex where several fans of faces meet counts once for each."""
    edges = _Edges(mesh)
    m, boundary = len(edges.faces), edges.boundary
    two = edges.first[edges.count == 2]
    forward, order = edges.forward, edges.order
    consistent = not bool((forward[order[two]] == forward[order[two + 1]]).any())
    nonmanifold = int((edges.count > 2).sum())
    parts, _ = connected_parts(edges.fans, edges.fan, edges.fan[edges.after])

    loops = genus = outward = None
    if nonmanifold == 0 and consistent:
        loops, _ = edges.loops()
        genus = (2 * parts - loops - (edges.fans - len(edges.first) + m)) // 2
        if len(boundary) == 0 and m:
            outward = _area_and_volume(mesh.vertices, edges.faces)[1] > 0
    return Topology(
        vertices=len(mesh.vertices),
        faces=len(mesh.faces),
        watertight=m > 0 and len(boundary) == 0 and nonmanifold == 0,
        consistent=consistent,
        outward=outward,
        components=parts,
        genus=genus,
        boundary_edges=len(boundary),
        boundary_loops=loops,
        nonmanifold_edges=nonmanifold,
    )


def measures(mesh: Mesh, shape: Topology) -> Measures:
    """Area, volume and holes of `mesh`, whose topology is `shape`."""
    area, volume = _area_and_volume(mesh.vertices, mesh.faces)
    return Measures(area, volume if shape.outward else None, _holes(mesh) if shape.boundary_edges else ())


def _holes(mesh: Mesh) -> tuple[Hole, ...]:
    edges = _Edges(mesh)
    number, loop = edges.loops()
    start, end = edges.faces.ravel()[edges.boundary], edges.faces.ravel()[edges.after[edges.boundary]]
    length = np.linalg.norm(mesh.vertices[end] - mesh.vertices[start], axis=1)
    around, count = np.bincount(loop, length, number), np.bincount(loop, minlength=number)
    ranked = np.argsort(loop, kind="stable")
    firsts = np.cumsum(count) - count
    low, high = (ufunc.reduceat(mesh.vertices[start[ranked]], firsts) for ufunc in (np.minimum, np.maximum))
    size, center = high - low, low + 0.5 * (high - low)
    return tuple(
        Hole(int(count[i]), float(around[i]), tuple(size[i].tolist()), tuple(center[i].tolist()))
        for i in np.argsort(-around, kind="stable")
    )


def pulled_apart(mesh: Mesh) -> Mesh:
    """`mesh` with one vertex for each fan of faces, so that no two fans share a vertex."""
    edges = _Edges(mesh)
    corners = edges.faces.ravel()
    if edges.fans == len(np.unique(corners)):
        return mesh
    source = np.empty(edges.fans, np.int64)
    source[edges.fan] = corners
    pick = lambda a: None if a is None else a[source]  # noqa: E731
    values = {name: array[source] for name, array in mesh.values.items()}
    faces = edges.fan.reshape(-1, 3)
    return Mesh(mesh.vertices[source], faces, pick(mesh.normals), pick(mesh.colors), values)


def connected_parts(nodes: int, a: NDArray, b: NDArray) -> tuple[int, NDArray]:
    """Number of connected components of the graph with links a[i] – b[i], and the component of each node."""
    if nodes == 0:
        return 0, np.zeros(0, np.int32)
    links = coo_array((np.ones(len(a), bool), (a, b)), shape=(nodes, nodes))
    count, label = connected_components(links, directed=False)
    return int(count), label


def _area_and_volume(vertices: Float, faces: Int) -> tuple[float, float]:
    """Area, and signed volume, which is meaningful for closed, consistent meshes."""
    area = volume = 0.0
    for i in range(0, len(faces), CHUNK_FACES):
        part = faces[i : i + CHUNK_FACES]
        a, b, c = (vertices[part[:, k]] for k in range(3))
        cross = np.cross(b - a, c - a)
        area += 0.5 * float(np.sqrt(np.einsum("ij,ij->i", cross, cross)).sum())
        volume += float(np.einsum("ij,ij->", a - vertices[faces[0, 0]], cross)) / 6
    return area, volume

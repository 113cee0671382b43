"""What kind of surface a triangle mesh is: closed, outward, in how many parts, with how many handles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from recon.geometry import Float, Int, Mesh

FACE_CHUNK = 500_000  # faces at a time in the volume, where whole arrays of corners would be large


@dataclass(frozen=True)
class Topology:
    """What a triangle mesh is as a surface. Faces that name a vertex twice are left out.

    watertight      every edge has exactly two faces
    consistent      no two faces run along an edge in the same direction
    outward         the signed volume is positive; None where the surface encloses none for certain
                    (not watertight, or not consistent)
    components      parts that hang together across edges (not across single vertices)
    genus           sum over the components, holes closed by discs; None for non-manifold edges or
                    inconsistent winding, where it is not defined
    boundary_edges  edges with one face; boundary_loops is the number of holes they form, None as for
                    genus
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


def topology(mesh: Mesh) -> Topology:
    """Topology of `mesh` as its indices tell it: vertices at equal places are not merged.

    Vertices where several fans of faces meet at one point count once for each fan, so that pinched
    surfaces have the genus of the surface pulled apart there.
    """
    f = mesh.faces
    f = f[(f[:, 0] != f[:, 1]) & (f[:, 1] != f[:, 2]) & (f[:, 2] != f[:, 0])]
    m, n = len(f), len(mesh.vertices)

    # Half-edge h runs from corner h to corner next(h) of its face; half-edges of one edge are neighbours
    # once sorted by (lower vertex, higher vertex).
    start = f.ravel()
    end = f[:, [1, 2, 0]].ravel()
    forward = start < end
    key = np.where(forward, start * n + end, end * n + start)
    order = np.argsort(key).astype(np.int32)  # scipy's graphs hold no more, 715 million faces
    same = np.diff(key[order], prepend=-1) == 0  # half-edge i of the order lies on the edge of i - 1
    del start, end, key
    first = np.flatnonzero(~same)
    count = np.diff(first, append=3 * m)  # faces at each edge
    two = first[count == 2]
    consistent = not bool((forward[order[two]] == forward[order[two + 1]]).any())
    boundary = order[first[count == 1]]
    nonmanifold = int((count > 2).sum())

    # Corners that meet across an edge are one vertex of the surface pulled apart.
    corner = np.arange(3 * m, dtype=np.int32)
    after = np.where(corner % 3 == 2, corner - 2, corner + 1)
    low, high = np.where(forward, corner, after), np.where(forward, after, corner)
    a, b = order[:-1][same[1:]], order[1:][same[1:]]
    fans, fan = _components(3 * m, np.concatenate([low[a], high[a]]), np.concatenate([low[b], high[b]]))
    parts, _ = _components(fans, fan, fan[after])

    loops = genus = outward = None
    if nonmanifold == 0 and consistent:
        rim = np.stack([fan[boundary], fan[after[boundary]]])
        a, b = np.unique(rim, return_inverse=True)[1].reshape(2, -1)
        loops, _ = _components(len(boundary), a, b)  # a loop has as many edges as vertices
        genus = (2 * parts - loops - (fans - len(first) + m)) // 2
        if len(boundary) == 0 and m:
            outward = _signed_volume(mesh.vertices, f) > 0
    return Topology(
        vertices=n,
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


def _components(nodes: int, a: NDArray, b: NDArray) -> tuple[int, NDArray]:
    """Number of connected parts of the graph with links a[i] – b[i], and the part of each node."""
    if nodes == 0:
        return 0, np.zeros(0, np.int32)
    links = coo_array((np.ones(len(a), bool), (a, b)), shape=(nodes, nodes))
    count, label = connected_components(links, directed=False)
    return int(count), label


def _signed_volume(vertices: Float, faces: Int) -> float:
    centered = vertices - vertices[faces[0, 0]]
    total = 0.0
    for i in range(0, len(faces), FACE_CHUNK):
        a, b, c = centered[faces[i : i + FACE_CHUNK].T]
        total += float(np.einsum("ij,ij->", a, np.cross(b, c)))
    return total / 6.0

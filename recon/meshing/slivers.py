"""Slivers, triangles with almost no height: measuring them, and removing those that are lower than a minimum.

Other programs merge vertices within a distance of their own, or that are equal in single precision. Then a
sliver vanishes and leaves a hole.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import igl
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon.geometry import Float, Int, Mesh

log = logging.getLogger("recon")

MIN_TRIANGLE_HEIGHT = 0.02  # in cells of the grid that a mesh comes from
CHUNK_FACES = 1 << 18
MAX_ROUNDS = 10  # mending a triangle may make the one beside it lower
Triangle = tuple[int, int, int]


def heights(vertices: Tensor, faces: Tensor) -> Tensor:
    """The smallest height (m,) of each triangle of `faces` (m, 3) with corners in `vertices` (n, 3)."""
    out, places = vertices.new_empty(len(faces)), vertices.t().contiguous()
    for part, low in zip(faces.split(CHUNK_FACES), out.split(CHUNK_FACES), strict=True):
        u, v = [], []
        for place in places:  # axis by axis, a third of the time of rows
            a, b, c = (place.index_select(0, corner) for corner in part.t().contiguous())
            u.append(b - a)
            v.append(c - a)
        sides = u, v, [y - x for x, y in zip(u, v, strict=True)]
        longest = torch.stack([x * x + y * y + z * z for x, y, z in sides]).amax(0)
        across = [u[i] * v[j] - u[j] * v[i] for i, j in ((1, 2), (2, 0), (0, 1))]
        double = (across[0] ** 2 + across[1] ** 2 + across[2] ** 2).sqrt()
        low.copy_(torch.where(longest > 0, double / longest.sqrt(), 0.0))
    return out


def without_slivers(mesh: Mesh, floor: float) -> Mesh:
    """Removes triangles lower than `floor`, by collapsing one of their edges or flipping the longest.

    Neither changes the topology (Dey, Edelsbrunner, Guha and Nekhayev 1999, "Topology preserving edge
    contraction"), moves the surface by more than `floor`, pulls a boundary inward or inverts a face. A sliver
    with no such operation, as a part of its size, stays, and that is logged.
    """
    faces = mesh.faces.copy()
    places, candidates = torch.tensor(mesh.vertices), np.arange(len(faces))
    for left in reversed(range(MAX_ROUNDS)):
        candidates = candidates[faces[candidates, 0] != faces[candidates, 1]]
        low = candidates[heights(places, torch.from_numpy(faces[candidates])).numpy() < floor]
        changed = _Patch.around(mesh.vertices, faces, low, floor).mend(low) if left and len(low) else {}
        if not changed:
            break
        faces[list(changed)] = list(changed.values())
        candidates = np.union1d(low, list(changed))
    if len(low):
        log.info("%d triangles remain lower than %.2g", len(low), floor)
    faces = faces[faces[:, 0] != faces[:, 1]]
    used = np.zeros(len(mesh.vertices), bool)
    used[faces] = True
    return replace(mesh, faces=faces).select(used)


@dataclass(frozen=True)
class _Change:
    """The new corners of some faces by number, None for those that are removed."""

    faces: dict[int, Triangle | None]
    removed: int | None = None  # the vertex that goes


@dataclass
class _Patch:
    """The faces around those to be mended.

    Attributes:
        corners: of each face.
        fans: the faces around each vertex; all of them for the vertices `whole`.
    """

    vertices: Float
    floor: float
    corners: dict[int, Triangle]
    fans: dict[int, set[int]]
    whole: NDArray[np.bool_]

    @classmethod
    def around(cls, vertices: Float, faces: Int, low: Int, floor: float) -> _Patch:
        """The faces at the corners of the faces `low`."""
        whole = np.zeros(len(vertices), bool)
        whole[faces[low]] = True
        alive = faces[:, 0] != faces[:, 1]
        near = np.flatnonzero(whole[faces].any(1) & alive)
        corners = {
            number: (a, b, c) for number, (a, b, c) in zip(near.tolist(), faces[near].tolist(), strict=True)
        }
        fans: dict[int, set[int]] = defaultdict(set)
        for number, triangle in corners.items():
            for corner in triangle:
                fans[corner].add(number)
        return cls(vertices, floor, corners, fans, whole)

    def mend(self, low: Int) -> dict[int, Triangle]:
        """The new corners of the changed faces by number; three times 0 for removed ones."""
        changed: dict[int, Triangle] = {}
        for number in low.tolist():
            if number not in self.corners or self._lowest([self.corners[number]]) >= self.floor:
                continue
            for change in self._changes(number):
                if self._is_better(change):
                    self._apply(change)
                    changed.update({face: now or (0, 0, 0) for face, now in change.faces.items()})
                    break
        return changed

    def _changes(self, number: int) -> Iterator[_Change]:
        """Changes that could mend a face and keep the topology, the most likely first."""
        a, b, c = self.corners[number]
        length = lambda edge: float(np.linalg.norm(self.vertices[edge[0]] - self.vertices[edge[1]]))  # noqa: E731
        short, middle, long = sorted([(a, b), (b, c), (c, a)], key=length)
        flipped = self._flip(number, *long)
        for edge in (short, middle, long):
            for removed, target in (edge, edge[::-1]):
                collapsed = self._collapse(removed, target)
                if collapsed:
                    yield collapsed
            if edge == short and flipped:
                yield flipped

    def _collapse(self, removed: int, target: int) -> _Change | None:
        """Collapses an edge into its vertex `target`."""
        if not (self.whole[removed] and self.whole[target]):
            return None
        around, around_target = self._neighbours(removed), self._neighbours(target)
        shared = self.fans[removed] & self.fans[target]
        apexes = {corner for face in shared for corner in self.corners[face]} - {removed, target}
        rim, target_rim = (sum(count == 1 for count in counts.values()) for counts in (around, around_target))
        if around.keys() & around_target.keys() != apexes or len(apexes) != len(shared):
            return None
        if max(rim, target_rim) > 2 or max(*around.values(), *around_target.values()) > 2:
            return None  # fans touch in a vertex, or more than two faces in an edge
        if rim and around[target] != 1:  # from the rim inward, or across
            return None
        remaining = {face: self.corners[face] for face in self.fans[removed] - shared}
        moved = {
            face: tuple(target if c == removed else c for c in corners) for face, corners in remaining.items()
        }
        known = {frozenset(self.corners[face]) for face in self.fans[target]}
        if not moved or any(frozenset(corners) in known for corners in moved.values()):
            return None
        return _Change({**dict.fromkeys(shared), **moved}, removed)  # type: ignore[dict-item]

    def _flip(self, number: int, start: int, end: int) -> _Change | None:
        """Flips the edge between two corners of a face: it joins the third one to the one beyond the edge."""
        shared = self.fans[start] & self.fans[end]
        if len(shared) != 2:
            return None
        (other,) = shared - {number}
        (apex,), (beyond,) = (set(self.corners[face]) - {start, end} for face in (number, other))
        if apex == beyond or beyond in self._neighbours(apex):
            return None
        return _Change({number: (apex, start, beyond), other: (beyond, end, apex)})

    def _neighbours(self, vertex: int) -> Counter[int]:
        """The adjacent vertices, and the number of faces at the edge to each."""
        return Counter(c for face in self.fans[vertex] for c in self.corners[face] if c != vertex)

    def _is_better(self, change: _Change) -> bool:
        before = [self.corners[face] for face in change.faces]
        after = [now for now in change.faces.values() if now]
        if self._lowest(after) <= self._lowest(before):
            return False
        across = self._across(before)
        facing = np.where(
            (self._heights(before) < self.floor)[:, None] | (change.removed is None), across.sum(0), across
        )
        remains = [now is not None for now in change.faces.values()]
        if ((self._across(after) * facing[remains]).sum(1) <= 0).any():
            return False
        if change.removed is None:  # the third corner is nearer to the edge than the floor
            return True
        points, corners = np.unique(after, return_inverse=True)
        squared, _, _ = igl.point_mesh_squared_distance(
            self.vertices[[change.removed]], self.vertices[points], corners.reshape(-1, 3).astype(np.int64)
        )
        return float(squared[0]) <= self.floor**2

    def _across(self, triangles: list[Triangle]) -> Float:
        a, b, c = self.vertices[np.array(triangles).T]
        return np.cross(b - a, c - a)

    def _heights(self, triangles: list[Triangle]) -> Float:
        return heights(
            torch.from_numpy(self.vertices[np.array(triangles)].reshape(-1, 3)),
            _separate_faces(len(triangles)),
        ).numpy()

    def _lowest(self, triangles: list[Triangle]) -> float:
        return float(self._heights(triangles).min())

    def _apply(self, change: _Change) -> None:
        for face, now in change.faces.items():
            for corner in self.corners.pop(face):
                self.fans[corner].discard(face)
            if now:
                self.corners[face] = now
                for corner in now:
                    self.fans[corner].add(face)


def _separate_faces(count: int) -> Tensor:
    """Faces of `count` triangles that share no vertex."""
    return torch.arange(3 * count).reshape(-1, 3)

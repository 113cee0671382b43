"""Removes surface that no points support: what a field invents between and beyond the points.

The surface is grown around the points by a radius r and shrunk by r again, along itself: what lies within an
empty disc of that radius is cut, gaps narrower than 2r stay filled, and the edge follows the outermost
points, as that of an alpha shape (Edelsbrunner, Kirkpatrick, Seidel 1983, doi:10.1109/TIT.1983.1056714);
`boundary.py` then fits it to where the points end. r is a multiple of the local point spacing, so that sparse
parts of a scan are kept like dense ones. Points do not support surface behind them, unless it is a small
fold.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from recon.errors import ExtractError
from recon.geometry import Float, Int, Mesh, PointCloud, unit_vectors
from recon.meshing.boundary import rim_level
from recon.meshing.topology import Hole, connected_parts, measures, topology
from recon.scan.preparation.inside import Surroundings

log = logging.getLogger("recon")

CHUNK_VERTICES = 1 << 17
RADIUS_SPACINGS = 4.0  # the radius r
SEEN_REACHES = 1.5  # in r: surface further from all points tells nothing
EDGE_SPACINGS = 0.1  # from the outermost points to the edge of what was scanned
SIDE_NEIGHBOURS, MIN_SIDE_COSINE = (
    16,
    -0.2,
)  # below this mean cosine of normals, a vertex is behind the points
SPACING_NEIGHBOURS = 12
MIN_GAP_RADIUS, MIN_BACK_RADIUS = 0.3, 2.0  # in r, of a disc as large as the smallest patch that is cut
SNAP_TOLERANCE = 1e-9  # of the largest level: nearer to the edge, a vertex is on it
SMOOTHING_PASSES = 4
SAMPLE_VERTICES = 20_000
MIN_OPEN_SHARE = 0.02  # of the surface without support: from it on, a scan counts as open
UNSUPPORTED = "open: no points support %.3g %% of the surface: removed (--trim off keeps it)"
INVENTED = "%.3g %% of the surface is near no point, nor in a hole of the scan: removed; train longer"


@dataclass(frozen=True)
class Support:
    """The points of a scan, with their normals if any, and how far they support a surface.

    Attributes:
        scan: in the frame of the meshes.
        radius: r, in that frame; by default `RADIUS_SPACINGS` point spacings.
        threads: of the search for neighbours.
    """

    scan: PointCloud
    radius: float | None = None
    threads: int = 1

    def shares(self, mesh: Mesh) -> tuple[float, float]:
        """The share of the surface of `mesh` without a point near, and that which fills holes of the scan.

        By a sample of its vertices. What lies inside or outside of a closed scan, a field has invented.
        """
        count = len(mesh.vertices)
        chosen = np.random.default_rng(0).choice(count, min(count, SAMPLE_VERTICES), False)
        distance, spacing = self._nearest(replace(mesh, normals=None), chosen)
        far = distance > self._reach(spacing)
        share = float(far.mean())
        if share < MIN_OPEN_SHARE or self.scan.normals is None:
            return share, share
        around = Surroundings(self.scan, threads=self.threads)
        filling = around.in_holes(mesh.vertices[chosen[far]]).mean() if around.closed else 1.0
        return share, share * float(filling)

    def supported(self, mesh: Mesh) -> Mesh:
        """The part of `mesh` that the points support."""
        level = self.level(mesh)
        return mesh if level is None else cut(mesh, level)

    def level(self, mesh: Mesh) -> Float | None:
        """Of each vertex (n,), how far it is within what points support, negative beyond; None: all is."""
        distance, spacing = self._nearest(mesh, np.arange(len(mesh.vertices)))
        reach = self._reach(spacing)
        radius = np.where(np.isinf(distance), MIN_BACK_RADIUS, MIN_GAP_RADIUS) * reach
        far = _wide(mesh, distance > reach, radius)
        if not far.any():
            return None
        # How far inside the edge each vertex lies, r at most; negative outside.
        inset = _along_surface(mesh, far, distance - reach, 2 * reach)
        depth = _smoothed(mesh.faces, inset - reach + EDGE_SPACINGS * spacing)
        first = cut(mesh, depth)
        return rim_level(mesh, first, depth, reach, self.scan, self._tree, self._spacing)

    def reaches(self, places: Float, radii: Float) -> NDArray[np.bool_]:
        """Whether balls (n,) around `places` (n, 3) may hold surface that stays, or that tells what stays."""
        distance, nearest = self._tree.query(places, workers=self.threads)
        return distance - radii < SEEN_REACHES * self._reach(self._spacing(nearest))

    def _reach(self, spacing: Float) -> Float:
        return np.full(len(spacing), self.radius) if self.radius else RADIUS_SPACINGS * spacing

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.scan.points)

    @cached_property
    def _known(self) -> Float:
        return np.full(len(self.scan), np.nan)

    def _spacing(self, index: Int) -> Float:
        """The spacing of the scan around the points `index`, of any shape."""
        missing = np.zeros(len(self.scan), bool)
        missing[index.ravel()] = True
        missing = np.flatnonzero(missing & np.isnan(self._known))
        for start in range(0, len(missing), CHUNK_VERTICES):
            part = missing[start : start + CHUNK_VERTICES]
            distance, _ = self._tree.query(
                self.scan.points[part], SPACING_NEIGHBOURS + 1, workers=self.threads
            )
            self._known[part] = distance[:, -1] * np.sqrt(np.pi / SPACING_NEIGHBOURS)
        return self._known[index]

    def _nearest(self, mesh: Mesh, chosen: Int) -> tuple[Float, Float]:
        """The distance of each vertex to the nearest point, infinite behind the points, and the spacing."""
        nearest, around = np.empty(len(chosen)), np.empty(len(chosen))
        for start in range(0, len(chosen), CHUNK_VERTICES):
            part = chosen[start : start + CHUNK_VERTICES]
            distance, near = self._tree.query(mesh.vertices[part], SIDE_NEIGHBOURS, workers=self.threads)
            around[start : start + CHUNK_VERTICES] = np.median(self._spacing(near), axis=1)
            if mesh.normals is not None and self.scan.normals is not None:
                cosine = (mesh.normals[part, None] * self.scan.normals[near]).sum(2).mean(1)
                distance[cosine < MIN_SIDE_COSINE] = np.inf
            nearest[start : start + CHUNK_VERTICES] = distance[:, 0]
        return nearest, around


def trimmed(
    mesh: Mesh,
    scan: PointCloud,
    trim: str,
    radius: float | None = None,
    is_open: bool = False,
    threads: int = 1,
) -> tuple[Mesh, bool]:
    """Removes the surface that `scan`, in the frame of `mesh`, does not support.

    Args:
        mesh: the surface.
        scan: the points.
        trim: "off" keeps everything; "auto" keeps everything if the scan is closed but for small holes, and
            the surface is near its points, or nowhere near them.
        radius: cut at this distance, in the frame's unit, whatever `trim` says.
        is_open: the scan is known to be open.
        threads: of the search for neighbours.

    Returns:
        The mesh, and whether it was trimmed.

    Raises:
        ExtractError: nothing would be left.
    """
    if trim == "off":
        return mesh, False
    support = Support(scan, radius, threads)
    if radius is None:
        share, filling = support.shares(mesh)
        if share < MIN_OPEN_SHARE and not is_open:
            if share > 0:
                log.info("closed: %.1f %% of the surface fills holes in the scan", 100 * share)
            return mesh, False
        if filling < MIN_OPEN_SHARE and not is_open:
            text, out = INVENTED, support.supported(mesh)
            if not len(out.faces):
                text, out = text.replace("removed", "kept, as nothing else is there"), mesh
            log.warning(text, 100 * share)
            return out, out is not mesh
        log.info(UNSUPPORTED, 100 * share)
    out = support.supported(mesh)
    if not len(out.faces):
        raise ExtractError("no point of the scan lies near the surface: nothing is left after trimming")
    return out, True


def filled(mesh: Mesh, scan: PointCloud, threads: int = 1) -> tuple[Hole, ...]:
    """The holes that `scan` leaves and `mesh`, which was not trimmed, fills: those with long rims first."""
    kept = Support(scan, threads=threads).supported(mesh)
    if kept is mesh or not len(kept.faces):
        return ()
    return measures(kept, topology(kept)).holes


def _wide(mesh: Mesh, far: NDArray[np.bool_], radius: Float) -> NDArray[np.bool_]:
    """`far` without patches smaller than a disc of their minimum `radius` (n,): bumps and folds."""
    faces = mesh.faces[far[mesh.faces].all(1)]
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]]).T
    count, patch = connected_parts(len(far), *ends)
    a, b, c = (mesh.vertices[faces[:, k]] for k in range(3))
    area = np.bincount(patch[faces[:, 0]], np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2, count)
    least = np.full(count, np.inf)
    np.minimum.at(least, patch[far], radius[far])
    return far & (area[patch] > np.pi * least[patch] ** 2)


def _along_surface(mesh: Mesh, far: NDArray[np.bool_], excess: Float, limit: Float) -> Float:
    """Distance of each vertex to where `excess` passes 0, `limit` at most; 0 where `far`."""
    ends = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    length = np.linalg.norm(mesh.vertices[ends[:, 0]] - mesh.vertices[ends[:, 1]], axis=1)
    rim = np.unique(ends[far[ends[:, 0]] != far[ends[:, 1]]].ravel())
    source = rim[far[rim]]
    inner = ~far[ends].all(1)  # paths through what is far lead nowhere that matters
    count = len(mesh.vertices)
    graph = coo_array((length[inner], (ends[inner, 0], ends[inner, 1])), shape=(count, count)).tocsr()
    walked, _, origin = dijkstra(
        graph,
        directed=False,
        indices=source,
        min_only=True,
        limit=float(limit.max()),
        return_predecessors=True,
    )
    out = limit.copy()
    reached = np.isfinite(walked)
    straight = np.linalg.norm(mesh.vertices[reached] - mesh.vertices[origin[reached]], axis=1)
    past = np.minimum(np.maximum(excess[origin[reached]], 0.0), np.median(length))
    out[reached] = np.minimum(np.maximum(straight - past, 0.0), limit[reached])
    out[far] = 0.0
    return out


def _smoothed(faces: Int, level: Float) -> Float:
    """`level` (n,), averaged over the neighbours of each vertex a few times."""
    ends = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    graph = coo_array((np.ones(faces.size), ends), shape=(len(level), len(level))).tocsr()
    graph = graph + graph.T
    degree = np.maximum(np.asarray(graph.sum(1)).ravel(), 1.0)
    for _ in range(SMOOTHING_PASSES):
        level = 0.5 * level + 0.5 * (graph @ level) / degree
    return level


def cut(mesh: Mesh, level: Float, snap: float | None = None) -> Mesh:
    """The part of `mesh` where `level` (n,), linear on each face, is positive; crossed faces are divided.

    Normals and values are linear on each edge.

    Where its size is below `snap`, by default a billionth of the largest, it is zero. Where an edge is
    divided does not depend on how its vertices are numbered.
    """
    snap = SNAP_TOLERANCE * float(np.abs(level).max()) if snap is None else snap
    level = np.where(np.abs(level) < snap, -0.0, level)
    above = level > 0
    inside = above[mesh.faces].sum(1)
    whole = mesh.faces[inside == 3]
    crossed = mesh.faces[(inside == 1) | (inside == 2)]
    # Turned so that the vertex that is alone on its side comes first.
    alone = np.where(above[crossed].sum(1)[:, None] == 1, above[crossed], ~above[crossed]).argmax(1)
    turn = (alone[:, None] + np.arange(3)) % 3
    crossed = np.take_along_axis(crossed, turn, axis=1)
    one = above[crossed[:, 0]]
    ends = np.concatenate([crossed[:, [0, 1]], crossed[:, [0, 2]]])
    ends = np.where(above[ends[:, :1]], ends, ends[:, ::-1])
    edges, number = np.unique(ends, axis=0, return_inverse=True)
    share = level[edges[:, 0]] / (level[edges[:, 0]] - level[edges[:, 1]])
    mix = lambda a: (a[edges[:, 0]].T * (1 - share) + a[edges[:, 1]].T * share).T  # noqa: E731
    first, second = number.reshape(2, -1) + len(level)
    a, b, c = crossed.T
    pieces = [whole, np.stack([a, first, second], 1)[one]]
    pieces += [np.stack([first, b, c], 1)[~one], np.stack([first, c, second], 1)[~one]]
    vertices = np.concatenate([mesh.vertices, mix(mesh.vertices)])
    normals = mesh.normals
    if normals is not None:
        normals = unit_vectors(np.concatenate([normals, mix(normals)]))
    faces = np.concatenate(pieces)
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    values = {name: np.concatenate([column, mix(column)]) for name, column in mesh.values.items()}
    return Mesh(vertices, faces, normals, None, values).select(used)

"""Where an open surface ends, drawn from the points near its rim instead of from one of them at a time.

Points that are spread evenly over a surface end at a gap: the outermost one along a stretch of rim as long as
l spacings is 1/l of a spacing from the edge on average. What tells the edge is thus the outline, among those
that have the points inside, that adds the least area, and the longer the stretches on which it is straight,
the closer it is (Korostelev, Tsybakov 1993, doi:10.1007/978-1-4612-2712-0). How far it turns in all
counts against it: along a straight side it wanders little (a sixth of a spacing), a corner is paid for once
and is not cut off, and a bay is followed where enough points would be missing in it (a total variation of the
slope; Mammen, van de Geer 1997, doi:10.1214/aos/1034276635). The problem is convex. Lengths are in spacings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array, diags_array, eye_array
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

from recon.geometry import Float, Int, Mesh, PointCloud, unit_vectors, vertex_normals
from recon.meshing.topology import connected_parts

MIN_RIM_LENGTH = 100.0  # shorter rims stay: few points lie around small holes
NODE_STEP = 0.5  # along the outline
SMOOTHING_PASSES = 18  # of the rim that the outline starts from
TURNING_COST_PER_RADIAN = 6.0  # in points: bays longer than 4 times its root are followed
EDGE_OFFSET = 0.13  # from the outline to the edge of what was scanned
BAND_DEPTH = 3.0  # inside the outline; outside, points count within half of it
MAX_OFFSET = 0.4  # of the outline from the rim, in radii r of trimming; at most `BAND_DEPTH`
CERTAIN_DEPTH = 0.75  # in r: deeper inside or outside nothing changes
SPACING_POINTS = 32  # whose median is the spacing at a node, not that of the rim alone
MIN_NOISE = 0.05
MIN_ANGLE = 0.02  # radians: smoothes the cost of turning at 0
TIE_WEIGHT = 0.03  # of the squared offset from the line that the outline starts from
FIT_ROUNDS, MAX_NEWTON_STEPS, TOLERANCE = 2, 40, 1e-3
SIDE_PARTS = 8  # of a side of the outline, for finding the nearest


Spacing = Callable[[Int], Float]


@dataclass(frozen=True)
class Outline:
    """Closed lines of nodes, with the surface on their left, seen from outside.

    Attributes:
        nodes: (n, 3).
        after: (n,) the next node along the line; `before` is the previous one.
        spacing: (n,) of the points around.
        normal: (n, 3) unit normals of the surface.
    """

    nodes: Float
    after: Int
    before: Int
    spacing: Float
    normal: Float

    def outward(self, along: Float) -> Float:
        """(n, 3) unit vectors in the surface, away from it: right of `along` (n, 3)."""
        return unit_vectors(np.cross(along, self.normal))


def rim_level(
    mesh: Mesh, first: Mesh, level: Float, reach: Float, scan: PointCloud, tree: cKDTree, spacing: Spacing
) -> Float:
    """Moves the edge of a surface to where the points say that it ends.

    Args:
        mesh: the surface before trimming.
        first: `mesh` cut at `level`.
        level: (n,) signed distance to the edge at the vertices of `mesh`, positive inside.
        reach: (n,) radius r of trimming at these vertices.
        scan: the points, in the frame of `mesh`.
        tree: of the points.
        spacing: maps indices of points to the spacing there.

    Returns:
        (n,) `level`, near the edge replaced by the distance to the new one.
    """
    normals = mesh.normals if mesh.normals is not None else vertex_normals(mesh)
    vertices = cKDTree(mesh.vertices)
    start = _resampled_rim(first, tree, spacing)
    if start is None:
        return level
    nodes, after, before, around = start
    farthest = np.minimum(MAX_OFFSET * reach[vertices.query(nodes)[1]] / around, BAND_DEPTH)
    points, facing = scan.points, scan.normals
    close = np.isfinite(cKDTree(nodes).query(points, distance_upper_bound=BAND_DEPTH * around.max())[0])
    points, facing = points[close], None if facing is None else facing[close]
    _, below = vertices.query(points)
    height = ((points - mesh.vertices[below]) * normals[below]).sum(1)
    for _ in range(FIT_ROUNDS):
        outline = Outline(nodes, after, before, around, normals[vertices.query(nodes)[1]])
        outward = outline.outward(nodes[after] - nodes[before])
        moved = _offsets(outline, outward, points, facing, height)
        nodes = nodes + (np.clip(moved, -farthest, farthest) * around)[:, None] * outward
    outward = outline.outward(nodes[after] - nodes[before])
    outline = Outline(nodes + EDGE_OFFSET * around[:, None] * outward, after, before, around, outline.normal)
    return _without_specks(mesh.faces, _level(mesh, normals, outline, level, reach), level, reach)


def _resampled_rim(first: Mesh, tree: cKDTree, spacing: Spacing) -> tuple[Float, Int, Int, Float] | None:
    """The rim of `first`, smoothed and evenly resampled: nodes, their neighbours, the spacing there."""
    lines, sizes = [], []
    for line in _loops(first.faces):
        corners = first.vertices[line]
        _, near = tree.query(corners, min(SPACING_POINTS, tree.n))
        around = np.median(spacing(near), axis=1)
        following = np.append(around[1:], around[0])
        length = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1) * 2 / (around + following)
        at = np.append(0.0, np.cumsum(length))
        if at[-1] < MIN_RIM_LENGTH:
            continue
        count = max(round(at[-1] / NODE_STEP), 8)
        targets = np.arange(count) * at[-1] / count
        both = np.column_stack([corners, around])
        nodes = np.stack([np.interp(targets, at, np.append(a, a[0])) for a in both.T], axis=1)
        for _ in range(SMOOTHING_PASSES):
            nodes = 0.5 * nodes + 0.25 * (np.roll(nodes, 1, axis=0) + np.roll(nodes, -1, axis=0))
        lines.append(nodes)
        sizes.append(count)
    if not lines:
        return None
    ends = np.cumsum(sizes)
    after, before = np.arange(ends[-1]) + 1, np.arange(ends[-1]) - 1
    after[ends - 1], before[ends - sizes] = ends - sizes, ends - 1
    nodes = np.concatenate(lines)
    return nodes[:, :3], after, before, nodes[:, 3]


def _loops(faces: Int) -> list[list[int]]:
    """The closed boundary lines of vertices, with the faces on their left."""
    if not len(faces):
        return []
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = int(faces.max()) + 1
    lone = ends[~np.isin(ends[:, 0] * count + ends[:, 1], ends[:, 1] * count + ends[:, 0])]
    following = dict(lone.tolist())
    out = []
    while following:
        start, vertex = following.popitem()
        line = [start]
        while vertex in following:
            line.append(vertex)
            vertex = following.pop(vertex)
        if vertex == start and len(line) > 3:
            out.append(line)
    return out


def _offsets(outline: Outline, outward: Float, points: Float, facing: Float | None, height: Float) -> Float:
    """The distance (n,), in spacings, of each node along `outward` (n, 3) to the outline of `points` (p, 3).

    The points are `height` (p,) above the surface and have the normals `facing`, if any.
    """
    nodes, spacing = outline.nodes, outline.spacing
    distance, near = cKDTree(nodes).query(points)
    scale = spacing[near]
    used = (distance < BAND_DEPTH * scale) & (np.abs(height) < BAND_DEPTH * scale)
    if facing is not None:
        used &= (facing * outline.normal[near]).sum(1) > 0
    points, near, scale = points[used], near[used], scale[used]
    along = outline.nodes[outline.after] - outline.nodes[outline.before]
    side = ((points - nodes[near]) * along[near]).sum(1)
    other = np.where(side > 0, outline.after[near], outline.before[near])
    step = ((nodes[other] - nodes[near]) * along[near]).sum(1)
    fraction = np.clip(side / np.where(step == 0, 1.0, step), 0.0, 1.0)[:, None]
    line = (1 - fraction) * nodes[near] + fraction * nodes[other]
    direction = (1 - fraction) * outward[near] + fraction * outward[other]
    excess = ((points - line) * direction).sum(1) / scale
    used[used] = inside = (excess > -BAND_DEPTH) & (excess < BAND_DEPTH / 2)
    rows, count = np.arange(np.count_nonzero(inside)), len(nodes)
    fraction = fraction[inside, 0]
    interpolation = coo_array(
        (
            np.concatenate([1 - fraction, fraction]),
            (np.tile(rows, 2), np.concatenate([near[inside], other[inside]])),
        ),
        shape=(len(rows), count),
    ).tocsr()
    noise = 1.4826 * float(np.median(np.abs(height[used] / scale[inside]))) if len(rows) else 0.0
    noise = max(noise * np.sqrt(3) / np.pi, MIN_NOISE)
    return _fitted(outline, outward, interpolation, excess[inside], noise)


def _fitted(outline: Outline, outward: Float, interpolation: coo_array, excess: Float, noise: float) -> Float:
    """Offsets (n,) that are least in area, turning and points outside, by Newton's method.

    The cost is the sum of e over the nodes' steps, `TURNING_COST_PER_RADIAN` times the sum of the angles, and
    -log of the logistic function of (`interpolation` e - `excess`) / `noise`.
    """
    nodes, after, before = outline.nodes, outline.after, outline.before
    length = np.linalg.norm(nodes[after] - nodes, axis=1) / outline.spacing
    length = np.maximum((length + length[before]) / 2, 1e-6)
    node = np.arange(len(nodes))
    slopes = [
        (outward[after] * outward).sum(1),
        np.full(len(nodes), -2.0),
        (outward[before] * outward).sum(1),
    ]
    turning = coo_array(
        (
            np.concatenate(slopes) / np.tile(length, 3),
            (np.tile(node, 3), np.concatenate([after, node, before])),
        ),
        shape=2 * (len(nodes),),
    ).tocsr()
    bend = ((nodes[after] - 2 * nodes + nodes[before]) * outward).sum(1) / outline.spacing / length

    def cost(e: Float) -> tuple[float, Float, Float]:
        inside, turn = (interpolation @ e - excess) / noise, np.hypot(turning @ e + bend, MIN_ANGLE)
        total = (
            length @ e
            + np.logaddexp(0, -inside).sum()
            + TURNING_COST_PER_RADIAN * turn.sum()
            + TIE_WEIGHT / 2 * (e @ e)
        )
        return float(total), inside, turn

    e = np.zeros(len(nodes))
    now, inside, turn = cost(e)
    for _ in range(MAX_NEWTON_STEPS):
        pull = 1 / (1 + np.exp(np.clip(inside, -50, 50)))
        slope = length - interpolation.T @ (pull / noise) + TIE_WEIGHT * e
        slope += TURNING_COST_PER_RADIAN * (turning.T @ ((turning @ e + bend) / turn))
        curve = interpolation.T @ diags_array(pull * (1 - pull) / noise**2) @ interpolation
        curve = (
            curve
            + TURNING_COST_PER_RADIAN * (turning.T @ diags_array(1 / turn) @ turning)
            + TIE_WEIGHT * eye_array(len(e))
        )
        step = spsolve(csc_array(curve), -slope)
        share, before_it = 1.0, now
        while share > TOLERANCE:
            now, inside, turn = cost(e + share * step)
            if now < before_it - 1e-4 * share * abs(slope @ step):
                break
            share /= 2
        else:
            break
        e = e + share * step
        if before_it - now < TOLERANCE:
            break
    return e


def _level(mesh: Mesh, normals: Float, outline: Outline, level: Float, reach: Float) -> Float:
    """`level`, near its edge replaced by the distance to `outline`."""
    above = level > 0
    crossed = mesh.faces[above[mesh.faces].any(1) & ~above[mesh.faces].all(1)]
    near = np.abs(level) < CERTAIN_DEPTH * reach
    near[crossed] = True
    candidates = np.flatnonzero(near)
    at = ((np.arange(SIDE_PARTS) + 0.5) / SIDE_PARTS)[:, None]
    side = outline.nodes[outline.after] - outline.nodes
    outward = outline.outward(side)
    dense = (outline.nodes[:, None] + at * side[:, None]).reshape(-1, 3)
    distance, nearest = cKDTree(dense).query(mesh.vertices[candidates])
    node = nearest // SIDE_PARTS
    from_node, from_there = (mesh.vertices[candidates] - a for a in (outline.nodes[node], dense[nearest]))
    across = (from_node * outward[node]).sum(1)
    along = (from_node * side[node]).sum(1) / (side[node] ** 2).sum(1)
    outside = np.where((from_there * outward[node]).sum(1) > 0, distance, -distance)
    out = level.copy()
    same = (normals[candidates] * outline.normal[node]).sum(1) > 0  # not another sheet of the surface
    same &= distance < reach[candidates]  # nor another rim
    out[candidates[same]] = -np.where((along >= 0) & (along <= 1), across, outside)[same]
    return out


def _without_specks(faces: Int, level: Float, before: Float, reach: Float) -> Float:
    """`level` (n,) without patches at whose most certain vertices the level `before` has another sign."""
    certain = np.abs(before) >= CERTAIN_DEPTH * reach
    patch = _patches(faces, before > 0)
    order = np.lexsort((np.abs(before), patch))
    certain[order[np.append(np.diff(patch[order]) > 0, True)]] = True
    patch = _patches(faces, level > 0)
    confirmed = np.zeros(patch.max() + 1, bool)
    confirmed[patch[certain & ((before > 0) == (level > 0))]] = True
    return np.where(confirmed[patch], level, -level)


def _patches(faces: Int, side: NDArray[np.bool_]) -> Int:
    """(n,) the connected patch of vertices on the same `side` (n,) that each belongs to."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = ends[side[ends[:, 0]] == side[ends[:, 1]]].T
    return connected_parts(len(side), *ends)[1]

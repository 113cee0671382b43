"""Signs for normals that are known up to their sign: one side for all of a surface, the outside.

Two points of a smooth surface have normals that are mirror images in the plane halfway between them: exactly
on a sphere, to second order elsewhere, and at a sharp edge, too. So each pair of neighbours votes for equal
or opposite signs. Points that the votes agree on become one cluster, clusters sum their votes and become
larger ones, the surest first: a decision between two parts of the surface rests on all the pairs along their
seam, where a spanning tree of points (Hoppe et al. 1992, doi:10.1145/133994.134011) trusts a single one.
Where two things touch, all of them may be wrong (`touching.py`).
The mirror's vote is that of Xie, Wang, Hua, Qin, Kaufman (2003), "Piecewise C1 continuous surface
reconstruction of noisy point clouds via local implicit quadric regression", doi:10.1109/VISUAL.2003.1250359.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recon.geometry import Float, Int
from recon.scan.preparation.chunks import over_chunks

CHUNK_POINTS = 1 << 16
MAX_STEEPNESS, MAX_STEEPNESS_RATIO = 0.03, 2.0  # of a flat neighbourhood: itself, or over the median
CHORD_PENALTY = 16.0  # on pairs whose chord runs along their normals, from one side of a wall to the other
MIN_SEAM_VOTE = 0.1  # of the mean vote: weaker votes along a seam cannot be trusted
MIN_PIECE_POINTS, MIN_PIECE_MAJORITY = 30, 0.6  # a piece that keeps the side of its given normals
MIN_CONTRARY_SHARE = 0.04  # of all points: if fewer would keep their side, all follow the votes
OPPOSITE = -0.7  # cosine of the given normals of both sides of a wall
MIN_WALL_MAJORITY = 0.8  # of pairs of opposite normals that have a wall between them, less those that cannot
MIN_WALL_CHORDS = 1e-6  # the thinnest wall, of the pair's distance: less is rounding

SEAM_COLUMNS = "a", "b", "net", "sure", "pairs"


@dataclass(frozen=True, eq=False)
class Seams:
    """The pairs of neighbours between different clusters, summed by clusters a < b.

    Attributes:
        a, b: (m,) the clusters.
        net: (m,) the sum of their votes, positive for equal signs.
        sure: (m,) the sum of |vote|.
        pairs: (m,) how many.
    """

    a: Int
    b: Int
    net: Float
    sure: Float
    pairs: Float

    @classmethod
    def summed(cls, parts: Sequence[Seams], count: int) -> Seams:
        """The sums over the same two of `count` clusters in any order, without those within a cluster."""
        a, b, *columns = (np.concatenate([getattr(part, name) for part in parts]) for name in SEAM_COLUMNS)
        between = a != b
        a, b = a[between], b[between]
        seams, number = np.unique(np.minimum(a, b) * count + np.maximum(a, b), return_inverse=True)
        sums = (np.bincount(number, column[between], len(seams)).astype(np.float64) for column in columns)
        return cls(seams // count, seams % count, *sums)

    def select(self, chosen: NDArray[np.bool_]) -> Seams:
        """Those `chosen` (m,)."""
        return Seams(*(getattr(self, name)[chosen] for name in SEAM_COLUMNS))

    def between(self, root: Int, flip: Float) -> Seams:
        """Those between the clusters `root` (c,) that clusters have become, after turning some by `flip`."""
        net = self.net * flip[self.a] * flip[self.b]
        moved = Seams(root[self.a], root[self.b], net, self.sure, self.pairs)
        return Seams.summed([moved], int(root.max()) + 1)


def consistent_signs(
    points: Float, normals: Float, neighbours: NDArray[np.integer], threads: int = 1
) -> tuple[Float, Int]:
    """Signs that turn normals to one side of each part of the surface, if most of theirs mean something.

    They count where votes are weak, as between a thing and the background: large pieces keep the side that
    most of theirs have. And on walls thinner than their spacing, where neighbours are as often on the other
    side: there pairs with opposite normals do not vote.

    Args:
        points: (n, 3).
        normals: (n, 3).
        neighbours: (n, k) indices, without the points themselves.
        threads: that share the work on pairs.

    Returns:
        (n,) signs, 1 or -1, and (n,) the part of each point.
    """
    if not neighbours.size:
        return np.ones(len(points)), np.arange(len(points))
    votes, _ = pair_votes(points, normals, neighbours, threads)
    votes[_across_walls(points, normals, neighbours, threads)] = 0.0
    weak = weak_vote(votes)
    first, cluster, seams = first_clusters(votes, neighbours, weak, threads)
    flip, part, _ = merged(seams, int(cluster.max()) + 1)
    signs, part = first * flip[cluster], part[cluster]
    kept = _kept_sides(seams, signs, part, cluster, weak)
    return np.where(kept[cluster], -signs, signs), part


def signs_by_votes(
    votes: NDArray[np.float32], neighbours: NDArray[np.integer], threads: int = 1
) -> tuple[Float, Int]:
    """Signs (n,) and parts (n,) by the `votes` (n, k) of pairs with `neighbours` (n, k) alone."""
    first, cluster, seams = first_clusters(votes, neighbours, weak_vote(votes), threads)
    flip, part, _ = merged(seams, int(cluster.max()) + 1)
    return first * flip[cluster], part[cluster]


def weak_vote(votes: NDArray[np.float32]) -> float:
    """The largest vote that cannot be trusted along a seam."""
    return MIN_SEAM_VOTE * float(np.abs(votes).mean())


def pair_votes(
    points: Float, normals: Float, neighbours: NDArray[np.integer], threads: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(n, k) the vote of each pair of neighbours: positive for equal signs; and which points (n,) are flat.

    A flat point's neighbours lie in the plane of its normal: there is one sheet, and no edge.
    """
    votes, steepness = np.empty(neighbours.shape, np.float32), np.empty(len(points), np.float32)

    def vote(part: slice) -> None:
        near = neighbours[part]
        chord = points[near] - points[part, None]
        length = np.linalg.norm(chord, axis=2)
        chord /= np.maximum(length, np.finfo(float).tiny)[..., None]
        normal, other = normals[part, None], normals[near]
        along, along_other = (normal * chord).sum(2), (other * chord).sum(2)
        mirrored = (normal * other).sum(2) - 2 * along * along_other
        votes[part] = mirrored * np.abs(mirrored) / (1 + CHORD_PENALTY * np.maximum(along**2, along_other**2))
        steepness[part] = (along**2).mean(1)

    for _ in over_chunks(vote, len(points), CHUNK_POINTS, threads):
        pass
    return votes, steepness <= max(MAX_STEEPNESS, MAX_STEEPNESS_RATIO * float(np.median(steepness)))


def _across_walls(
    points: Float, normals: Float, neighbours: NDArray[np.integer], threads: int
) -> NDArray[np.bool_]:
    """(n, k) which pairs of neighbours are on both sides of a wall, by normals that are given.

    Opposite normals have a wall of that thickness between them: minus the chord along half their difference.
    Where normals are turned round at random, it is as often negative, and zero on a plane; so pairs count
    only if nearly all have it positive (or negative, of normals that all point inward).
    """
    wall = np.empty(neighbours.shape, np.int8)

    def sides(part: slice) -> None:
        near = neighbours[part]
        chord = points[near] - points[part, None]
        normal, other = normals[part, None], normals[near]
        thickness = -(chord * (normal - other)).sum(2) / 2
        thick = np.abs(thickness) > MIN_WALL_CHORDS * np.linalg.norm(chord, axis=2)
        opposite = (normal * other).sum(2) < OPPOSITE
        wall[part] = np.where(opposite, np.where(thick, np.sign(thickness), 2), 0)

    for _ in over_chunks(sides, len(points), CHUNK_POINTS, threads):
        pass
    between, behind, opposite = (np.count_nonzero(found) for found in (wall == 1, wall == -1, wall))
    if abs(between - behind) < MIN_WALL_MAJORITY * opposite:
        return np.zeros(wall.shape, bool)
    return wall == (1 if between > behind else -1)


def first_clusters(
    votes: NDArray[np.float32], neighbours: NDArray[np.integer], weak: float, threads: int
) -> tuple[Float, Int, Seams]:
    """Joins each point to the neighbour it is surest of, if that is not `weak`: signs, clusters, their seams.

    The pairs are twenty times as many as the points, the seams between these clusters twice.
    """
    every = np.arange(len(votes))
    surest = np.abs(votes).argmax(1)
    vote, partner = votes[every, surest], neighbours[every, surest]
    weight = np.abs(vote)
    follows = (weight < weight[partner]) | ((weight == weight[partner]) & (partner < every))  # no circles
    partner = np.where(follows & (weight >= weak), partner, every)
    signs, cluster = _joined((partner, np.where(vote < 0, -1.0, 1.0)))
    count = int(cluster.max()) + 1

    def sums(part: slice) -> Seams:
        near = neighbours[part]
        net = (votes[part] * (signs[part, None] * signs[near])).ravel()
        one = np.repeat(cluster[part], near.shape[1])
        return Seams.summed([Seams(one, cluster[near].ravel(), net, abs(net), np.ones(len(net)))], count)

    return signs, cluster, Seams.summed(list(over_chunks(sums, len(votes), CHUNK_POINTS, threads)), count)


def merged(seams: Seams, count: int, least: float = 0.0, most: int = 1) -> tuple[Float, Int, Seams]:
    """Signs and parts of `count` clusters, by seams whose mean vote is at least `least`; the seams left.

    Once there are at most `most` parts, no more are joined.
    """
    signs, cluster = np.ones(count), np.arange(count)
    while cluster.max() >= most and (strong := np.abs(seams.net) >= least * seams.pairs).any():
        flip, root = _joined(_best_partners(seams.select(strong), int(cluster.max()) + 1))
        signs *= flip[cluster]
        cluster = root[cluster]
        seams = seams.between(root, flip)
    return signs, cluster, seams


def _kept_sides(seams: Seams, signs: Float, part: Int, cluster: Int, weak: float) -> NDArray[np.bool_]:
    """Which clusters (c,) keep the side of their given normals although the votes turn them by `signs` (n,).

    They are large pieces of a `part` (n,) of the points that only weak votes separate from the rest.
    """
    piece = merged(seams, int(cluster.max()) + 1, weak)[1]
    side = np.where(np.bincount(part, signs) < 0, -1.0, 1.0)[part]  # most of the part's
    size = np.bincount(piece[cluster])
    turned = np.bincount(piece[cluster], signs != side) > MIN_PIECE_MAJORITY * size
    kept = (turned & (size >= MIN_PIECE_POINTS))[piece]
    seam = kept[seams.a] != kept[seams.b]
    firm = seams.sure[seam].sum() > weak * seams.pairs[seam].sum()
    return np.zeros_like(kept) if firm or kept[cluster].mean() < MIN_CONTRARY_SHARE else kept


def _best_partners(seams: Seams, count: int) -> tuple[Int, Float]:
    """The neighbour that each cluster is surest of (itself if it has none), and the sign of that vote."""
    weight = seams.net**2 / np.maximum(seams.sure, np.finfo(float).tiny)
    one, other = np.concatenate([seams.a, seams.b]), np.concatenate([seams.b, seams.a])
    sign, weight = np.concatenate([seams.net, seams.net]), np.concatenate([weight, weight])
    order = np.lexsort((np.minimum(one, other), np.maximum(one, other), weight, one))
    last = order[np.append(np.flatnonzero(np.diff(one[order])), len(order) - 1)]
    partner, agree = np.arange(count), np.ones(count)
    partner[one[last]] = other[last]
    agree[one[last]] = np.where(sign[last] < 0, -1.0, 1.0)
    return partner, agree


def _joined(partners: tuple[Int, Float]) -> tuple[Float, Int]:
    """The sign of each cluster, and the number of the cluster it joins, if each follows its partner."""
    parent, sign = partners[0].copy(), partners[1].copy()
    index = np.arange(len(parent))
    root = (parent[parent] == index) & (index <= parent)
    parent[root], sign[root] = index[root], 1.0
    while True:
        above = parent[parent]
        if (above == parent).all():
            break
        sign *= sign[parent]
        parent = above
    return sign, np.unique(parent, return_inverse=True)[1]

"""Signs for normals that are known up to their sign: one side for all of a surface, the outside.

Two points of a smooth surface have normals that are mirror images in the plane halfway between them: exactly
on a sphere, to second order elsewhere, and at a sharp edge, too. So each pair of neighbours votes for equal
or opposite signs. Points that the votes agree on become one cluster, clusters sum their votes and become
larger ones, the surest first: a decision between two parts of the surface rests on all the pairs along their
seam, where a spanning tree of points (Hoppe et al. 1992, doi:10.1145/133994.134011) trusts a single one.
The mirror's vote is that of Xie, Wang, Hua, Qin, Kaufman (2003), "Piecewise C1 continuous surface
reconstruction of noisy point clouds via local implicit quadric regression", doi:10.1109/VISUAL.2003.1250359.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recon.geometry import Float, Int

CHUNK_POINTS = 1 << 18
CHORD_PENALTY = 16.0  # on pairs whose chord runs along their normals, from one side of a wall to the other
MIN_SEAM_VOTE = 0.1  # of the mean vote: weaker votes along a seam cannot be trusted
MIN_PIECE_POINTS, MIN_PIECE_MAJORITY = 30, 0.6  # a piece that keeps the side of its given normals
MIN_CONTRARY_SHARE = 0.04  # of all points: if fewer would keep their side, all follow the votes

Votes = tuple[NDArray, NDArray, Float, Float]


def consistent_signs(
    points: Float, normals: Float, neighbours: Int, *, given: bool = False
) -> tuple[Float, Int]:
    """Signs that turn normals to one side of each part of the surface.

    Only where votes are weak, as between a thing and the background, do the signs of `given` normals count:
    large pieces keep the side that most of theirs have.

    Args:
        points: (n, 3).
        normals: (n, 3).
        neighbours: (n, k) indices, without the points themselves.
        given: the signs of the normals mean something.

    Returns:
        (n,) signs, 1 or -1, and (n,) the part of each point.
    """
    votes = _votes(points, normals, neighbours)
    signs, part = _merged(votes, len(points))
    return (_with_given_sides(votes, signs, part) if given else signs), part


def _merged(votes: Votes, count: int, least: float = 0.0) -> tuple[Float, Int]:
    """Signs and parts of `count` points, by pairs whose mean vote is at least `least`."""
    signs, cluster = np.ones(count), np.arange(count)
    a, b, net, sure = votes
    pairs = np.ones(len(a))
    while (strong := np.abs(net) >= least * pairs).any():
        partner = _best_partners(a[strong], b[strong], net[strong], sure[strong], int(cluster.max()) + 1)
        flip, root = _joined(partner)
        signs *= flip[cluster]
        cluster = root[cluster]
        net = net * flip[a] * flip[b]
        a, b, net, sure, pairs = _summed(root[a], root[b], (net, sure, pairs), int(root.max()) + 1)
    return signs, cluster


def _with_given_sides(votes: Votes, signs: Float, part: Int) -> Float:
    """`signs`, but large pieces that only weak votes separate keep the side of their given normals."""
    a, b, net, _ = votes
    weak = MIN_SEAM_VOTE * float(np.abs(net).mean()) if len(net) else 0.0
    piece = _merged(votes, len(signs), weak)[1]
    side = np.where(np.bincount(part, signs) < 0, -1.0, 1.0)[part]  # most of the part's
    size = np.bincount(piece)
    turned = np.bincount(piece, signs != side) > MIN_PIECE_MAJORITY * size
    contrary = (turned & (size >= MIN_PIECE_POINTS))[piece]
    seam = contrary[a] != contrary[b]
    if contrary.mean() < MIN_CONTRARY_SHARE or np.abs(net[seam]).mean() > weak:
        return signs
    return np.where(contrary, -signs, signs)


def _votes(points: Float, normals: Float, neighbours: Int) -> Votes:
    """The pairs of neighbours (a < b), their votes (positive: equal signs) and the sums of |vote|."""
    n, k = neighbours.shape
    votes = []
    for start in range(0, n, CHUNK_POINTS):
        near = neighbours[start : start + CHUNK_POINTS]
        chord = points[near] - points[start : start + CHUNK_POINTS, None]
        length = np.linalg.norm(chord, axis=2)
        chord /= np.maximum(length, np.finfo(float).tiny)[..., None]
        normal, other = normals[start : start + CHUNK_POINTS, None], normals[near]
        along, along_other = (normal * chord).sum(2), (other * chord).sum(2)
        mirrored = (normal * other).sum(2) - 2 * along * along_other
        votes.append(mirrored * np.abs(mirrored) / (1 + CHORD_PENALTY * np.maximum(along**2, along_other**2)))
    net = np.concatenate(votes).ravel()
    a, b, net, sure = _summed(np.repeat(np.arange(n), k), neighbours.ravel(), (net, np.abs(net)), n)
    return a, b, net, sure


def _summed(a: NDArray, b: NDArray, votes: tuple[Float, ...], count: int) -> tuple[NDArray, ...]:
    """Sums the votes between the same two of `count` clusters, without those within a cluster."""
    between = a != b
    a, b = a[between], b[between]
    pairs, number = np.unique(np.minimum(a, b) * count + np.maximum(a, b), return_inverse=True)
    summed = (np.bincount(number, vote[between], len(pairs)) for vote in votes)
    return pairs // count, pairs % count, *summed


def _best_partners(a: NDArray, b: NDArray, net: Float, sure: Float, count: int) -> tuple[Int, Float]:
    """The neighbour that each cluster is surest of (itself if it has none), and the sign of that vote."""
    weight = net * net / np.maximum(sure, np.finfo(float).tiny)
    one, other = np.concatenate([a, b]), np.concatenate([b, a])
    sign, weight = np.concatenate([net, net]), np.concatenate([weight, weight])
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

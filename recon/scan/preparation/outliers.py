"""Points that are no part of a surface: flying pixels, reflections, dust, stray returns.

Two marks together make an outlier: its neighbours are much further away than theirs are from each other, and
they fill space rather than lie on a sheet. Sparse parts of a scan have the first mark alone, the points of a
noisy or thin one the second alone. A density relative to that of the neighbours is the idea of Breunig,
Kriegel, Ng, Sander (2000), "LOF: identifying density-based local outliers", doi:10.1145/335191.335388.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from recon.geometry import Float, Int

CHUNK = 1 << 17
WIDE, NEAR, SHEET = 48, 8, 16  # neighbours to compare with; that give the spacing; that show a sheet or not
DENSE = 0.2  # the quantile of the spacings around that a point is compared with
LONELY = 3.5  # times that spacing: too far from its neighbours
SPATIAL = 0.04  # share of the neighbours' least spread from which they fill space; 1/3 is a ball
PASSES = 20  # outliers next to outliers are found when these are gone
LINK = 3.0  # times the smaller spacing: how far apart two points of one part are
CRUMB = 20  # points: parts with fewer are left out
CLOUD = 0.3  # of all points: a part with fewer, lonely and spatial as a whole, is a cloud of outliers


def outliers(points: Float, threads: int = 1) -> NDArray[np.bool_]:
    """(n,) whether each of `points` (n, 3), finite and distinct, in any unit, is an outlier."""
    kept = np.arange(len(points))
    spacing = _spacing(cKDTree(points), kept, threads) if len(kept) > WIDE else np.zeros(0)
    suspects = kept
    for _ in range(PASSES):
        if len(kept) <= WIDE:
            break
        stray = _stray(points[kept], spacing, suspects, threads)
        kept, spacing = kept[~stray], spacing[~stray]
        if not stray.any() or len(kept) <= WIDE:
            break
        # Outliers among outliers are told when those around them are gone.
        suspects = np.flatnonzero(spacing > LONELY * np.median(spacing))
        spacing[suspects] = _spacing(cKDTree(points[kept]), suspects, threads)
    if len(kept) > WIDE:
        kept = kept[~_loose_parts(points[kept], spacing, threads)]
    out = np.ones(len(points), bool)
    out[kept] = False
    return out


def _stray(points: Float, spacing: Float, suspects: Int, threads: int) -> NDArray[np.bool_]:
    """(n,) whether each point is far from its neighbours, among which it fills space; of the `suspects`."""
    tree = cKDTree(points)
    stray = np.zeros(len(points), bool)
    for start in range(0, len(suspects), CHUNK):
        part = suspects[start : start + CHUNK]
        _, near = tree.query(points[part], WIDE + 1, workers=threads)
        around = np.quantile(spacing[near[:, 1:]], DENSE, axis=1)
        lonely = np.flatnonzero(spacing[part] > LONELY * around)
        stray[part[lonely]] = _spread(points[near[lonely, : SHEET + 1]]) > SPATIAL
    return stray


def _loose_parts(points: Float, spacing: Float, threads: int) -> NDArray[np.bool_]:
    """Whether each point belongs to a crumb or to a cloud of outliers, apart from the rest."""
    tree = cKDTree(points)
    number, part = _parts(tree, spacing, threads)
    size = np.bincount(part, minlength=number)
    loose = size < min(CRUMB, size.max())
    largest = np.median(spacing[part == size.argmax()])
    for small in np.flatnonzero((size < CLOUD * len(points)) & ~loose):
        members = np.flatnonzero(part == small)
        if np.median(spacing[members]) > LONELY * largest:
            _, near = tree.query(points[members], SHEET + 1, workers=threads)
            loose[small] = np.median(_spread(points[near])) > SPATIAL
    return loose[part]


def _parts(tree: cKDTree, spacing: Float, threads: int) -> tuple[int, NDArray[np.int32]]:
    points, links = tree.data, []
    for start in range(0, len(points), CHUNK):
        distance, near = tree.query(points[start : start + CHUNK], SHEET + 1, workers=threads)
        own = np.arange(start, start + len(near))[:, None]
        linked = distance <= LINK * np.minimum(spacing[own], spacing[near])
        links.append(np.stack([np.broadcast_to(own, near.shape)[linked], near[linked]]).astype(np.int32))
    ends = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(ends.shape[1], bool), (ends[0], ends[1])), shape=(len(points), len(points)))
    return connected_components(graph, directed=False)


def _spacing(tree: cKDTree, chosen: Int, threads: int) -> Float:
    """(m,) mean distance of the `chosen` points to their nearest neighbours."""
    out = np.empty(len(chosen))
    for start in range(0, len(chosen), CHUNK):
        distance, _ = tree.query(tree.data[chosen[start : start + CHUNK]], NEAR + 1, workers=threads)
        out[start : start + CHUNK] = distance[:, 1:].mean(1)
    return out


def _spread(groups: Float) -> Float:
    """(g,) share of the least of the three principal variances of each group of points (g, k, 3)."""
    centred = groups - groups.mean(1, keepdims=True)
    centred /= np.maximum(np.abs(centred).max((1, 2), keepdims=True), np.finfo(float).tiny)
    variance = np.linalg.eigvalsh(centred.transpose(0, 2, 1) @ centred)
    return variance[:, 0] / variance.sum(1)

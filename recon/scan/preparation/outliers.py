"""Outliers, points that are not part of a surface: flying pixels, reflections, dust, stray returns.

Two marks together make an outlier: it is much farther from its neighbours than they are from theirs, and
they fill space rather than lie on a sheet. Sparse parts of a scan have the first mark alone, points of a
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

CHUNK_POINTS = 1 << 17
DENSITY_NEIGHBOURS, SPACING_NEIGHBOURS, SHEET_NEIGHBOURS = 48, 8, 16
DENSITY_QUANTILE = 0.2  # of the spacings around, which a point's own is compared with
MIN_ISOLATION = 3.5  # a point's spacing over that quantile: an outlier's first mark
MIN_THICKNESS = 0.04  # share of the least of the neighbours' principal variances: the second; 1/3 is a ball
MAX_PASSES = 20
LINK_SPACINGS = 3.0  # the smaller of two points' spacings times this links them to one part
MIN_PART_POINTS = 20  # smaller parts are left out
MAX_OUTLIER_PART = 0.3  # of all points: a smaller part that is isolated and thick as a whole is left out


def outliers(points: Float, threads: int = 1) -> NDArray[np.bool_]:
    """(n,) whether each of `points` (n, 3), finite and distinct, in any unit, is an outlier."""
    remaining = np.arange(len(points))
    if len(points) <= DENSITY_NEIGHBOURS:
        return np.zeros(len(points), bool)
    spacing = _spacing(cKDTree(points), remaining, threads)
    suspects = remaining
    for _ in range(MAX_PASSES):
        stray = _stray(points[remaining], spacing, suspects, threads)
        remaining, spacing = remaining[~stray], spacing[~stray]
        if not stray.any() or len(remaining) <= DENSITY_NEIGHBOURS:
            break
        # Outliers among outliers are told when those around them are gone.
        suspects = np.flatnonzero(spacing > MIN_ISOLATION * np.median(spacing))
        spacing[suspects] = _spacing(cKDTree(points[remaining]), suspects, threads)
    if len(remaining) > DENSITY_NEIGHBOURS:
        remaining = remaining[~_loose_parts(points[remaining], spacing, threads)]
    out = np.ones(len(points), bool)
    out[remaining] = False
    return out


def _stray(points: Float, spacing: Float, suspects: Int, threads: int) -> NDArray[np.bool_]:
    """(n,) whether each of the `suspects` is far from its neighbours, which fill space; False for others."""
    tree = cKDTree(points)
    stray = np.zeros(len(points), bool)
    for start in range(0, len(suspects), CHUNK_POINTS):
        part = suspects[start : start + CHUNK_POINTS]
        _, near = tree.query(points[part], DENSITY_NEIGHBOURS + 1, workers=threads)
        around = np.quantile(spacing[near[:, 1:]], DENSITY_QUANTILE, axis=1)
        lonely = np.flatnonzero(spacing[part] > MIN_ISOLATION * around)
        stray[part[lonely]] = _spread(points[near[lonely, : SHEET_NEIGHBOURS + 1]]) > MIN_THICKNESS
    return stray


def _loose_parts(points: Float, spacing: Float, threads: int) -> NDArray[np.bool_]:
    """Whether each point belongs to a tiny part or a cloud of outliers, separate from the rest."""
    tree = cKDTree(points)
    number, part = _parts(tree, spacing, threads)
    size = np.bincount(part, minlength=number)
    loose = size < min(MIN_PART_POINTS, size.max())
    largest = np.median(spacing[part == size.argmax()])
    for small in np.flatnonzero((size < MAX_OUTLIER_PART * len(points)) & ~loose):
        members = np.flatnonzero(part == small)
        if np.median(spacing[members]) > MIN_ISOLATION * largest:
            _, near = tree.query(points[members], SHEET_NEIGHBOURS + 1, workers=threads)
            loose[small] = np.median(_spread(points[near])) > MIN_THICKNESS
    return loose[part]


def _parts(tree: cKDTree, spacing: Float, threads: int) -> tuple[int, NDArray[np.int32]]:
    points, links = tree.data, []
    for start in range(0, len(points), CHUNK_POINTS):
        distance, near = tree.query(
            points[start : start + CHUNK_POINTS], SHEET_NEIGHBOURS + 1, workers=threads
        )
        index = np.arange(start, start + len(near))[:, None]
        linked = distance <= LINK_SPACINGS * np.minimum(spacing[index], spacing[near])
        links.append(np.stack([np.broadcast_to(index, near.shape)[linked], near[linked]]).astype(np.int32))
    ends = np.concatenate(links, axis=1)
    graph = coo_array((np.ones(ends.shape[1], bool), (ends[0], ends[1])), shape=(len(points), len(points)))
    return connected_components(graph, directed=False)


def _spacing(tree: cKDTree, chosen: Int, threads: int) -> Float:
    """(m,) mean distance of the `chosen` points to their nearest neighbours."""
    out = np.empty(len(chosen))
    for start in range(0, len(chosen), CHUNK_POINTS):
        distance, _ = tree.query(
            tree.data[chosen[start : start + CHUNK_POINTS]], SPACING_NEIGHBOURS + 1, workers=threads
        )
        out[start : start + CHUNK_POINTS] = distance[:, 1:].mean(1)
    return out


def _spread(groups: Float) -> Float:
    """(g,) share of the smallest of the three principal variances of each group of points (g, k, 3)."""
    centred = groups - groups.mean(1, keepdims=True)
    centred /= np.maximum(np.abs(centred).max((1, 2), keepdims=True), np.finfo(float).tiny)
    variance = np.linalg.eigvalsh(centred.transpose(0, 2, 1) @ centred)
    return variance[:, 0] / variance.sum(1)

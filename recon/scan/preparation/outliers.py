"""Outliers, points that are not part of a surface: flying pixels, reflections, dust, stray returns.

Two marks together make an outlier: it is much farther from its neighbours than they are from theirs, and
they fill space rather than lie on a sheet. Sparse parts of a scan have the first mark alone, points of a
noisy or thin one the second alone. A density relative to that of the neighbours is the idea of Breunig,
Kriegel, Ng, Sander (2000), "LOF: identifying density-based local outliers", doi:10.1145/335191.335388.

Few points have a much smaller spacing anywhere near, and only these are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from recon.geometry import Float, Int
from recon.scan.preparation.chunks import over_chunks

CHUNK_POINTS = 1 << 14
DENSITY_NEIGHBOURS, SPACING_NEIGHBOURS, SHEET_NEIGHBOURS = 48, 8, 16
DENSITY_QUANTILE = 0.2  # of the spacings around, which a point's own is compared with
MIN_ISOLATION = 3.5  # a point's spacing over that quantile: an outlier's first mark
MIN_THICKNESS = 0.04  # share of the least of the neighbours' principal variances: the second; 1/3 is a ball
REACH_STEPS = 3  # among a point's neighbours: they lead past all of its `DENSITY_NEIGHBOURS`
MAX_PASSES = 20
LINK_SPACINGS = 3.0  # the smaller of two points' spacings times this links them to one part
MIN_PART_POINTS = 20  # smaller parts are left out
MAX_OUTLIER_PART = 0.3  # of all points: a smaller part that is isolated and thick as a whole is left out


def outliers(points: Float, threads: int = 1) -> NDArray[np.bool_]:
    """(n,) whether each of `points` (n, 3), finite and distinct, in any unit, is an outlier."""
    out = np.zeros(len(points), bool)
    if len(points) <= DENSITY_NEIGHBOURS:
        return out
    remaining = np.arange(len(points))
    tree = cKDTree(points / max(float(np.abs(points).max()), np.finfo(float).tiny))
    around = _Neighbours.of(tree, remaining, threads)
    suspects = np.flatnonzero(around.spacing > MIN_ISOLATION * around.least_spacing())
    for _ in range(MAX_PASSES):
        kept = ~_stray(tree, around.spacing, suspects, threads)
        remaining = remaining[kept]
        if kept.all() or len(remaining) <= DENSITY_NEIGHBOURS:
            break
        # Outliers among outliers are told when those around them are gone.
        tree = cKDTree(tree.data[kept])
        around = around.of_those(kept, tree, threads)
        suspects = np.flatnonzero(around.spacing > MIN_ISOLATION * np.median(around.spacing))
    if len(remaining) > DENSITY_NEIGHBOURS:
        remaining = remaining[~_loose_parts(tree.data, around)]
    out[:] = True
    out[remaining] = False
    return out


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """The nearest points of each.

    Attributes:
        near: (n, `SHEET_NEIGHBOURS`) int32, the nearest first, without the point itself.
        distance: (n, `SHEET_NEIGHBOURS`) float32, to them.
        spacing: (n,) the mean distance to the first `SPACING_NEIGHBOURS`.
    """

    near: NDArray[np.int32]
    distance: NDArray[np.float32]
    spacing: Float

    @classmethod
    def of(cls, tree: cKDTree, chosen: Int, threads: int) -> _Neighbours:
        """Of the points `chosen` (m,) of `tree`."""
        near = np.empty((len(chosen), SHEET_NEIGHBOURS), np.int32)
        distance, spacing = np.empty(near.shape, np.float32), np.empty(len(chosen))

        def search(part: slice) -> None:
            found, index = tree.query(tree.data[chosen[part]], SHEET_NEIGHBOURS + 1)
            distance[part], near[part] = found[:, 1:], index[:, 1:]
            spacing[part] = found[:, 1 : SPACING_NEIGHBOURS + 1].mean(1)

        for _ in over_chunks(search, len(chosen), CHUNK_POINTS, threads):
            pass
        return cls(near, distance, spacing)

    def least_spacing(self) -> Float:
        """(n,) the least among the points that `REACH_STEPS` steps from one to its neighbours lead to."""
        least = self.spacing
        for _ in range(REACH_STEPS):
            least = least[self.near].min(1)
        return least

    def of_those(self, kept: NDArray[np.bool_], tree: cKDTree, threads: int) -> _Neighbours:
        """Of the points `kept` (n,) alone, which `tree` holds."""
        number = np.cumsum(kept, dtype=np.int32) - 1
        near, distance, spacing = self.near[kept], self.distance[kept], self.spacing[kept]
        lost = np.flatnonzero(~kept[near].all(1))
        near = number[near]
        anew = _Neighbours.of(tree, lost, threads)
        near[lost], distance[lost], spacing[lost] = anew.near, anew.distance, anew.spacing
        return _Neighbours(near, distance, spacing)


def _stray(tree: cKDTree, spacing: Float, suspects: Int, threads: int) -> NDArray[np.bool_]:
    """(n,) whether each of the `suspects` is far from its neighbours, which fill space; False for others."""
    points, stray = tree.data, np.zeros(tree.n, bool)
    for start in range(0, len(suspects), CHUNK_POINTS):
        part = suspects[start : start + CHUNK_POINTS]
        _, near = tree.query(points[part], DENSITY_NEIGHBOURS + 1, workers=threads)
        around = np.quantile(spacing[near[:, 1:]], DENSITY_QUANTILE, axis=1)
        lonely = np.flatnonzero(spacing[part] > MIN_ISOLATION * around)
        stray[part[lonely]] = _spread(points[near[lonely, : SHEET_NEIGHBOURS + 1]]) > MIN_THICKNESS
    return stray


def _loose_parts(points: Float, around: _Neighbours) -> NDArray[np.bool_]:
    """Whether each point belongs to a tiny part or a cloud of outliers, separate from the rest."""
    number, part = _parts(around)
    size = np.bincount(part, minlength=number)
    loose = size < min(MIN_PART_POINTS, size.max())
    members = np.split(np.argsort(part, kind="stable"), np.cumsum(size)[:-1])
    largest = np.median(around.spacing[members[size.argmax()]])
    for small in np.flatnonzero((size < MAX_OUTLIER_PART * len(points)) & ~loose):
        some = members[small]
        if np.median(around.spacing[some]) > MIN_ISOLATION * largest:
            sheets = np.concatenate([some[:, None], around.near[some]], axis=1)
            loose[small] = np.median(_spread(points[sheets])) > MIN_THICKNESS
    return loose[part]


def _parts(around: _Neighbours) -> tuple[int, NDArray[np.int32]]:
    """The number of connected parts, and that of each point (n,)."""
    count = len(around.near)
    linked = np.empty(around.near.shape, bool)
    for start in range(0, count, CHUNK_POINTS):
        part = slice(start, start + CHUNK_POINTS)
        smaller = np.minimum(around.spacing[part, None], around.spacing[around.near[part]])
        linked[part] = around.distance[part] <= LINK_SPACINGS * smaller
    first = np.append(0, np.cumsum(np.count_nonzero(linked, axis=1)))
    ends = around.near[linked]
    graph = csr_array((np.ones(len(ends), bool), ends, first), shape=(count, count))
    return connected_components(graph, directed=False)


def _spread(groups: Float) -> Float:
    """(g,) share of the smallest of the three principal variances of each group of points (g, k, 3)."""
    centred = groups - groups.mean(1, keepdims=True)
    centred /= np.maximum(np.abs(centred).max((1, 2), keepdims=True), np.finfo(float).tiny)
    variance = np.linalg.eigvalsh(centred.transpose(0, 2, 1) @ centred)
    return variance[:, 0] / variance.sum(1)

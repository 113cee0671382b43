"""Thins clouds of more points than a surface needs, evenly spaced."""

from __future__ import annotations

import numpy as np

from recon.geometry import Float, Int, PointCloud

MIN_FILL = 0.8  # of the maximum number of points
MIN_CELL = 1e-12  # of the longest extent: no finer grid is tried


def thinned(cloud: PointCloud, max_points: int) -> PointCloud:
    """`cloud`, finite, with at most `max_points`: in each cell of a grid the one nearest to its centre."""
    if len(cloud) <= max_points:
        return cloud
    points = cloud.points - cloud.points.min(0)
    extent = float(points.max())
    cell = extent / np.sqrt(max_points)
    low, high = 0.0, np.inf
    while True:
        cells = _cells(points, cell)
        count = 1 + np.count_nonzero(np.diff(np.sort(cells)))
        if count <= max_points and (count >= MIN_FILL * max_points or cell < MIN_CELL * extent):
            break
        low, high = (cell, high) if count > max_points else (low, cell)
        if high < np.inf and high - low < 1e-3 * high:  # no size gives a number in between
            if count <= max_points:
                break
            cell = high
            continue
        guess = cell * np.sqrt(count / (0.9 * max_points))  # points of a surface
        cell = guess if low < guess < high else (low + min(high, 2 * low + cell)) / 2
    return cloud.select(first_in_cells(points, cell))


def first_in_cells(points: Float, cell: float) -> Int:
    """Of `points` (n, 3), none negative, the nearest to the centre in each cell of a grid: (m,), rising."""
    cells, middle = _cells(points, cell), (np.floor(points / cell) + 0.5) * cell
    order = np.lexsort((((points - middle) ** 2).sum(1), cells))
    return np.sort(order[np.append(True, np.diff(cells[order]) != 0)])


def _cells(points: Float, cell: float) -> Int:
    """(n,) the number of the cell of each of `points` (n, 3), none negative."""
    index = np.floor(points / cell).astype(np.int64)
    size = index.max(0) + 1
    return (index[:, 0] * size[1] + index[:, 1]) * size[2] + index[:, 2]

"""Polygons cut into triangles, which share the first corner."""

import numpy as np
from numpy.typing import NDArray

from recon.geometry import Int


def fans(corners: NDArray) -> Int:
    """The triangles (m, 3) of polygons of one length, `corners` (n, k), one polygon after the other."""
    corners = corners.astype(np.int64)
    if corners.shape[1] == 3:
        return corners
    first, rest = corners[:, :1], corners[:, 1:]
    parts = [np.broadcast_to(first, rest[:, 1:].shape), rest[:, :-1], rest[:, 1:]]
    return np.stack(parts, axis=2).reshape(-1, 3)


def fans_of(lengths: Int, values: NDArray) -> NDArray:
    """The triangles (m, 3) of polygons with `lengths` (n,) corners, whose `values` follow each other."""
    counts = np.maximum(lengths - 2, 0)
    first = np.repeat(np.cumsum(lengths) - lengths, counts)
    second = first + 1 + counted(counts)
    return np.stack([values[first], values[second], values[second + 1]], axis=1)


def counted(counts: Int) -> Int:
    """0, 1, … up to each of `counts` (n,), not included, one after the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)

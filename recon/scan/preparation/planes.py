"""Planes through groups of neighbours: the direction of least variance, from moments and in closed form."""

from __future__ import annotations

import numpy as np

from recon.geometry import Float

MIN_GAP = 1e-3  # between the two smaller variances, over the largest: below it iterations are needed


def least_axes(moments: Float) -> tuple[Float, Float, Float]:
    """The two smaller eigenvalues of symmetric matrices, and unit eigenvectors of the smallest.

    Args:
        moments: (6, m) xx, yy, zz, xy, xz, yz of positive semidefinite matrices, of about unit size.

    Returns:
        (m,) the smallest, (m,) the middle eigenvalue, and (3, m) the eigenvectors.

    The eigenvalues are Cardano's in trigonometric form; the eigenvector is the largest of the cross products
    of two rows of the matrix less the eigenvalue. That fails where the two smaller ones are equal.
    """
    xx, yy, zz, xy, xz, yz = moments
    mean = (xx + yy + zz) / 3
    a, b, c = xx - mean, yy - mean, zz - mean
    size = np.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6)
    determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
    turn = np.arccos((determinant / np.maximum(2 * size**3, np.finfo(float).tiny)).clip(-1, 1)) / 3
    low, high = mean + 2 * size * np.cos(turn + 2 * np.pi / 3), mean + 2 * size * np.cos(turn)
    middle = 3 * mean - low - high
    a, b, c = xx - low, yy - low, zz - low
    crossed = np.stack(
        [
            np.stack([xy * yz - xz * b, xz * xy - a * yz, a * b - xy * xy]),
            np.stack([xy * c - xz * yz, xz * xz - a * c, a * yz - xy * xz]),
            np.stack([b * c - yz * yz, yz * xz - xy * c, xy * yz - b * xz]),
        ]
    )
    square = (crossed * crossed).sum(1)
    best = square.argmax(0)
    every = np.arange(len(best))
    axes = crossed[best, :, every].T / np.sqrt(np.maximum(square[best, every], np.finfo(float).tiny))
    unsure = np.flatnonzero(middle - low <= MIN_GAP * high)
    if len(unsure):
        low[unsure], middle[unsure], axes[:, unsure] = least_axes_plain(moments[:, unsure])
    return low, middle, axes


def least_axes_plain(moments: Float) -> tuple[Float, Float, Float]:
    """The same by iterations."""
    values, vectors = np.linalg.eigh(moments[[[0, 3, 4], [3, 1, 5], [4, 5, 2]]].transpose(2, 0, 1))
    return values[:, 0], values[:, 1], vectors[:, :, 0].T

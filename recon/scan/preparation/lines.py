"""Scan lines: points far denser along them than across, as profilers and spinning scanners measure.

The nearest neighbours of a point are then those of its own line, whose plane is not the surface's, and the
spacing that all scales follow is that along the line. So lines are thinned until their points are about as
far apart as the lines are, place by place; what lies between two lines they do not tell anyway.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.geometry import Float
from recon.scan.preparation.thinning import first_in_cells

SAMPLE_POINTS = 5_000
LINE_NEIGHBOURS = (12, 24, 48)  # few are of one line only, many show it in spite of noise
MAX_LINE_WIDTH = 0.25  # of the neighbours' spread across, over that along: beyond, they are on a surface
MIN_LINE_SHARE = 0.3  # of the points: with fewer on lines, all are kept
ACROSS_NEIGHBOURS = (64, 256)  # among which the next line is looked for; what is further apart are wires
MIN_SINE = 0.5  # of the angle to the line, from which on a neighbour is on another
CELL_SHARE = 0.5  # of the distance to the next line
SMOOTHING_NEIGHBOURS = 8

log = logging.getLogger("recon")


def on_lines(points: Float, threads: int = 1) -> NDArray[np.int64] | None:
    """Which of `points` (n, 3) to keep (m,) so that they are no longer denser along lines; None for all."""
    points = points - points.mean(0)
    tree = cKDTree(points)
    some = np.unique(np.linspace(0, len(points) - 1, min(len(points), SAMPLE_POINTS)).astype(np.int64))
    line, direction, reach = _lines(points, tree, some, threads)
    if line.mean() < MIN_LINE_SHARE:
        return None
    apart = np.full(len(some), np.nan)
    apart[line] = _distance_across(points, tree, some[line], direction[line], reach[line], threads)
    known = np.isfinite(apart)
    if known.mean() < MIN_LINE_SHARE:
        return None  # wires: there is no next line
    samples = cKDTree(points[some[known]])
    near = samples.query(points[some[known]], min(SMOOTHING_NEIGHBOURS, int(known.sum())), workers=threads)[1]
    cell = CELL_SHARE * np.median(apart[known][near], axis=1)[samples.query(points, workers=threads)[1]]
    straight = line[cKDTree(points[some]).query(points, workers=threads)[1]]
    level = np.where(straight, np.floor(np.log2(cell / cell.min())), -1.0)
    kept = [np.flatnonzero(level == -1.0)]
    for size in np.unique(level[straight]):
        here = np.flatnonzero(level == size)
        kept.append(here[first_in_cells(points[here] - points.min(0), cell.min() * 2.0**size)])
    log.info(
        "the points lie on lines, about %.3g apart: %s of %s are kept, about as far apart along them",
        float(np.median(apart[known])),
        f"{sum(map(len, kept)):,}",
        f"{len(points):,}",
    )
    return np.sort(np.concatenate(kept))


def _lines(
    points: Float, tree: cKDTree, some: NDArray[np.int64], threads: int
) -> tuple[NDArray[np.bool_], Float, Float]:
    """Whether the neighbours of `some` points (s,) form a line, its direction (s, 3), and their reach (s,).

    They are as many as form the narrowest line.
    """
    most = min(LINE_NEIGHBOURS[-1] + 1, len(points))
    distance, near = tree.query(points[some], most, workers=threads)
    found = []
    for count in LINE_NEIGHBOURS:
        around = points[near[:, : count + 1]]
        around = around - around.mean(1, keepdims=True)
        around /= np.maximum(np.abs(around).max((1, 2), keepdims=True), np.finfo(float).tiny)
        spread, axes = np.linalg.eigh(around.transpose(0, 2, 1) @ around)
        width = spread[:, 1] / np.maximum(spread[:, 2], np.finfo(float).tiny)
        found.append((width, axes[:, :, 2], distance[:, min(count, most - 1)]))
    widths, directions, reaches = map(np.stack, zip(*found, strict=True))
    best, row = widths.argmin(0), np.arange(len(some))
    return widths[best, row] < MAX_LINE_WIDTH**2, directions[best, row], reaches[best, row]


def _distance_across(
    points: Float, tree: cKDTree, some: NDArray[np.int64], direction: Float, reach: Float, threads: int
) -> Float:
    """The distance (s,) from `some` points to the nearest beyond `reach` that is not along their lines.

    NaN if none is.
    """
    found = np.full(len(some), np.nan)
    for count in ACROSS_NEIGHBOURS:
        left = np.flatnonzero(np.isnan(found))
        count = min(count, len(points) - 1)
        distance, near = tree.query(points[some[left]], count + 1, workers=threads)
        along = np.einsum("sij,sj->si", points[near] - points[some[left], None], direction[left])
        aside = np.sqrt(np.maximum(distance**2 - along**2, 0)) > MIN_SINE * distance
        aside &= distance > reach[left, None]  # nearer, it is noise
        there = aside.any(1)
        found[left[there]] = distance[there, aside[there].argmax(1)]
    return found

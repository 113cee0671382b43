"""Colours and other scalars of the scan, carried to the vertices of its mesh.

A vertex takes a local fit to its nearest scan points, weighted by a kernel that falls to zero at the next
one further out: about one point spacing wide wherever the scan is dense or sparse, so edges of colour stay as
sharp as the scan has them, and no point enters or leaves with a jump. The fit is linear along the surface
(Cleveland 1979, "Robust locally weighted regression and smoothing scatterplots", doi:10.2307/2286407), which
takes out what a one-sided neighbourhood would add, and is held within the values of the points it is made of.

Points are near where both place and normal are: the next face of a sharp edge counts as 1.4 `NORMAL_WEIGHT`
spacings away, the back of a thin wall as two, and has next to no weight. Colours are averaged as stored, in
sRGB: equal steps of it look and are about equally noisy, and viewers interpolate between vertices so;
in linear light the bright side of an edge would grow, and one bright outlier would outweigh its neighbours.
Labels, as the class of a point, have no mean: a vertex has that of its nearest point.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.geometry import Float, Mesh, PointCloud
from recon.scan.preparation.spacing import point_spacing

NEIGHBOURS = 16
NORMAL_WEIGHT = 3.0  # point spacings that a unit of distance between normals counts for
MIN_WEIGHT = 1e-9  # of points that count only where no others do
RELATIVE_RIDGE = 1e-3  # of the neighbourhood's spread: flattens the fit in directions with less
MAX_LABELS = 32  # different whole numbers: more are measurements, unless the name says otherwise
LABEL_NAMES = re.compile(r"class|label|return|instance|segment|cluster|_id$|^id$|source", re.IGNORECASE)
CHUNK_VERTICES = 1 << 14


def with_attributes(mesh: Mesh, scan: PointCloud, threads: int = 1) -> Mesh:
    """Returns `mesh` with the colours and values of `scan`, both in the same frame.

    Constants are preserved exactly, and nothing leaves the range of the nearby points. Values that are not
    finite count as missing. If both have normals, these separate the sides of thin walls.
    """
    values = dict(scan.values)
    sound = [name for name, column in values.items() if np.isfinite(column).all()]
    table = [values[name][:, None] for name in sound] + ([] if scan.colors is None else [scan.colors])
    labels = [_are_labels(name, values[name]) for name in sound] + [False] * 3 * (scan.colors is not None)
    colors = mesh.colors
    if table:
        carried = _carried(mesh, scan, np.hstack(table), np.array(labels), threads)
        values |= dict(zip(sound, carried.T, strict=False))
        colors = colors if scan.colors is None else np.rint(carried[:, -3:])
    for name in values.keys() - set(sound):
        known = np.isfinite(values[name])
        some = values[name][known, None] if known.any() else np.full((1, 1), np.nan)
        label = np.array([_are_labels(name, values[name][known])])
        values[name] = _carried(mesh, scan.select(known if known.any() else [0]), some, label, threads)[:, 0]
    return replace(mesh, colors=colors, values={**mesh.values, **values})


def _are_labels(name: str, values: Float) -> bool:
    """Whether `values` (n,), finite, are kinds of things: whole numbers, few of them or so named."""
    whole = len(values) > 0 and bool((values == np.rint(values)).all())
    return whole and (LABEL_NAMES.search(name) is not None or len(np.unique(values)) <= MAX_LABELS)


def _carried(mesh: Mesh, scan: PointCloud, table: Float, labels: NDArray[np.bool_], threads: int) -> Float:
    """The columns of `table` (n, c), given at the points of `scan`, at the vertices of `mesh` (m, c).

    Those that are `labels` (c,) are the nearest point's.
    """
    origin, turn = scan.points[0], 0.0
    if scan.normals is not None and mesh.normals is not None and len(scan) > NEIGHBOURS:
        turn = NORMAL_WEIGHT * point_spacing(scan.points - origin, threads)

    def placed(points: Float, normals: Float | None) -> Float:
        points = points - origin
        return np.hstack([points, turn * normals]) if turn and normals is not None else points

    points = placed(scan.points, scan.normals)
    tree = cKDTree(points)
    count = min(NEIGHBOURS + 1, len(scan))
    out = np.empty((len(mesh.vertices), table.shape[1]))

    def carry(start: int) -> None:
        part = slice(start, start + CHUNK_VERTICES)
        normals = None if mesh.normals is None else mesh.normals[part]
        vertices = placed(mesh.vertices[part], normals)
        distance, near = tree.query(vertices, range(1, count + 1))
        around = points[near]
        agreeing = np.einsum("nki,ni->nk", around[..., 3:], vertices[:, 3:]) / turn**2 if turn else 1.0
        measured = table[near]
        kernel = _kernel(distance) * (np.maximum(agreeing, 0) + MIN_WEIGHT)
        weight = _linear(kernel, vertices[:, :3], around[..., :3], normals)
        fitted = np.einsum("nk,nkc->nc", weight, measured)
        out[part] = np.where(labels, measured[:, 0], fitted.clip(measured.min(1), measured.max(1)))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(carry, range(0, len(out), CHUNK_VERTICES)))
    return out


def _kernel(distance: Float) -> Float:
    """Weights (n, k) of points at `distance` (n, k), sorted along each row."""
    radius = np.maximum(distance[:, -1:], np.finfo(float).tiny)
    return (1 - (distance / radius) ** 2) ** 2 + MIN_WEIGHT  # where all are as far, all count


def _linear(kernel: Float, vertices: Float, around: Float, normals: Float | None) -> Float:
    """Weights (n, k), with sum 1, of a linear fit to the points `around` each of `vertices` (n, 3).

    The points (n, k, 3) are weighted by `kernel` (n, k), and the fit is linear in the tangent plane of
    `normals` (n, 3), or in space.
    """
    weight = kernel / kernel.sum(1, keepdims=True)
    centre = np.einsum("nk,nki->ni", weight, around)
    offset, shift = around - centre[:, None], vertices - centre
    if normals is not None:
        offset = offset - np.einsum("nki,ni->nk", offset, normals)[..., None] * normals[:, None]
        shift = shift - (shift * normals).sum(1, keepdims=True) * normals
    spread = np.einsum("nki,nkj->nij", weight[..., None] * offset, offset)
    ridge = RELATIVE_RIDGE * np.trace(spread, axis1=1, axis2=2) + np.finfo(float).tiny
    slope = np.linalg.solve(spread + ridge[:, None, None] * np.eye(3), shift[..., None])[..., 0]
    beyond = (slope * shift).sum(1)  # squared, in the neighbourhood's own spread: above 1 it is extrapolation
    slope = slope / np.sqrt(np.maximum(beyond, 1))[:, None]
    return weight * (1 + np.einsum("nki,ni->nk", offset, slope))

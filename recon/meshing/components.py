"""From the extracted surface to the finished one: which of its parts stay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.geometry import Float, Mesh
from recon.meshing.topology import connected_parts

AREA_CHUNK_FACES, LABEL_CHUNK_FACES = 1 << 18, 1 << 21
MIN_PART_AREA = 2e-3  # of the largest part's area
SUPPORT_SPACINGS = 4.0  # how near a scan point supports a vertex
MIN_SUPPORTED_SHARE = 0.25  # of a part's vertices: from it on, the part counts as scanned
SUPPORT_VERTICES = 1000  # of a part that are asked
MIN_SOLE_SHARE = 5e-3  # of the scan's points: a part that is alone near so many counts as scanned, too
SUPPORT_SAMPLE_POINTS = 20_000


def keep_parts(mesh: Mesh, parts: str, points: Float) -> tuple[Mesh, int]:
    """Keeps some of the connected parts of `mesh`.

    Args:
        mesh: the mesh.
        parts: "all"; "largest"; a number N, the N largest by area; or "auto": all but crumbs, parts below 0.2
            % of the largest one's area, and ghosts, parts that the scan does not support: few of their
            vertices are near points that have no other part nearer, and few points would be left without a
            surface.
        points: (n, 3) the scan, in the mesh's frame.

    Returns:
        The mesh, and the number of parts removed.
    """
    if parts == "all" or not len(mesh.faces):
        return mesh, 0
    label = part_of_vertices(mesh)
    count = int(label.max()) + 1
    if count == 1:
        return mesh, 0
    area = _areas(mesh, label)
    if parts == "auto":
        keep = area >= MIN_PART_AREA * area.max()
        if keep.sum() > 1:
            keep &= _supported(mesh, label, points)
            keep[area.argmax()] |= not keep.any()
    else:
        number = 1 if parts == "largest" else int(parts)
        keep = np.zeros(count, bool)
        keep[np.argsort(-area, kind="stable")[:number]] = True
    return mesh.select(keep[label]), int(count - keep.sum())


def without_crumbs(mesh: Mesh) -> Mesh:
    """`mesh` without parts below 0.2 % of the area of the largest."""
    label = part_of_vertices(mesh)
    area = _areas(mesh, label)
    return mesh.select((area >= MIN_PART_AREA * area.max())[label])


def _areas(mesh: Mesh, label: NDArray[np.int64]) -> Float:
    """Twice the area of each part, given those of the vertices."""
    area = np.zeros(label.max() + 1)
    for start in range(0, len(mesh.faces), AREA_CHUNK_FACES):
        faces = mesh.faces[start : start + AREA_CHUNK_FACES]
        a, b, c = (mesh.vertices[faces[:, k]] for k in range(3))
        area += np.bincount(label[faces[:, 0]], np.linalg.norm(np.cross(b - a, c - a), axis=1), len(area))
    return area


def part_of_vertices(mesh: Mesh) -> NDArray[np.int64]:
    """(n,) the connected part of each vertex, from 0: chunk by chunk, parts that a face joins become one."""
    label = np.arange(len(mesh.vertices), dtype=np.int32 if len(mesh.vertices) < 2**31 else np.int64)
    number = np.zeros_like(label)
    for start in range(0, len(mesh.faces), LABEL_CHUNK_FACES):
        faces = label[mesh.faces[start : start + LABEL_CHUNK_FACES]]
        seen = np.zeros(len(label), bool)
        seen[faces.ravel()] = True
        old = np.flatnonzero(seen)
        number[old] = np.arange(len(old))
        a, b, c = number[faces].T
        ends = np.concatenate([a, b]), np.concatenate([b, c])
        count, part = connected_parts(len(old), *ends)
        first = np.empty(count, label.dtype)
        first[part[::-1]] = old[::-1]
        new = np.arange(len(label), dtype=label.dtype)
        new[old] = first[part]
        label = new[label]
    return np.unique(label, return_inverse=True)[1]


def supported(
    mesh: Mesh, label: NDArray, points: Float, spacing: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Some vertices (k,) of each part of `mesh`, and which of them (k,) points support.

    A vertex is supported if the point nearest to it is within `SUPPORT_SPACINGS` and no other part is nearer
    to it: a ghost that lies along the surface is near points, but they are the surface's.

    Args:
        mesh: the mesh.
        label: (n,) the part of each vertex.
        points: (m, 3) the scan, in the mesh's frame.
        spacing: of the scan.
    """
    order, count = np.argsort(label, kind="stable"), np.bincount(label)
    rank = np.arange(len(label)) - np.repeat(np.cumsum(count) - count, count)
    every = -(-count // SUPPORT_VERTICES)
    some = order[rank % every[label[order]] == 0]
    reach = SUPPORT_SPACINGS * spacing
    distance, nearest = cKDTree(points).query(mesh.vertices[some], distance_upper_bound=reach)
    near = np.isfinite(distance)
    asked, number = np.unique(nearest[near], return_inverse=True)
    whose = label[cKDTree(mesh.vertices).query(points[asked])[1]] if len(asked) else asked
    near[near] = whose[number] == label[some[near]]
    return some, near


def _supported(mesh: Mesh, label: NDArray, points: Float) -> NDArray[np.bool_]:
    sample = points[:: max(1, len(points) // 10_000)]
    spacing = float(np.median(cKDTree(points).query(sample, 2)[0][:, 1]))
    some, near = supported(mesh, label, points, spacing)
    size = np.bincount(label)
    out = np.bincount(label[some], near, len(size)) >= MIN_SUPPORTED_SHARE * np.bincount(label[some])
    probes = points[:: max(1, len(points) // SUPPORT_SAMPLE_POINTS)]
    unsupported = probes[_far(probes, mesh.vertices[out[label]], SUPPORT_SPACINGS * spacing)]
    for part in sorted(np.flatnonzero(~out).tolist(), key=lambda part: -size[part]):
        far = _far(unsupported, mesh.vertices[label == part], SUPPORT_SPACINGS * spacing)
        if np.count_nonzero(~far) >= MIN_SOLE_SHARE * len(probes):
            out[part], unsupported = True, unsupported[far]
    return out


def _far(points: Float, vertices: Float, distance: float) -> NDArray[np.bool_]:
    """(n,) the points without a vertex within `distance`."""
    if not len(vertices) or not len(points):
        return np.ones(len(points), bool)
    return ~np.isfinite(cKDTree(vertices).query(points, distance_upper_bound=distance)[0])

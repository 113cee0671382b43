"""Normals: the file's, or estimated and turned outward."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

from recon.config import ScanConfig
from recon.errors import ScanError
from recon.geometry import Float, PointCloud

NEIGHBOURS = 12

log = logging.getLogger("recon")


def oriented(cloud: PointCloud, config: ScanConfig, threads: int = 1) -> PointCloud:
    """`cloud` with normals: its own, or estimated ones where it has none or `config` wants so.
    Raises ScanError where only the file's are wanted and there are none."""
    if cloud.normals is not None and config.normals != "estimate":
        return cloud
    if config.normals == "file":
        raise ScanError(f"{cloud.source} has no normals: estimate them with --normals estimate")
    log.info("estimating the normals of %d points", len(cloud))
    normals = estimate_normals(cloud.points, config.sensor, threads)
    return replace(cloud, normals=normals)


def estimate_normals(
    points: Float, sensor: tuple[float, float, float] | None = None, threads: int = 1
) -> Float:
    """Unit normals (n, 3) of a cloud (n, 3): the direction of least spread among the neighbours,
    turned towards `sensor` (same frame) or, without one, consistently along the minimum spanning tree
    of neighbours with the most parallel planes, starting outward at the top of each part (Hoppe et al.
    1992, "Surface reconstruction from unorganized points", doi:10.1145/133994.134011)."""
    centred = points - points.mean(0)
    _, neighbours = cKDTree(centred).query(centred, NEIGHBOURS + 1, workers=threads)
    normals = np.empty_like(centred)
    for start in range(0, len(points), 100_000):
        patch = centred[neighbours[start : start + 100_000]]
        patch = patch - patch.mean(1, keepdims=True)
        normals[start : start + 100_000] = np.linalg.eigh(patch.transpose(0, 2, 1) @ patch)[1][:, :, 0]
    if sensor is not None:
        towards = np.asarray(sensor, np.float64) - points
        return normals * np.where((normals * towards).sum(1) < 0, -1.0, 1.0)[:, None]
    return normals * _consistent_signs(centred, normals, neighbours[:, 1:])[:, None]


def _consistent_signs(points: Float, normals: Float, neighbours: NDArray[np.int64]) -> Float:
    n, k = neighbours.shape
    rows, columns = np.repeat(np.arange(n), k), neighbours.reshape(-1)
    cost = 1.0 - np.abs((normals[rows] * normals[columns]).sum(1)) + 1e-6
    graph = coo_array((cost, (rows, columns)), shape=(n, n)).tocsr()
    tree = minimum_spanning_tree(graph.maximum(graph.T))
    _, label = connected_components(tree, directed=False)
    signs = np.zeros(n)
    top = np.lexsort((points[:, 2], label))
    for root in top[np.append(np.flatnonzero(np.diff(label[top])), n - 1)]:  # the highest of each part
        order, parent = breadth_first_order(tree, root, directed=False)
        signs[root] = 1.0 if normals[root, 2] >= 0 else -1.0
        agree = np.sign((normals[order[1:]] * normals[parent[order[1:]]]).sum(1))
        for child, ancestor, same in zip(order[1:], parent[order[1:]], agree, strict=True):
            signs[child] = signs[ancestor] * (same or 1.0)
    return signs

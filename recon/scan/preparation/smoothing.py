"""Smooths a noisy scan: moves its points onto the surface that they scatter around.

Each point moves along the mean normal of its neighbours to the quadric that fits them best, by the weight of
those whose normals agree with its own: not the ones across a sharp edge or a thin wall (bilateral weights:
Tomasi, Manduchi 1998, doi:10.1109/ICCV.1998.710815; local fits: Alexa et al. 2003,
doi:10.1109/TVCG.2003.1175093).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float, PointCloud
from recon.scan.preparation.chunks import over_chunks

NEIGHBOURS = 120
NORMAL_FALLOFF = 0.3  # 1 - cosine between two normals at which a neighbour's weight falls to 1/e
ITERATIONS = 2  # of averaging the normals, and of the reweighted fit
CAUCHY_SCALE = 3.0  # in mean residuals: where a neighbour's weight falls to a half
MIN_NOISE_TO_SPACING = 0.25  # less noisy scans are not smoothed
NORMAL_CANDIDATES = 4  # nearest smoothed points that a point may take its normal from
MAX_POINTS = 200_000  # larger scans are sampled
CHUNK_POINTS = 1 << 10


def smoothed(cloud: PointCloud, noise: float, spacing: float, seed: int = 0, threads: int = 1) -> PointCloud:
    """`cloud`, or, if it is noisy, at most `MAX_POINTS` of its points and normals, both smoothed.

    Args:
        cloud: oriented points, in any unit.
        noise: standard deviation of the points along their normals, in that unit.
        spacing: between neighbours, in that unit.
        seed: of the choice of points.
        threads: that share the work.
    """
    if noise < MIN_NOISE_TO_SPACING * spacing or len(cloud) <= NEIGHBOURS or cloud.normals is None:
        return cloud
    if len(cloud) > MAX_POINTS:
        chosen = np.random.default_rng((seed, 3)).choice(len(cloud), MAX_POINTS, replace=False)
        cloud = cloud.select(np.sort(chosen))
    assert cloud.normals is not None
    tree = cKDTree(cloud.points)
    around, facing = cloud.points, cloud.normals
    points, normals = np.empty_like(around), np.empty_like(facing)

    def smooth(part: slice) -> None:
        distance, near = tree.query(around[part], NEIGHBOURS + 1)
        radius = np.maximum(distance[:, -1:], np.finfo(float).tiny)
        relative = (around[near] - around[part, None]) / radius[..., None]
        closeness = 1 - (distance / radius) ** 2
        height, normals[part] = _on_quadric(relative, facing[near], facing[part], closeness)
        points[part] = around[part] + radius * height

    for _ in over_chunks(smooth, len(points), CHUNK_POINTS, threads):
        pass
    return PointCloud(points, normals)


def with_normals_of(clear: PointCloud, cloud: PointCloud, threads: int = 1) -> PointCloud:
    """`cloud` with the normals of the nearest points of `clear`, the same smoothed, on the same side."""
    assert clear.normals is not None and cloud.normals is not None
    _, near = cKDTree(clear.points).query(cloud.points, NORMAL_CANDIDATES, workers=threads)
    normals = cloud.normals.copy()
    for column in near.T[::-1]:
        other = clear.normals[column]
        same = (other * cloud.normals).sum(1) > 0
        normals[same] = other[same]
    return replace(cloud, normals=normals)


def _on_quadric(around: Float, normals: Float, reference: Float, closeness: Float) -> tuple[Float, Float]:
    """Projects g points onto quadrics through k neighbours; returns shifts (g, 3) and normals (g, 3).

    Args:
        around: (g, k, 3) the neighbours relative to the point.
        normals: (g, k, 3) of the neighbours.
        reference: (g, 3) normal of the point.
        closeness: (g, k) weights.
    """
    for _ in range(ITERATIONS):
        reference = (_agreeing(reference, normals, closeness)[..., None] * normals).sum(1)
        reference /= np.maximum(np.linalg.norm(reference, axis=1, keepdims=True), np.finfo(float).tiny)
    weight = _agreeing(reference, normals, closeness) + 1e-9
    side = np.cross(reference, np.eye(3)[np.abs(reference).argmin(1)])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(reference, side)
    x, y, z = ((around * axis[:, None]).sum(2) for axis in (side, up, reference))
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)
    for _ in range(ITERATIONS):
        weighted = weight[..., None] * terms
        small = 1e-6 * weight.sum(1)[:, None, None] * np.eye(terms.shape[2])
        fit = np.linalg.solve(
            terms.transpose(0, 2, 1) @ weighted + small, weighted.transpose(0, 2, 1) @ z[..., None]
        )
        off = np.abs(z - (terms @ fit)[..., 0])
        scale = CAUCHY_SCALE * (weight * off).sum(1, keepdims=True) / weight.sum(1, keepdims=True)
        weight = weight / (1 + (off / np.maximum(scale, np.finfo(float).tiny)) ** 2)
    normal = reference - fit[:, 1] * side - fit[:, 2] * up
    return fit[:, 0] * reference, normal / np.linalg.norm(normal, axis=1, keepdims=True)


def _agreeing(reference: Float, normals: Float, closeness: Float) -> Float:
    """The weights `closeness` (g, k), smaller where `normals` (g, k, 3) differ from `reference` (g, 3)."""
    return closeness * np.exp(-(((1 - (normals * reference[:, None]).sum(2)) / NORMAL_FALLOFF) ** 2))

"""Normals: the file's where they are sound, else estimated and turned outward.

lines   the direction of least spread among a point's neighbours, as many as fit a plane best
signs   consistent over each part of the surface (`recon.scan.preparation.orientation`, `touching`), or the
        file's own
sides   outward: towards the scanner where it is known, else as the shape itself says
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from recon.base.progress import ProgressCallback, no_progress, progress_within
from recon.errors import ScanError
from recon.geometry import Float, Int, PointCloud
from recon.scan.preparation.chunks import over_chunks
from recon.scan.preparation.normal_reliability import MAX_FLIPPED_SHARE, check_normals
from recon.scan.preparation.orientation import consistent_signs
from recon.scan.preparation.planes import least_axes
from recon.scan.preparation.sides import outside_votes
from recon.scan.preparation.touching import of_one_side
from recon.scan.settings import ScanConfig

PLANE_NEIGHBOURS = (8, 12, 18, 27, 40, 60)  # that a plane is fitted to: the scales to choose from
SCALE_NEIGHBOURS = 8  # that choose their scale together
SIGN_NEIGHBOURS = 20  # that a point's sign is compared with
CHUNK_POINTS = 1 << 12
MIN_SIDE_MAJORITY = 0.1  # above a half: with less, the file's normals do not decide on a side
DIRECTIONS_PROGRESS = 0.6  # share of the time of an estimate until the signs, for the bar


INWARD = "the normals point inward: flipping them (those of a room seen from inside stay with --normals file)"

log = logging.getLogger("recon")


def oriented(
    cloud: PointCloud, config: ScanConfig, threads: int = 1, progress: ProgressCallback = no_progress
) -> PointCloud:
    """Returns `cloud` with the outward normals that `config.normals` asks for.

    "file" takes the file's as they are, "estimate" estimates them, "none" drops them. "auto" takes the file's
    if they are reliable, repairs them if some or all are flipped, and estimates them if they do not fit the
    points. Those that are missing (zero) are estimated. `progress` is called with the share done.

    Raises:
        ScanError: "file" was asked for, and the file has no normals.
    """
    if config.normals == "none":
        return replace(cloud, normals=None)
    if config.normals == "file":
        if cloud.normals is None:
            raise ScanError(f"{cloud.source} has no normals: estimate them with --normals estimate")
        return completed(cloud, threads)
    if cloud.normals is None or config.normals == "estimate":
        return estimated(cloud, threads, progress)
    cloud = completed(cloud, threads)
    assert cloud.normals is not None
    check = check_normals(cloud, threads)
    if check.unfit:
        log.info("the normals do not fit the points (mean cosine %.2f): estimating them", check.agreement)
        return estimated(cloud, threads, progress)
    if check.mixed:
        normals = outward(cloud, cloud.normals, threads)
        turned = float(((normals * cloud.normals).sum(1) < 0).mean())
        if turned > MAX_FLIPPED_SHARE:
            log.info("%.1f %% of the normals are flipped: flipping them back", 100 * turned)
            return replace(cloud, normals=normals)
    if check.outward is False:
        log.warning(INWARD)
        return replace(cloud, normals=-cloud.normals)
    return cloud


def completed(cloud: PointCloud, threads: int = 1) -> PointCloud:
    """`cloud` with the normals that it lacks (zero): estimated, on the side of the others of their part."""
    assert cloud.normals is not None
    missing = ~cloud.normals.any(1)
    if not missing.any():
        return cloud
    lines, points = cloud.normals.copy(), cloud.points - cloud.points.mean(0)
    lines[missing] = estimate_lines(points, threads)[missing]
    near = _neighbours(points, threads)

    def as_given(signs: Float, part: Int) -> Float:
        with_given = np.bincount(part, np.where(missing, 0.0, signs))
        shape, _ = outside_votes(points, lines * signs[:, None], near, part)
        side = signs * _sign(np.where(with_given == 0, shape, with_given))[part]
        return np.where(missing, side, 1.0)[:, None] * lines

    return replace(cloud, normals=of_one_side(points, lines, near, as_given, threads))


def estimated(cloud: PointCloud, threads: int = 1, progress: ProgressCallback = no_progress) -> PointCloud:
    """`cloud` with estimated normals, outward as far as its points tell."""
    log.info("estimating the normals of %s points", f"{len(cloud):,}")
    lines = estimate_lines(cloud.points, threads, progress_within(progress, 0.0, DIRECTIONS_PROGRESS))
    progress(DIRECTIONS_PROGRESS, "sides of the normals")
    return replace(cloud, normals=outward(replace(cloud, normals=None), lines, threads))


def reestimated(cloud: PointCloud, threads: int = 1) -> PointCloud:
    """`cloud`, whose points have moved, with normals estimated again, on the side of its present ones."""
    return replace(cloud, normals=outward(cloud, estimate_lines(cloud.points, threads), threads))


def estimate_lines(points: Float, threads: int = 1, progress: ProgressCallback = no_progress) -> Float:
    """Estimates unit normals (n, 3) of `points` (n, 3), up to their signs.

    Each is the direction of least variance among the neighbours, as many as have the least spread for their
    width, on average around the point. Few follow the detail of a clean scan, many average out noise (Mitra,
    Nguyen 2003, "Estimating surface normals in noisy point cloud data", doi:10.1145/777792.777840).
    """
    points = points - points.mean(0)
    points /= max(float(np.abs(points).max()), np.finfo(float).tiny)
    tree = cKDTree(points)
    counts = np.unique(np.minimum(np.array(PLANE_NEIGHBOURS) + 1, len(points)))
    flatness = np.empty((len(points), len(counts)), np.float32)
    lines = np.empty((len(points), len(counts), 3), np.float32)
    close = np.empty((len(points), SCALE_NEIGHBOURS), np.int32)

    def fit(part: slice) -> slice:
        _, near = tree.query(points[part], counts[-1])
        close[part] = near[:, :SCALE_NEIGHBOURS]
        flatness[part], lines[part] = _planes(points[near] - points[part, None], counts)
        return part

    for done in over_chunks(fit, len(points), CHUNK_POINTS, threads):
        progress(done.stop / len(points), "normals")
    best = np.stack([column[close].mean(1) for column in flatness.T], axis=1).argmin(1)
    return lines[np.arange(len(points)), best].astype(np.float64)


def _planes(groups: Float, counts: Int) -> tuple[Float, Float]:
    """Planes through the first of each of `groups` of points (g, k, 3), as many as `counts` (s,), ascending.

    The points are relative to the first one. Returns the relative variance off the planes (g, s), and their
    normals (g, s, 3).
    """
    radius = np.maximum(np.linalg.norm(groups[:, -1], axis=1), np.finfo(float).tiny)
    axes = np.ascontiguousarray(groups.transpose(2, 0, 1)) / radius[:, None]
    starts = np.append(0, counts[:-1])
    summed = lambda values: np.add.reduceat(values, starts, axis=1).cumsum(1)  # noqa: E731
    sums = [summed(axis) for axis in axes]
    pairs = (0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)
    moments = [summed(axes[i] * axes[j]) - sums[i] * sums[j] / counts for i, j in pairs]
    low, middle, normals = least_axes(np.stack(moments).reshape(6, -1))
    unbiased = counts / (counts - 3)  # a plane through few points lies closer to them than the surface does
    flatness = np.maximum(low, 0.0) / np.maximum(middle, np.finfo(float).tiny)
    return flatness.reshape(-1, len(counts)) * unbiased, normals.T.reshape(-1, len(counts), 3)


def outward(cloud: PointCloud, lines: Float, threads: int) -> Float:
    """Orients `lines` (n, 3) at the points of `cloud` outward.

    Each turns towards its scanner if that is known. Otherwise all of a part of the surface turn to one side:
    that of most of the cloud's normals, or that its shape tells.
    """
    if cloud.sensors is not None:
        return lines * _sign(((cloud.sensors - cloud.points) * lines).sum(1))[:, None]
    points = cloud.points - cloud.points.mean(0)
    near = _neighbours(points, threads)

    def turned_out(signs: Float, part: Int) -> Float:
        out = lines * signs[:, None]
        votes, closed = outside_votes(points, out, near, part)
        if cloud.normals is not None:
            given_votes = np.bincount(part, (out * cloud.normals).sum(1) > 0) / np.bincount(part) - 0.5
            votes = np.where(closed | (np.abs(given_votes) < MIN_SIDE_MAJORITY), votes, given_votes)
        return out * _sign(votes)[part][:, None]

    if cloud.normals is None:
        return of_one_side(points, lines, near, turned_out, threads)
    return turned_out(*consistent_signs(points, lines, near, threads))


def _neighbours(points: Float, threads: int) -> NDArray[np.int32]:
    """(n, k) the `SIGN_NEIGHBOURS` nearest of each point, without itself, the nearest first."""
    tree = cKDTree(points)
    near = np.empty((len(points), min(SIGN_NEIGHBOURS, len(points) - 1)), np.int32)

    def search(part: slice) -> None:
        near[part] = tree.query(points[part], near.shape[1] + 1)[1][:, 1:]

    for _ in over_chunks(search, len(points), CHUNK_POINTS, threads):
        pass
    return near


def _sign(values: Float) -> Float:
    return np.where(values < 0, -1.0, 1.0)

"""Prepares a file's points for fitting: clean, not too many, without outliers, oriented."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from recon.base.progress import ProgressCallback, no_progress, progress_within
from recon.geometry import Float, PointCloud
from recon.scan.preparation.cleaning import clean
from recon.scan.preparation.context import Context
from recon.scan.preparation.depth_images import seen_from_origin, unrounded
from recon.scan.preparation.lines import on_lines
from recon.scan.preparation.normals import oriented
from recon.scan.preparation.outliers import outliers
from recon.scan.preparation.selection import selected
from recon.scan.preparation.spatial_order import spatial_order
from recon.scan.preparation.thinning import thinned
from recon.scan.settings import ScanConfig

OUTLIERS_PROGRESS, NORMALS_PROGRESS = 0.1, 0.4  # shares of the time at which these stages begin, for the bar

log = logging.getLogger("recon")


def prepared(
    cloud: PointCloud,
    config: ScanConfig,
    threads: int = 1,
    progress: ProgressCallback = no_progress,
    context: Context | None = None,
) -> tuple[PointCloud, bool]:
    """Prepares `cloud`, in the world frame, as `config` says. Changes are logged with their counts.

    Args:
        cloud: as read.
        config: the settings.
        threads: of the search for neighbours.
        progress: called with the share done, once the points are clean.
        context: of the scene, if `cloud` is a part of one.

    Returns:
        The cloud with unit, outward normals (none if `config.normals` is "none"), and whether they were
            estimated.

    Raises:
        ScanError: no surface can be fitted to the points, or none is of the classes and returns.
    """
    cloud, report = clean(selected(cloud, config))
    for line in report.lines():
        log.info("%s", line)
    cloud = cloud.select(spatial_order(cloud.points))
    cloud = _with_sensors(cloud, config, threads, None if context is None else context.depth_image)
    if (kept := on_lines(cloud.points, threads)) is not None:
        cloud = cloud.select(kept)
    if len(cloud) > config.most:
        before, cloud = len(cloud), thinned(cloud, config.most)
        log.info("%s of %s points are kept, evenly spaced", f"{len(cloud):,}", f"{before:,}")
    progress(OUTLIERS_PROGRESS, "outliers")
    if config.outliers == "auto":
        stray = outliers(cloud.points - cloud.points.mean(0), threads)
        if stray.any():
            share = f"{int(stray.sum()):,} points ({stray.mean():.2%})"
            log.info("%s are outliers: dropped (--set scan.outliers=off keeps them)", share)
            cloud, _ = clean(cloud.select(~stray))
    given = cloud.normals
    progress(NORMALS_PROGRESS, "normals")
    rest = progress_within(progress, NORMALS_PROGRESS, 1.0)
    if context is not None and config.normals != "none":
        cloud = context.oriented(cloud, threads, rest)
    else:
        cloud = oriented(cloud, config, threads, rest)
    return cloud, cloud.normals is not None and (given is None or not _from_file(given, cloud.normals))


def _from_file(given: Float, normals: Float) -> bool:
    """Whether most `normals` (n, 3) are those `given` (n, 3), up to signs, and all of these are kept."""
    there = given.any(1)
    return bool(there.mean() > 0.5 and (np.abs((given * normals).sum(1))[there] > 1 - 1e-6).all())


def _with_sensors(
    cloud: PointCloud, config: ScanConfig, threads: int, depth_image: bool | None
) -> PointCloud:
    """`cloud` with the scanner's position, if it is given or the points show it; depths no longer rounded.

    Of a part of a scene it is known whether it is a `depth_image`.
    """
    if config.sensor is not None:
        return replace(cloud, sensors=np.broadcast_to(np.asarray(config.sensor, float), cloud.points.shape))
    if cloud.sensors is not None:
        return cloud
    if not (seen_from_origin(cloud.points) if depth_image is None else depth_image):
        return cloud
    log.info("the points are a depth image taken from the origin, which is outside")
    points = unrounded(cloud.points, threads)
    if points is None:
        return replace(cloud, sensors=np.zeros_like(cloud.points))
    log.info("its depths are rounded: moving each to the plane of those around it")
    return replace(cloud, points=points, sensors=np.zeros_like(points))

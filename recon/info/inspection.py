"""Measures what `findings.py` reports of a scan or a mesh."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from recon.errors import MAX_THREADS, ScanError, UsageError, check_number
from recon.geometry import Float, Frame, Mesh, PointCloud
from recon.info.findings import MAX_POINTS, Info, Survey
from recon.meshing.topology import Measures, Topology, measures, topology
from recon.scan.files import read_any
from recon.scan.in_memory import content_of
from recon.scan.preparation.cleaning import MAX_COORDINATE, clean, first_of_each
from recon.scan.preparation.depth_images import seen_from_origin, unrounded
from recon.scan.preparation.dimension import fills_space
from recon.scan.preparation.inside import Surroundings
from recon.scan.preparation.noise import point_noise
from recon.scan.preparation.normal_reliability import NormalCheck, check_normals
from recon.scan.preparation.normals import completed, oriented
from recon.scan.preparation.outliers import outliers
from recon.scan.preparation.spacing import point_spacing
from recon.surface.settings import STANDARD

SPACING_SAMPLE_POINTS = 20_000
SURVEY_SAMPLE_POINTS = 30_000  # for outliers, noise and openings
MAX_VOLUME_COORDINATE = 1e90  # cubes of coordinates stay finite


def inspect(given: Any, *, threads: int = 1, columns: str | None = None) -> Info:
    """Reports what a scan or mesh holds and what is wrong with it.

    Args:
        given: the path of its file; or a cloud or mesh in memory, anything that
            `recon.scan.in_memory.as_cloud` takes.
        threads: to use.
        columns: of a text file, as `read_cloud` takes them.

    Raises:
        ReconError: as `read_cloud` and `as_cloud`; UsageError for columns of what is no file.
    """
    check_number("threads", threads, 1, MAX_THREADS, whole=True)
    path = Path(given) if isinstance(given, str | os.PathLike) else None
    if path is None and columns is not None:
        raise UsageError("columns are of text files, and this is in memory")
    content = content_of(given) if path is None else read_any(path, columns)
    points = content.vertices if isinstance(content, Mesh) else content.points
    finite = np.isfinite(points).all(1)
    shape, size = _topology_and_measures(content) if isinstance(content, Mesh) else (None, None)
    good = (
        np.ones(len(points), bool)
        if content.normals is None
        else np.isfinite(content.normals).all(1) & content.normals.any(1)
    )
    sound = points[finite]
    places = sound[first_of_each(sound)]
    sensors = content.sensors if isinstance(content, PointCloud) else None
    low, high = (sound.min(0), sound.max(0)) if len(sound) else (None, None)
    spacing = _spacing(places, threads)
    normals, survey = _survey(content, threads) if isinstance(content, PointCloud) else (None, None)
    return Info(
        path=getattr(content, "source", "the mesh") if path is None else str(path),
        format="in memory" if path is None else path.suffix[1:].lower(),
        points=len(points),
        faces=shape.faces if shape else 0,
        has_normals=content.normals is not None,
        has_colors=content.colors is not None,
        low=None if low is None else tuple(low.tolist()),
        high=None if high is None else tuple(high.tolist()),
        spacing=spacing,
        not_finite=int((~finite).sum()),
        duplicates=len(sound) - len(places),
        bad_normals=int((~good).sum()),
        sensors=0 if sensors is None else int(first_of_each(sensors).sum()),
        values=tuple(content.values),
        unit=content.unit,
        normals=normals,
        survey=survey,
        topology=shape,
        measures=size,
    )


def _topology_and_measures(mesh: Mesh) -> tuple[Topology, Measures | None]:
    """Topology and measures; `outward` and the measures are None if the volume would overflow."""
    if (np.abs(mesh.vertices) < MAX_VOLUME_COORDINATE).all():
        shape = topology(mesh)
        return shape, measures(mesh, shape)
    with np.errstate(all="ignore"):
        return replace(topology(mesh), outward=None), None


def _sample_indices(count: int) -> np.ndarray:
    """Indices of a sample of `count` points, spread over the file."""
    return np.unique(np.linspace(0, count - 1, min(count, SPACING_SAMPLE_POINTS)).astype(np.int64))


def _spacing(places: Float, threads: int) -> float | None:
    if len(places) < 2 or np.abs(places).max() > MAX_COORDINATE:
        return None
    centred = places - places[0]
    distance, _ = cKDTree(centred).query(centred[_sample_indices(len(places))], 2, workers=threads)
    return float(np.median(distance[:, 1]))


def _survey(cloud: PointCloud, threads: int) -> tuple[NormalCheck | None, Survey | None]:
    """The reliability of the normals, if any, and the survey of `cloud`; None if it cannot be fitted."""
    try:
        cloud, _ = clean(cloud)
    except ScanError:
        return None, None
    points = cloud.points
    depth_image = cloud.sensors is None and seen_from_origin(points)
    anew = unrounded(points) if depth_image else None
    frame = Frame.around(points)
    sensors = np.zeros_like(points) if depth_image else cloud.sensors
    unit = PointCloud(
        frame.to_unit(points if anew is None else anew),
        cloud.normals,
        sensors=None if sensors is None else frame.to_unit(sensors),
    )
    chosen = np.arange(len(unit))
    if len(unit) > SURVEY_SAMPLE_POINTS:  # not evenly spaced: that would be another noise
        chosen = np.sort(np.random.default_rng(0).choice(chosen, SURVEY_SAMPLE_POINTS, replace=False))
    some = unit.select(chosen)
    stray = outliers(some.points, threads)
    check, noise, closed = _without_outliers(some.select(~stray), threads)
    with np.errstate(over="ignore", divide="ignore"):
        density = float(np.float64(point_spacing(unit.points, threads) * frame.scale) ** -2)
    return check, Survey(
        density=min(density, MAX_COORDINATE),
        noise=None if noise is None else noise * frame.scale,
        outliers=round(float(stray.mean()) * len(unit)),
        closed=closed,
        fills_space=fills_space(some.points, threads),
        depth_image=depth_image,
        rounded=anew is not None,
        thinned=len(unit) > MAX_POINTS,
        sampled=len(unit) > SURVEY_SAMPLE_POINTS,
    )


def _without_outliers(unit: PointCloud, threads: int) -> tuple[NormalCheck | None, float | None, bool | None]:
    """Reliability of the normals, noise and closedness in the unit frame; None if too few points are left."""
    try:
        unit, _ = clean(unit)
    except ScanError:
        return None, None, None
    check = None if unit.normals is None else check_normals(completed(unit, threads), threads)
    with _silent_log():
        unit = oriented(unit, STANDARD.scan, threads)
    return check, point_noise(unit, threads), Surroundings(unit, threads=threads).closed


@contextmanager
def _silent_log() -> Iterator[None]:
    """Silences the log: nothing is done to the scan."""
    log = logging.getLogger("recon")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before

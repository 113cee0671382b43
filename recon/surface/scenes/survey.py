"""What only the whole of a scene tells its blocks: how dense it is, which side is out, open or closed.

Density and the soundness of given normals are looked at through small windows, in which all points are; sides
and closedness are those of an even sample of the whole.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recon.base.files import atomic_path, write_json
from recon.base.progress import ProgressCallback, no_progress
from recon.base.run_files import read_arrays, read_json, reading
from recon.errors import ScanError, UsageError
from recon.geometry import Frame, PointCloud
from recon.scan.preparation.cleaning import MIN_POINTS, clean
from recon.scan.preparation.context import AS_GIVEN, ESTIMATED, MIXED, TURNED, Context
from recon.scan.preparation.depth_images import seen_from_origin
from recon.scan.preparation.inside import Surroundings
from recon.scan.preparation.normal_reliability import check_normals
from recon.scan.preparation.normals import INWARD, completed, estimated, outward
from recon.scan.preparation.spacing import point_spacing
from recon.surface.scenes.sorting import SortedPoints
from recon.surface.settings import Config

CONTEXT_FILE, FACTS_FILE = "context.npz", "facts.json"
SAMPLE_POINTS = 150_000
WINDOWS, WINDOW_CELLS = 24, 4.0  # how many, and half their width in cells of the sorted points

log = logging.getLogger("recon")


@dataclass(frozen=True)
class Survey:
    """The whole of a scene.

    Attributes:
        context: for its blocks.
        frame: around all points.
        spacing: of neighbouring points, the median, world.
    """

    context: Context
    frame: Frame
    spacing: float


def survey(
    points: SortedPoints, config: Config, threads: int, progress: ProgressCallback = no_progress
) -> Survey:
    """Looks over a scene.

    Raises ScanError if no surface can be fitted to it, UsageError if it is to have no normals.
    """
    if config.scan.normals == "none":
        raise UsageError("without normals a scene cannot be cut into blocks: give --normals estimate")
    sample, report = clean(points.some(SAMPLE_POINTS))
    for line in report.lines():
        log.info("of a sample of the scene, %s", line)
    windows = _windows(points)
    spacing = float(np.median([point_spacing(w.points - w.points.mean(0), threads) for w in windows]))
    frame = Frame.around(points.box, config.scan.margin)
    progress(0.3, "sides of the scene")
    depth_image = _is_depth_image(sample, windows, config)
    place = np.zeros(3) if depth_image else config.scan.sensor
    if place is not None:
        sample = replace(sample, sensors=np.broadcast_to(np.asarray(place, float), sample.points.shape))
    oriented, normals = _oriented(sample, windows, config, threads)
    is_open = config.scan.open
    if config.mesh.trim == "off" and is_open is None:
        is_open = False
    if is_open is None:
        unit = PointCloud(frame.to_unit(oriented.points), oriented.normals)
        is_open = not Surroundings(unit, config.seed, threads).closed
    log.info("the scene is %s, its normals %s", "open" if is_open else "closed", normals)
    return Survey(Context(oriented, normals, is_open, spacing / frame.scale, depth_image), frame, spacing)


def _is_depth_image(sample: PointCloud, windows: list[PointCloud], config: Config) -> bool:
    """Whether a camera at the origin saw the points; pixels are seen in windows, not in a sample."""
    if sample.sensors is not None or config.scan.sensor is not None:
        return False
    found = np.mean([seen_from_origin(window.points) for window in windows]) > 0.5
    if found:
        log.info("the points are a depth image taken from the origin, which is outside")
    return bool(found)


def _windows(points: SortedPoints) -> list[PointCloud]:
    """All points in some boxes around cells with many points, spread over the scene."""
    places = np.linspace(0, len(points) - 1, WINDOWS).astype(np.int64)
    cells = np.unique(np.searchsorted(points.starts, places, side="right") - 1)
    half = WINDOW_CELLS * points.edge
    found = [points.within(centre - half, centre + half) for centre in points.centres[cells]]
    sound = []
    for window in found:
        try:
            sound.append(clean(window)[0])
        except ScanError:  # too few points, or on a line
            continue
    if not sound:
        raise ScanError(f"the scene has no places with {MIN_POINTS} points of a surface")
    return sound


def _oriented(
    sample: PointCloud, windows: list[PointCloud], config: Config, threads: int
) -> tuple[PointCloud, str]:
    """`sample` with outward normals, and where those of the blocks come from."""
    if config.scan.normals == "file" and sample.normals is None:
        raise ScanError("the scene has no normals: estimate them with --normals estimate")
    if config.scan.normals == "file":
        return completed(sample, threads), AS_GIVEN
    if sample.normals is None or config.scan.normals == "estimate":
        return estimated(sample, threads), ESTIMATED
    given = [completed(window, threads) for window in windows if window.normals is not None]
    checks = [check_normals(window, threads) for window in given]
    if np.mean([check.unfit for check in checks]) > 0.5:
        log.info("the normals do not fit the points: estimating them")
        return estimated(sample, threads), ESTIMATED
    sample = completed(sample, threads)
    assert sample.normals is not None
    if np.mean([check.mixed for check in checks]) > 0.5:
        log.info("the normals of many points are flipped: flipping them back")
        return replace(sample, normals=outward(sample, sample.normals, threads)), MIXED
    if check_normals(sample, threads).outward is False:
        log.warning(INWARD)
        return replace(sample, normals=-sample.normals), TURNED
    return sample, AS_GIVEN


def write_context(context: Context, folder: Path) -> None:
    """Writes what blocks need to know of the scene."""
    points = context.points
    assert points.normals is not None
    with atomic_path(folder / CONTEXT_FILE, overwrite=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, points=points.points, normals=points.normals)
    facts = {name: getattr(context, name) for name in ("normals", "open", "spacing", "depth_image")}
    write_json(folder / FACTS_FILE, facts)


def read_context(folder: Path) -> Context:
    """What `write_context` wrote. Raises ScanError if it is damaged."""
    with reading(folder / FACTS_FILE):
        facts, arrays = read_json(folder / FACTS_FILE), read_arrays(folder / CONTEXT_FILE)
        points = PointCloud(arrays["points"], arrays["normals"])
        sides = str(facts["normals"]), bool(facts["open"])
        return Context(points, *sides, float(facts["spacing"]), bool(facts["depth_image"]))

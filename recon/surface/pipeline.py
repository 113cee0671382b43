"""The stages of a reconstruction: clean, orient, unit frame, samples of space, task, fit."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from recon.base.device import choose_device, device_name
from recon.base.progress import Bar, ProgressCallback, in_notebook, no_progress, progress_within
from recon.base.provenance import machine_origin
from recon.base.runs import open_run
from recon.errors import UsageError, check_callable, check_kind, check_number, check_path
from recon.field.heads import HeadedField
from recon.field.heads_file import save_heads
from recon.field.kernels import fast_kernels
from recon.field.siren import Siren
from recon.geometry import Float, Frame, PointCloud
from recon.render.figures import check_plots
from recon.scan.in_memory import as_cloud
from recon.scan.preparation.context import Context
from recon.scan.preparation.inside import SpaceSamples, Surroundings, uniform_samples, unknown
from recon.scan.preparation.noise import point_noise
from recon.scan.preparation.normals import estimated, reestimated
from recon.scan.preparation.prepare import prepared
from recon.scan.preparation.sides_without_normals import Walls
from recon.scan.preparation.smoothing import smoothed, with_normals_of
from recon.scan.preparation.spacing import point_spacing
from recon.scan.readers.join import join
from recon.surface.heads import with_heads
from recon.surface.loss import SurfaceTask
from recon.surface.preview import Preview
from recon.surface.reconstruction import Reconstruction, describe_run, save_scan
from recon.surface.settings import STANDARD, Config, significant
from recon.training.callbacks import ProgressBar, TensorBoard
from recon.training.checkpoint import Checkpoint, latest_snapshot
from recon.training.trainer import Callback, Snapshot, fit

NOISE_PROGRESS, SPACE_PROGRESS = 0.75, 0.85  # of the preparation, at which these stages begin
IMAGE_SECONDS = 30.0  # between images for TensorBoard without a preview
MAX_SECONDS = 1e7  # between previews
# Points kept with the reconstruction for parts, trimming and colours: two a vertex at 512 samples a side.
MAX_SCAN_POINTS = 2_000_000

log = logging.getLogger("recon")


def reconstruct(
    cloud: Any,
    config: Config = STANDARD,
    *,
    normals: ArrayLike | None = None,
    colors: ArrayLike | None = None,
    run: str | Path | None = None,
    device: str = "auto",
    preview: float | None = None,
    tensorboard: str | Path | None = None,
    callbacks: Iterable[Callback] = (),
    preparing: ProgressCallback = no_progress,
    solving: Callable[[float], None] = lambda share: None,
    origin: Mapping[str, Any] | None = None,
    context: Context | None = None,
    progress: bool | None = None,
) -> Reconstruction:
    """Fit a signed distance to `cloud` (world, any units), on `torch.get_num_threads()` CPU threads.

    Args:
        cloud: a PointCloud, with normals or without; an array or tensor (n, 3), a cloud or mesh of Open3D,
            trimesh or PyVista, or a path: see `recon.scan.in_memory.as_cloud`.
        config: the settings of all stages.
        normals: (n, 3), for a cloud that has none.
        colors: (n, 3), whole numbers 0 to 255 or shares of 1, likewise.
        run: folder for checkpoints; the same run in it is resumed, with the result of an uninterrupted one.
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".
        preview: seconds between coarse meshes of the field so far, in `run`: see `recon.surface.preview`.
        tensorboard: folder for TensorBoard: terms, and every `preview` seconds a picture and slices.
        callbacks: see `recon.training.trainer.fit`.
        preparing: called with the progress and stage of the preparation.
        solving: called with the share of the heads that are solved for.
        origin: where the cloud comes from, kept in the run folder: see `recon.base.provenance`.
        context: of the scene that the cloud is a part of; a part knows its outside from there.
        progress: show bars on standard error; by default in notebooks alone.

    Raises:
        ScanError: for a cloud no surface can be fitted to.
        UsageError: for settings that make no sense, or a run folder of another run.
        FitError: if training fails.
        MissingLibraryError: if what `tensorboard` needs is not installed.
    """
    check_kind("callbacks", callbacks, Iterable, "functions, to be called with the progress")
    callbacks = list(callbacks)
    cloud = as_cloud(cloud, normals, colors)
    _check_arguments(config, run, preview, tensorboard, origin, context, [*callbacks, preparing, solving])
    callbacks, preparing, solving = _with_bars(progress, callbacks, preparing, solving)
    seconds, board = dict[str, float](), _board(tensorboard)
    where, threads = choose_device(device), torch.get_num_threads()
    with _timed(seconds, "prepare"):
        first = progress_within(preparing, 0.0, NOISE_PROGRESS)
        cloud, estimated_normals = prepared(cloud, config.scan, threads, first, context)
        frame = Frame.around(cloud.points, config.scan.margin)
        unit = PointCloud(frame.to_unit(cloud.points), cloud.normals)
        box, sample = surrounding_box(unit.points, config.scan.margin), _subsampled(cloud, config.seed)
        preparing(NOISE_PROGRESS, "noise and spacing")
        noise = point_noise(unit if unit.normals is not None else estimated(unit, threads), threads)
        log.info("the noise of the points has a standard deviation of about %.3g", noise * frame.scale)
        spacing, side = point_spacing(unit.points, threads), float((box[1] - box[0]).max())
        overall = None if context is None else context.spacing
        config = config.resolved_for(spacing, noise, side, estimated_normals, overall)
        preparing(SPACE_PROGRESS, "inside and outside")
        unit, denoised = _denoised(unit, noise, spacing, estimated_normals, config.seed, threads)
        rest = None if context is None else context.beyond(cloud, frame)
        space, is_open, distance = _space_samples(denoised, box, config, threads, where, rest)
        config = config.with_(scan={"open": is_open})
        description = describe_run(config, frame, box, cloud, estimated_normals)
        description["origin"] = machine_origin(device_name(where), threads) | dict(origin or {})
        resume = None
        if run and open_run(Path(run), description, "scan", on_create=lambda: save_scan(Path(run), sample)):
            resume = latest_snapshot(Path(run))
        field = Siren(config.field, generator=torch.Generator().manual_seed(config.seed)).to(where)
        task = SurfaceTask(unit, space, config.surface, config.seed, where)
        preparing(1.0, "")
    with _timed(seconds, "train"):
        trunk = HeadedField(field)
        so_far = partial(Reconstruction, trunk, frame, box, sample, config, description=description)
        watchers = [*callbacks, *_watchers(so_far, sample, run, preview, board)]
        snapshot = fit(field, task, config.fit, callbacks=watchers, resume=resume)
    with _timed(seconds, "heads"), fast_kernels():
        about = spacing, significant(noise, spacing), distance, estimated_normals, config.seed, threads
        whole = with_heads(field, unit, config.heads, *about, solving)
        if run:
            save_heads(whole, Path(run))
    return Reconstruction(whole, frame, box, sample, config, snapshot, description, seconds)


def _with_bars(
    show: bool | None,
    callbacks: list[Callback],
    preparing: ProgressCallback,
    solving: Callable[[float], None],
) -> tuple[list[Callback], ProgressCallback, Callable[[float], None]]:
    """The other three, with a bar beside each if `show`, by default in notebooks."""
    check_kind("progress", show, bool | None, "True or False")
    if not (in_notebook() if show is None else show):
        return callbacks, preparing, solving
    before, after = Bar("preparing", ends=True), Bar("heads", ends=True)

    def prepare(share: float, text: str) -> None:
        before.to(share, text)
        preparing(share, text)

    def solve(share: float) -> None:
        after.to(share)
        solving(share)

    return [*callbacks, ProgressBar()], prepare, solve


def _check_arguments(
    config: Config,
    run: object,
    preview: float | None,
    tensorboard: object,
    origin: object,
    context: object,
    functions: Iterable[object],
) -> None:
    check_kind("config", config, Config, "a Config, as in PRESETS")
    config.check()
    for name, folder in {"run": run, "tensorboard": tensorboard}.items():
        if folder is not None:
            check_path(name, folder)
    if preview is not None:
        check_number("preview", preview, 0, MAX_SECONDS)
    check_kind("origin", origin, Mapping | None, "a dict of plain values")
    check_kind("context", context, Context | None, "a Context")
    for function in functions:
        check_callable("one of callbacks, preparing and solving", function)
    if preview and not run:
        raise UsageError("a preview needs a run folder: give one, too")


def _board(tensorboard: str | Path | None) -> TensorBoard | None:
    if not tensorboard:
        return None
    check_plots()
    return TensorBoard(Path(tensorboard))


def _watchers(
    so_far: Callable[[Snapshot], Reconstruction],
    scan: PointCloud,
    run: str | Path | None,
    preview: float | None,
    board: TensorBoard | None,
) -> Iterator[Callback]:
    """The callbacks for what `reconstruct` is told to write; `so_far` and `scan` are for previews."""
    if run:
        yield Checkpoint(Path(run))
    if preview or board:
        folder = Path(run) if run and preview else None
        yield Preview(so_far, scan, preview or IMAGE_SECONDS, folder, board)
    if board:
        yield board  # last, as it closes the file at the end


def surrounding_box(points_unit: Float, margin: float) -> Float:
    """(2, 3): the box of (n, 3) points and `margin` around it."""
    return np.stack([points_unit.min(0) - margin, points_unit.max(0) + margin])


def _denoised(
    unit: PointCloud, noise: float, spacing: float, estimated_normals: bool, seed: int, threads: int
) -> tuple[PointCloud, PointCloud]:
    """`unit`, whose estimated normals follow its smoothed points, and these."""
    denoised = smoothed(unit, noise, spacing, seed, threads)
    if estimated_normals and denoised is not unit:
        unit = with_normals_of(reestimated(denoised, threads), unit, threads)
        denoised = smoothed(unit, noise, spacing, seed, threads)
        unit = with_normals_of(denoised, unit, threads)
    return unit, denoised


def _space_samples(
    unit: PointCloud, box: Float, config: Config, threads: int, device: torch.device, rest: PointCloud | None
) -> tuple[SpaceSamples, bool, Callable[[Float], Float]]:
    """Points of space, with distances if there is a prior; whether the surface is open; the distance.

    `rest`: of a scene that `unit` is a part of.
    """
    count, near, seed = config.surface.prior_samples, config.surface.near_share, config.seed
    is_open = config.scan.open
    if config.surface.prior is None:
        return uniform_samples(box, count, seed), bool(is_open), unknown
    if unit.normals is None:
        return Walls(unit, box, threads).sample(box, count, near, seed), False, unknown
    is_open = False if config.mesh.solid or config.mesh.trim == "off" else is_open
    whole = unit if rest is None else join([unit, rest], "the scene")
    around = Surroundings(whole, seed, threads, open=is_open, device=device)
    samples = around.sample(box, count, near, seed, None if rest is None else unit.points)
    return samples, around.open, around.certain_distance


def _subsampled(cloud: PointCloud, seed: int) -> PointCloud:
    """The part of `cloud` that is kept with its reconstruction."""
    cloud = replace(cloud, sensors=None)
    if len(cloud) <= MAX_SCAN_POINTS:
        return cloud
    sample = np.random.default_rng((seed, 2)).choice(len(cloud), MAX_SCAN_POINTS, replace=False)
    return cloud.select(np.sort(sample))


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.monotonic()
    try:
        yield
    finally:
        seconds[stage] = time.monotonic() - start

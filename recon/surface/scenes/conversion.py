"""Scans to a mesh's file, in one field or in blocks: `recon mesh`, and each job of `recon batch`."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from recon.base.files import write_json
from recon.base.progress import ProgressCallback, no_progress, progress_within
from recon.base.provenance import fingerprint, machine_origin
from recon.base.run_files import read_json
from recon.base.runs import claim, clear_run, default_run_folder, open_run, save_result
from recon.errors import OtherRunError, UsageError
from recon.geometry import Mesh, PointCloud
from recon.meshing.tiles import pieces_of, write_tiles
from recon.scan.files import read_cloud
from recon.scan.parts import large_count, parts_of, scans_in
from recon.surface.conversion import convert as convert_at_once
from recon.surface.conversion import same_batch_scan
from recon.surface.scenes.processes import LocalBlocks
from recon.surface.settings import Config

if TYPE_CHECKING:
    from recon.surface.scenes.blocks import Scene
    from recon.surface.scenes.sorting import SortedPoints
    from recon.surface.scenes.tasks import Blocks

SORTING, SURVEY = 0.6, 0.9  # shares of the preparation at which these end
MESH_FILE = "mesh.json"
BYTES_PER_POINT = 12  # of a file, at least
# Peak memory, measured: of this process and one that works on a block, of a point fitted, a triangle meshed.
PARENT_BYTES, PROCESS_BYTES, FIT_BYTES, MESH_BYTES = 0.5e9, 0.5e9, 4e3, 2.5e3
FACES_A_CELL = 4.0  # by the points' squares over the cells': with what is beside the block, and is cut off
MIN_BLOCK_POINTS = 5000

log = logging.getLogger("recon")


def convert(
    scans: Sequence[str | Path],
    out: Path,
    config: Config,
    run: Path,
    *,
    memory: float | None = None,
    work: Callable[[Path, int, str], Blocks] = LocalBlocks,
    tiles: Path | None = None,
    **options: Any,
) -> tuple[Mesh | None, dict[str, Any]]:
    """As `recon.surface.conversion.convert`; a folder among `scans` stands for the scans in it.

    What is more than one field holds is cut into blocks, and so is what `config.scene.blocks` says. Then the
    mesh is on the disk alone, and None is returned for it. Blocks are worked on by as many processes as there
    are threads, and as `memory`, bytes, allows (by default what is free); `work` makes what runs these, from
    the run folder, their number and the device. `tiles` is a new folder for the mesh as 3D Tiles.
    """
    files = scans_in(scans)
    if config.scene.blocks == "off" or (config.scene.blocks == "auto" and not _is_large(files, config)):
        mesh, summary = convert_at_once(files, out, config, run, **options)
        if tiles:
            pieces = pieces_of(mesh)
            write_tiles(pieces.__getitem__, np.array([piece.vertices.mean(0) for piece in pieces]), tiles)
        return mesh, summary
    return None, _convert(files, out, config, run, memory, work, tiles, **options)


def _is_large(files: Sequence[Path], config: Config) -> bool:
    """Whether the scans are more than one field holds."""
    count = 0
    for file in files:
        known = large_count(file)
        count += known
        if not known and file.stat().st_size > BYTES_PER_POINT * config.scan.most:
            count += len(read_cloud(file, samples=config.scan.samples, columns=config.scan.columns))
    return count > config.scan.most


def _convert(
    files: Sequence[Path],
    out: Path,
    config: Config,
    run: Path,
    memory: float | None,
    work: Callable[[Path, int, str], Blocks],
    tiles: Path | None,
    *,
    device: str = "auto",
    preview: float | None = None,
    tensorboard: str | Path | None = None,
    overwrite: bool = False,
    callbacks: Sequence[Any] = (),
    preparing: ProgressCallback = no_progress,
    meshing: Callable[[float], None] = lambda share: None,
    origin: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    if preview or tensorboard:
        raise UsageError("a scene in blocks has no previews and no curves: give --blocks off for them")
    if config.mesh.uncertainty:
        raise UsageError("a scene in blocks has no error bars: give --blocks off for them")
    if config.mesh.texture:
        raise UsageError("a scene in blocks has no texture: give --blocks off for one")
    if config.mesh.solid or config.mesh.offset or config.mesh.hollow:
        raise UsageError("a scene in blocks is not made solid, moved or hollow: give --blocks off for that")
    start = time.monotonic()
    made = {**(origin or {}), "inputs": [fingerprint(file) for file in files]}
    _open(run, out, config, made)
    points, scene = _prepared(files, run, config, memory, preparing)
    seconds = {"prepare": time.monotonic() - start}
    from recon.surface.scenes.joining import piece_of
    from recon.surface.scenes.opening import find_open
    from recon.surface.scenes.result import middles, statistics, written
    from recon.surface.scenes.tasks import work_through

    number = _processes(scene, len(points), memory, device)
    with closing(work(run, number, device)) as blocks:
        steps, recoveries = work_through(scene, blocks, seconds, meshing)
    if opened := find_open(scene):
        scene = opened
        _forget_other_meshes(scene)
        with closing(work(run, number, device)) as blocks:
            work_through(scene, blocks, seconds)
    joined, distances = written(scene, points, out, overwrite, partial(claim, run, out), seconds)
    if tiles:
        start_tiles = time.monotonic()
        write_tiles(partial(piece_of, scene, joined), middles(scene), tiles)
        seconds["tiles"] = time.monotonic() - start_tiles
    names = [str(file) for file in files]
    summary: dict[str, Any] = {"scan": names if len(names) > 1 else names[0], "mesh": str(out)}
    summary |= statistics(scene, points, joined, distances, steps, recoveries)
    summary["seconds"] = {name: round(value, 2) for name, value in seconds.items()}
    summary["seconds_all"] = round(time.monotonic() - start, 2)
    for doubt in summary["doubts"]:
        log.warning("%s: %s", out.name, doubt)
    meshing(1.0)
    save_result(run, summary)
    return summary


def _open(run: Path, out: Path, config: Config, made: dict[str, Any]) -> None:
    """Opens the run folder of a scene."""
    identity = [entry["sha256"] for entry in made["inputs"]]
    description = {
        "scan": hashlib.sha256("".join(identity).encode()).hexdigest(),
        "scene": True,
        "config": config.as_dict(),
    }
    import torch

    made = machine_origin("cpu", torch.get_num_threads()) | made
    description = json.loads(json.dumps(description)) | {"origin": made}
    try:
        open_run(run, description, "scan")
    except OtherRunError:
        if run != default_run_folder(out) and not same_batch_scan(run, made):
            raise
        clear_run(run)
        open_run(run, description, "scan")


def _prepared(
    files: Sequence[Path], run: Path, config: Config, memory: float | None, preparing: ProgressCallback
) -> tuple[SortedPoints, Scene]:
    """The points in `run`, sorted, and the scene as it is cut; what an earlier run left is kept."""
    import torch

    from recon.surface.scenes.plan import PLAN_FILE, plan
    from recon.surface.scenes.sorting import LAYOUT_FILE, read_sorted, sort_points
    from recon.surface.scenes.survey import survey, write_context
    from recon.surface.scenes.tasks import read_scene

    preparing(0.0, "sorting the points")
    if (run / LAYOUT_FILE).exists():
        points = read_sorted(run)
    else:
        told = progress_within(preparing, 0.0, SORTING)
        scans = _all_parts(files, config)
        points = sort_points(scans, run, lambda share: told(share, "sorting the points"))
    if not (run / PLAN_FILE).exists():
        told = progress_within(preparing, SORTING, SURVEY)
        found = survey(points, config, torch.get_num_threads(), told)
        write_context(found.context, run)
        plan(points, found, _count(len(points), config, memory)).write(run)
    scene = read_scene(run).scene
    _forget_other_meshes(scene)
    log.info("%s points in %d blocks", f"{len(points):,}", len(scene.plan))
    preparing(1.0, "")
    return points, scene


def _count(points: int, config: Config, memory: float | None) -> int:
    """The number of blocks."""
    if config.scene.blocks != "auto":
        return int(config.scene.blocks)
    each = config.scene.points
    if memory is not None:
        each = min(each, int((memory - PARENT_BYTES - PROCESS_BYTES) / FIT_BYTES))
        if each < MIN_BLOCK_POINTS:
            least = PARENT_BYTES + PROCESS_BYTES + MIN_BLOCK_POINTS * FIT_BYTES
            raise UsageError(f"a memory of {memory / 1e9:.3g} GB is too small: at least {least / 1e9:.2g} GB")
    return max(1, -(-points // each))


def _processes(scene: Scene, points: int, memory: float | None, device: str) -> int:
    """How many blocks are worked on at a time: on a GPU one, else as memory and threads allow."""
    import torch

    from recon.base.device import choose_device

    if choose_device(device).type != "cpu":
        return 1
    each = points / len(scene.plan)
    faces = FACES_A_CELL * each * (scene.plan.spacing / scene.lattice.grid.cell) ** 2
    one = PROCESS_BYTES + max(FIT_BYTES * each, MESH_BYTES * faces)
    room = psutil.virtual_memory().available if memory is None else memory - PARENT_BYTES
    if one > room:
        needed = f"{one / 1e9:.2g} GB, and there are {room / 1e9:.2g} for it"
        log.warning("a block takes about %s: a larger --cell, or a smaller scene.points, takes less", needed)
    return max(1, min(torch.get_num_threads(), int(room / one)))


def _forget_other_meshes(scene: Scene) -> None:
    """Removes what is left of meshing with other settings; the blocks' fields stay."""
    from recon.surface.scenes.blocks import SEAM_FILE, SURFACE_FILE
    from recon.surface.scenes.field import BLOCKS_FOLDER
    from recon.surface.scenes.pieces import PIECE_FILE

    settings = json.loads(json.dumps({**asdict(scene.config.mesh), "open": scene.context.open}))
    path = scene.folder / MESH_FILE
    if path.exists() and read_json(path) != settings:
        for name in (SURFACE_FILE, SEAM_FILE, PIECE_FILE):
            for left in (scene.folder / BLOCKS_FOLDER).glob(f"*/{name}"):
                left.unlink()
    write_json(path, settings)


def _all_parts(files: Sequence[Path], config: Config) -> Iterator[PointCloud]:
    for file in files:
        yield from parts_of(file, config.scan, config.seed)

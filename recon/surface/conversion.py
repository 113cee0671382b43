"""A scan's files to a mesh's file: `recon mesh`, and each job of `recon batch`."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recon.base.progress import ProgressCallback, no_progress
from recon.base.provenance import SOUND, SUSPECT, fingerprint
from recon.base.run_files import read_description
from recon.base.runs import claim, clear_run, default_run_folder, save_result
from recon.errors import OtherRunError
from recon.geometry import Float, Mesh
from recon.meshing.atlas import Texture
from recon.meshing.files import write_mesh
from recon.meshing.levels import coarser
from recon.meshing.offset import hollowed, moved
from recon.meshing.topology import Hole, Measures, Topology, measures, topology
from recon.meshing.triangles import distance_to_mesh
from recon.meshing.trimming import filled
from recon.meshing.walls import walls_of
from recon.scan.files import read_clouds
from recon.surface.plausibility import plausibility_warnings
from recon.surface.settings import Config
from recon.surface.uncertainty import UNCERTAINTY

if TYPE_CHECKING:
    from recon.surface.reconstruction import Reconstruction
    from recon.training.trainer import Callback

log = logging.getLogger("recon")

HEADS_PROGRESS = 0.3  # share of the work after the training, for the bar
MESH_PROGRESS = 0.3  # share of the rest, where there is a texture, too
MAX_THIN = 0.002  # of the surface of walls, where sharp edges are thin, too
MIN_MEASURED_POINTS = 50_000  # points of the scan whose distance to the mesh is measured


def convert(
    scans: Sequence[str | Path],
    out: Path,
    config: Config,
    run: Path,
    *,
    device: str = "auto",
    preview: float | None = None,
    tensorboard: str | Path | None = None,
    overwrite: bool = False,
    callbacks: "Sequence[Callback]" = (),
    preparing: ProgressCallback = no_progress,
    meshing: Callable[[float], None] = lambda share: None,
    origin: Mapping[str, Any] | None = None,
) -> tuple[Mesh, dict[str, Any]]:
    """Write the mesh of `scans`, one scene, to `out`.

    Args:
        scans: files, of one scene.
        out: the mesh file.
        config: the settings of all stages.
        run: the run folder, which keeps the summary as result.json; the same run in it is resumed. If a batch
            has made a run of other settings there from the same scan ("batch" in both origins), it is
            replaced.
        device: "auto", "cpu", "cuda" or "cuda:N".
        preview: seconds between previews, see `recon.surface.preview`.
        tensorboard: folder for TensorBoard.
        overwrite: replace `out` if it exists.
        callbacks: of the training.
        preparing: called with the progress of everything before the training.
        meshing: called with the fraction of what follows the training, up to the mesh, that is done.
        origin: for the run folder, see `recon.base.provenance`.

    Returns:
        The mesh, and its summary in plain values, as `--json` prints it.

    Raises:
        ReconError: as reading, `reconstruct` and `write_mesh`.
    """
    start = time.monotonic()
    cloud = read_clouds(scans, samples=config.scan.samples, seed=config.seed, columns=config.scan.columns)
    made = {**(origin or {}), "inputs": [fingerprint(scan) for scan in scans]}
    seconds = {"read": time.monotonic() - start}

    from recon.surface.pipeline import reconstruct  # here: unreadable files are reported without PyTorch

    def trained() -> "Reconstruction":
        return reconstruct(
            cloud,
            config,
            run=run,
            device=device,
            preview=preview,
            tensorboard=tensorboard,
            callbacks=callbacks,
            preparing=preparing,
            solving=lambda share: meshing(HEADS_PROGRESS * share),
            origin=made,
        )

    try:
        result = trained()
    except OtherRunError:
        if run != default_run_folder(out) and not same_batch_scan(run, made):
            raise
        clear_run(run)  # what an earlier command of another kind left behind
        result = trained()
    begun = HEADS_PROGRESS
    surface, mesh, texture = _made(result, seconds, lambda share: meshing(begun + (1 - begun) * share))
    write_mesh(mesh, out, texture=texture, overwrite=overwrite, on_written=partial(claim, run, out))
    names = [str(scan) for scan in scans]
    summary: dict[str, Any] = {"scan": names if len(names) > 1 else names[0], "mesh": str(out)}
    summary |= mesh_statistics(result, surface)
    summary["texture"] = None if texture is None else list(texture.atlas.size)
    if config.mesh.solid:
        summary["filled"] = [asdict(hole) for hole in filled(surface, result.scan)]
    if mesh is not surface:
        summary |= _counts(shape := topology(mesh), measures(mesh, shape))
    summary["seconds"] = {name: round(value, 2) for name, value in seconds.items()}
    summary["seconds_all"] = round(time.monotonic() - start, 2)
    for doubt in summary["doubts"]:
        log.warning("%s: %s", out.name, doubt)
    save_result(run, summary)
    return mesh, summary


def _made(
    result: "Reconstruction", seconds: dict[str, float], progress: Callable[[float], None]
) -> tuple[Mesh, Mesh, Texture | None]:
    """What `_meshes` returns, and the texture that the settings ask for; adds to `seconds` what all took."""
    start, size = time.monotonic(), result.config.mesh.texture
    share_of_mesh = MESH_PROGRESS if size else 1.0
    surface, mesh = _meshes(result, lambda share: progress(share_of_mesh * share))
    seconds |= result.seconds | {"mesh": time.monotonic() - start}
    if not size:
        return surface, mesh, None
    texture = result.texture(mesh, size, lambda share: progress(share_of_mesh + (1 - share_of_mesh) * share))
    seconds["texture"] = time.monotonic() - start - seconds["mesh"]
    return surface, mesh, texture


def _meshes(result: "Reconstruction", progress: Callable[[float], None]) -> tuple[Mesh, Mesh]:
    """The surface that the scan shows, and the mesh to write: moved or hollow, if the settings say so."""
    wanted = result.config.mesh
    if not (wanted.offset or wanted.hollow):
        mesh = result.mesh(progress=progress)
        return mesh, mesh
    stages = 1 + bool(wanted.offset) + bool(wanted.hollow)
    whole = replace(result, config=result.config.with_(mesh={"faces": None}))
    surface = mesh = whole.mesh(progress=lambda share: progress(share / stages))
    cell = result.cell
    if wanted.offset:
        mesh = moved(mesh, wanted.offset, cell, lambda share: progress((1 + share) / stages))
    if wanted.hollow:
        mesh = hollowed(mesh, wanted.hollow, cell, lambda share: progress((stages - 1 + share) / stages))
    if wanted.faces is not None:
        mesh = coarser(mesh, wanted.faces)
        if wanted.hollow and (thin := walls_of(mesh, wanted.hollow / 2).thin) > MAX_THIN:
            log.warning(
                "%.1f %% of the surface is thinner than half of the walls that were asked for: %s triangles "
                "cannot follow them, give more --faces",
                100 * thin,
                f"{len(mesh.faces):,}",
            )
    return surface, replace(mesh, unit=result.unit)


def same_batch_scan(run: Path, origin: Mapping[str, Any]) -> bool:
    """Whether a batch made `run` from the scan that it is converting again."""
    return "batch" in origin and read_description(run).get("origin", {}).get("batch") == origin["batch"]


def mesh_statistics(result: "Reconstruction", mesh: Mesh, distances: Float | None = None) -> dict[str, Any]:
    """Counts, topology, size, distances of the scan's points and doubts about a mesh made of `result`.

    `distances` (n,), world, are measured here by default. Returns plain values.
    """
    scan = result.scan
    if distances is None:
        distances = distance_to_mesh(scan.points[:: max(1, len(scan.points) // MIN_MEASURED_POINTS)], mesh)
    shape = topology(mesh)
    size = measures(mesh, shape)
    bars = mesh.values.get(UNCERTAINTY) if result.config.mesh.uncertainty else None
    return {
        "points": len(scan.points),
        **_counts(shape, size),
        "unit": result.unit,
        "steps": result.snapshot.step,
        "recoveries": result.snapshot.recoveries,
        "scan_to_mesh": {
            "mean": float(distances.mean()),
            "p95": float(np.percentile(distances, 95)),
            "largest": float(distances.max()),
        },
        "filled": [],
        "uncertainty": None if bars is None else float(np.median(bars)),
        "diagonal": float(np.linalg.norm(np.ptp(scan.points, axis=0))),
        "blocks": 1,
        "state": SUSPECT if (doubts := plausibility_warnings(scan, mesh, shape, size)) else SOUND,
        "doubts": doubts,
    }


def _filled_lines(holes: Sequence[Mapping[str, Any]]) -> list[str]:
    if not holes:
        return []
    where = ", ".join(f"{x:.6g}" for x in holes[0]["center"])
    count = "1 hole" if len(holes) == 1 else f"{len(holes):,} holes"
    longest = f"{holes[0]['length']:.4g} long, around ({where})"
    return [f"filled  {count} of the scan; the rim of the largest is {longest}"]


def _counts(shape: Topology, size: Measures) -> dict[str, Any]:
    names = ("vertices", "faces", "watertight", "components", "genus")
    return {**{name: getattr(shape, name) for name in names}, **asdict(size)}


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """The summary of `convert` for people."""
    distances, diagonal = summary["scan_to_mesh"], summary["diagonal"]
    size = Measures(summary["area"], summary["volume"], tuple(Hole(**hole) for hole in summary["holes"]))
    parts = "1 part" if summary["components"] == 1 else f"{summary['components']} parts"
    closed = "watertight" if summary["watertight"] else "open"
    genus = "" if summary["genus"] is None else f", genus {summary['genus']}"
    stages = ", ".join(f"{name} {value:.1f} s" for name, value in summary["seconds"].items())
    bars, holes, texture = summary["uncertainty"], summary["filled"], summary["texture"]
    drawn = "" if texture is None else ", with a texture of {} x {}".format(*texture)
    error = "" if bars is None else f"; of half the vertices the error bar is at most {bars:.3g}"
    return [
        f"mesh    {summary['mesh']}: {summary['faces']:,} faces, {closed}, {parts}{genus}{drawn}",
        f"size    {size.line(summary['unit'])}",
        *_filled_lines(holes),
        f"fit     scan to mesh: mean {distances['mean']:.3g}, 95 % below {distances['p95']:.3g}, "
        f"largest {distances['largest']:.3g} (the scan's diagonal is {diagonal:.6g}){error}",
        f"time    {summary['seconds_all']:.1f} s: {stages}",
    ]

"""The command line. Results go to files and, with --json, to stdout; all else goes to stderr."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from recon.bar import Bar, LinesBesideBars
from recon.config import Config
from recon.errors import ReconError, UsageError
from recon.options import build_parser, config_from

STOPPED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped."""
    options = build_parser(mesh=_mesh, info=_info, eval=_eval, query=_query).parse_args(arguments)
    if options.threads < 1:
        print(f"recon: error: {options.threads} threads, wanted at least 1", file=sys.stderr)
        return UsageError.exit_code
    import torch

    torch.set_num_threads(options.threads)
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(format="recon: %(message)s", level=level, handlers=[LinesBesideBars()], force=True)
    try:
        result = options.command(options)
    except ReconError as error:
        print(f"recon: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nrecon: stopped; what it had is kept: the same command goes on from there", file=sys.stderr)
        return STOPPED
    if options.json:
        print(json.dumps(result))
    return 0


def _mesh(options: argparse.Namespace) -> dict[str, Any]:
    from recon.atomic import check_writable
    from recon.mesh.files import check_mesh_path, write_mesh
    from recon.scan.files import read_clouds

    began = time.monotonic()
    if len(options.scans) > 1 and not options.output:
        raise UsageError("several scans become one mesh: say with -o MESH where to write it")
    out = Path(options.output or f"{Path(options.scans[0]).stem}.mesh.ply")
    check_mesh_path(out)
    check_writable(out, options.overwrite)
    config = config_from(options)
    if options.preview and not options.run:
        raise UsageError("--preview needs --run DIR, the folder to write it to")
    cloud = read_clouds(options.scans, samples=config.scan.samples, seed=config.seed)
    read_seconds = time.monotonic() - began
    with _run_folder(options.run, out) as run:
        result = _reconstruct(options, cloud, config, run)
        start = time.monotonic()
        with Bar("meshing", show=not options.quiet) as bar:
            mesh = result.mesh(progress=bar.to)
        meshed = time.monotonic()
        write_mesh(mesh, out, overwrite=options.overwrite)
    seconds = {"read": read_seconds, **result.seconds, "mesh": meshed - start}
    summary = _summary(options.scans, out, result, mesh, seconds, began)
    _say(_summary_lines(summary), options.quiet)
    return summary


@contextmanager
def _run_folder(named: str | None, out: Path) -> Iterator[Path]:
    """The run folder: the one that --run names, or one of our own beside `out` that only a stopped or
    killed command leaves behind."""
    if named:
        yield Path(named)
        return
    own = out.with_name(f".{out.name}.recon-run")
    try:
        yield own
    except KeyboardInterrupt:
        raise
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise
    shutil.rmtree(own, ignore_errors=True)


def _reconstruct(options: argparse.Namespace, cloud: Any, config: Config, run: Path) -> Any:
    from recon.fit.callbacks import ProgressBar, TensorBoard
    from recon.pipeline import reconstruct

    callbacks: list[Any] = [ProgressBar(show=not options.quiet)]
    if options.tensorboard:
        callbacks.append(TensorBoard(Path(options.tensorboard)))
    work = partial(
        reconstruct,
        cloud,
        config,
        run=run,
        device=options.device,
        preview=options.preview,
        callbacks=callbacks,
    )
    try:
        return work()
    except UsageError:
        if options.run or not run.exists():
            raise
        shutil.rmtree(run)  # what an earlier command of another kind left behind
        return work()


def _summary(
    scans: list[str], out: Path, result: Any, mesh: Any, seconds: dict, began: float
) -> dict[str, Any]:
    import numpy as np

    from recon.evaluation import distance_to_mesh
    from recon.topology import measures, topology

    points = result.scan.points[:: max(1, len(result.scan.points) // 50_000)]
    away = distance_to_mesh(points, mesh)
    shape = topology(mesh)
    return {
        "scan": scans if len(scans) > 1 else scans[0],
        "mesh": str(out),
        "points": len(result.scan.points),
        "vertices": shape.vertices,
        "faces": shape.faces,
        "watertight": shape.watertight,
        "components": shape.components,
        "genus": shape.genus,
        **asdict(measures(mesh, shape)),
        "unit": result.scan.unit,
        "steps": result.snapshot.step,
        "recoveries": result.snapshot.recoveries,
        "scan_to_mesh": {
            "mean": float(away.mean()),
            "p95": float(np.percentile(away, 95)),
            "largest": float(away.max()),
        },
        "diagonal": float(np.linalg.norm(np.ptp(result.scan.points, axis=0))),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "seconds_all": round(time.monotonic() - began, 2),
    }


def _summary_lines(summary: dict[str, Any]) -> list[str]:
    from recon.topology import Hole, Measures

    away, diagonal = summary["scan_to_mesh"], summary["diagonal"]
    size = Measures(summary["area"], summary["volume"], tuple(Hole(**hole) for hole in summary["holes"]))
    parts = "1 part" if summary["components"] == 1 else f"{summary['components']} parts"
    closed = "watertight" if summary["watertight"] else "open"
    genus = "" if summary["genus"] is None else f", genus {summary['genus']}"
    stages = ", ".join(f"{name} {value:.1f} s" for name, value in summary["seconds"].items())
    return [
        f"mesh    {summary['mesh']}: {summary['faces']:,} faces, {closed}, {parts}{genus}",
        f"size    {size.line(summary['unit'])}",
        f"fit     scan to mesh: mean {away['mean']:.3g}, 95 % below {away['p95']:.3g}, "
        f"largest {away['largest']:.3g} (the scan's diagonal is {diagonal:.6g})",
        f"time    {summary['seconds_all']:.1f} s: {stages}",
    ]


def _info(options: argparse.Namespace) -> dict[str, Any]:
    from recon.inspection import inspect

    info = inspect(options.file, threads=options.threads)
    _say(info.lines(), options.quiet)
    return info.as_dict()


def _eval(options: argparse.Namespace) -> dict[str, Any]:
    from recon.evaluation import evaluate
    from recon.geometry import PointCloud
    from recon.mesh.files import read_mesh
    from recon.scan.clean import clean
    from recon.scan.files import read_any

    mesh, reference = read_mesh(options.mesh), read_any(options.reference)
    if isinstance(reference, PointCloud):
        reference, _ = clean(reference)
    result = evaluate(mesh, reference, samples=options.samples, seed=options.seed)
    _say(result.lines(), options.quiet)
    return result.as_dict()


def _query(options: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from recon.atomic import atomic_path
    from recon.reconstruction import load
    from recon.scan.files import read_cloud

    points = read_cloud(options.points).points
    distance, gradient = load(options.run).distance_and_gradient(points)
    table = np.column_stack([points, distance, gradient])
    header = "x,y,z,distance,gradient_x,gradient_y,gradient_z"
    if options.output:
        with atomic_path(options.output, options.overwrite) as temporary:
            np.savetxt(temporary, table, "%.10g", ",", header=header, comments="")
        _say([f"{len(points):,} signed distances, negative inside: {options.output}"], options.quiet)
        return {"points": len(points), "output": str(options.output)}
    if not options.json:
        np.savetxt(sys.stdout, table, "%.10g", ",", header=header, comments="")
    return {"points": points.tolist(), "distance": distance.tolist(), "gradient": gradient.tolist()}


def _say(lines: list[str], quiet: bool) -> None:
    if not quiet:
        print("\n".join(lines), file=sys.stderr)

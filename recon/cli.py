"""The command line. Results go to files and, with --json, to stdout; all else goes to stderr."""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, get_type_hints

from recon.config import PRESETS, Config, Schedule
from recon.errors import ReconError, UsageError

STOPPED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="recon: %(message)s", level=logging.INFO, stream=sys.stderr, force=True)
    try:
        result = options.command(options)
    except ReconError as error:
        print(f"recon: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        run = getattr(options, "run", None)
        hint = f": the same command takes {run} up again" if run else ""
        print(f"\nrecon: stopped{hint}", file=sys.stderr)
        return STOPPED
    if options.json:
        print(json.dumps(result))
    return 0


def _mesh(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from recon.atomic import check_writable
    from recon.fit.callbacks import ProgressBar, TensorBoard
    from recon.mesh.files import check_mesh_path, write_mesh
    from recon.pipeline import reconstruct
    from recon.scan.files import read_cloud

    began = time.monotonic()
    out = Path(options.output or f"{Path(options.scan).stem}.mesh.ply")
    check_mesh_path(out)
    check_writable(out, options.overwrite)
    config = _config(options)
    torch.set_num_threads(options.threads)
    cloud = read_cloud(options.scan, samples=config.scan.samples, seed=config.seed)
    read_seconds = time.monotonic() - began
    callbacks: list[Any] = [ProgressBar(show=not options.quiet)]
    if options.tensorboard:
        callbacks.append(TensorBoard(Path(options.tensorboard)))
    result = reconstruct(
        cloud,
        config,
        run=options.run,
        device=options.device,
        threads=options.threads,
        preview=options.preview,
        callbacks=callbacks,
    )
    start = time.monotonic()
    mesh = _with_bar("meshing", options.quiet, lambda tell: result.mesh(progress=tell))
    meshed = time.monotonic()
    write_mesh(mesh, out, overwrite=options.overwrite)
    seconds = {"read": read_seconds, **result.seconds, "mesh": meshed - start}
    summary = _summary(options.scan, out, result, mesh, seconds, began)
    _say(_summary_lines(summary), options.quiet)
    return summary


def _summary(scan: str, out: Path, result: Any, mesh: Any, seconds: dict, began: float) -> dict[str, Any]:
    import numpy as np

    from recon.evaluation import distance_to_mesh, topology

    points = result.points[:: max(1, len(result.points) // 50_000)]
    away = distance_to_mesh(points, mesh)
    shape = topology(mesh)
    return {
        "scan": str(scan),
        "mesh": str(out),
        "points": len(result.points),
        "vertices": shape.vertices,
        "faces": shape.faces,
        "watertight": shape.watertight,
        "components": shape.components,
        "genus": shape.genus,
        "steps": result.snapshot.step,
        "recoveries": result.snapshot.recoveries,
        "scan_to_mesh": {
            "mean": float(away.mean()),
            "p95": float(np.percentile(away, 95)),
            "largest": float(away.max()),
        },
        "diagonal": float(np.linalg.norm(np.ptp(result.points, axis=0))),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "seconds_all": round(time.monotonic() - began, 2),
    }


def _summary_lines(summary: dict[str, Any]) -> list[str]:
    away, diagonal = summary["scan_to_mesh"], summary["diagonal"]
    parts = "1 part" if summary["components"] == 1 else f"{summary['components']} parts"
    closed = "watertight" if summary["watertight"] else "open"
    genus = "" if summary["genus"] is None else f", genus {summary['genus']}"
    stages = ", ".join(f"{name} {value:.1f} s" for name, value in summary["seconds"].items())
    return [
        f"mesh    {summary['mesh']}: {summary['faces']:,} faces, {closed}, {parts}{genus}",
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


def _with_bar(title: str, quiet: bool, work: Any) -> Any:
    from tqdm import tqdm

    layout = "{desc} {percentage:3.0f}% |{bar:20}| {elapsed}<{remaining}"
    with tqdm(total=1.0, desc=title, bar_format=layout, disable=quiet) as bar:

        def tell(share: float) -> None:
            bar.n = share
            bar.refresh()

        return work(tell)


def _config(options: argparse.Namespace) -> Config:
    """The preset, with what the command line changes."""
    stages: dict[str, dict[str, Any]] = {}
    for stage, name, value in (
        ("fit", "seconds", options.time),
        ("mesh", "resolution", options.resolution),
        ("mesh", "cell", options.cell),
        ("mesh", "parts", options.parts),
        ("scan", "normals", options.normals),
        ("scan", "sensor", options.sensor),
    ):
        if value is not None:
            stages.setdefault(stage, {})[name] = value
    for assignment in options.set:
        stage, name, value = _assignment(assignment)
        stages.setdefault(stage, {})[name] = value
    config = PRESETS[options.preset].with_(**stages)
    return dataclasses.replace(config, seed=options.seed)


def _assignment(text: str) -> tuple[str, str, Any]:
    """STAGE.NAME=VALUE, the value in the setting's type."""
    key, equals, value = text.partition("=")
    stage, dot, name = key.partition(".")
    stages = {f.name: getattr(Config(), f.name) for f in dataclasses.fields(Config) if f.name != "seed"}
    if not equals or not dot or stage not in stages or name not in get_type_hints(type(stages[stage])):
        raise UsageError(f"--set {text}: wanted STAGE.NAME=VALUE with a setting that --help lists")
    default = getattr(stages[stage], name)
    try:
        if isinstance(default, Schedule):
            return stage, name, Schedule.constant(float(value))
        kind = type(default) if default is not None else float
        return stage, name, kind(value)
    except ValueError:
        raise UsageError(f"--set {text}: '{value}' is no {kind.__name__}") from None


def _settings_help() -> str:
    lines = ["settings for --set STAGE.NAME=VALUE and their values in the preset 'standard':"]
    for stage in dataclasses.fields(Config):
        if stage.name != "seed":
            config = getattr(Config(), stage.name)
            for setting in dataclasses.fields(config):
                value = getattr(config, setting.name)
                if isinstance(value, Schedule):
                    value = " → ".join(f"{weight:g}" for _, weight in value.points)
                name = f"{stage.name}.{setting.name}={value}"
                lines.append(f"  {name:34} {setting.metadata['help']}")
    return "\n".join(lines)


def _seconds(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text and text[-1] in units else (text, "s")
    try:
        return float(number) * units[unit]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no time: 90, 90s, 2m or 1h") from None


def _point(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 3:
        raise argparse.ArgumentTypeError(f"'{text}' is no point: X,Y,Z")
    return values


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _parser() -> argparse.ArgumentParser:
    from recon import __version__

    parser = argparse.ArgumentParser("recon", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.description = "Point scans to surfaces with a neural signed distance field."
    parser.add_argument("--version", action="version", version=f"recon {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, work: Any, help: str, **more: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help, **more)
        sub.set_defaults(command=work)
        sub.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        sub.add_argument("--quiet", action="store_true", help="no progress, no summary")
        sub.add_argument("--threads", type=int, default=_cores(), help="CPU threads (default: %(default)s)")
        return sub

    raw = argparse.RawDescriptionHelpFormatter
    mesh = command("mesh", _mesh, "one scan to one mesh", epilog=_settings_help(), formatter_class=raw)
    mesh.add_argument(
        "scan", metavar="SCAN", help="point cloud: ply xyz pwn pts npy npz pcd, or a mesh to sample"
    )
    mesh.add_argument(
        "-o", "--output", metavar="MESH", help="ply obj stl glb off (default: SCAN.mesh.ply here)"
    )
    mesh.add_argument("--preset", choices=PRESETS, default="standard", help="default: %(default)s")
    mesh.add_argument("--time", type=_seconds, metavar="60s", help="a budget for training, instead of steps")
    size = mesh.add_mutually_exclusive_group()
    size.add_argument(
        "--resolution", type=int, metavar="N", help="samples along the longest side (default: 512)"
    )
    size.add_argument(
        "--cell", type=float, metavar="LENGTH", help="the same as a cell's size, in the scan's unit"
    )
    mesh.add_argument("--normals", choices=("auto", "file", "estimate"), help="default: auto")
    mesh.add_argument("--sensor", type=_point, metavar="X,Y,Z", help="the scanner: estimated normals face it")
    mesh.add_argument("--parts", metavar="auto|all|largest|N", help="which parts stay (default: auto)")
    mesh.add_argument("--run", metavar="DIR", help="keep checkpoints there; given again, it resumes")
    mesh.add_argument("--preview", type=_seconds, metavar="10s", help="write DIR/preview.ply that often")
    mesh.add_argument(
        "--tensorboard", metavar="DIR", help="write the terms of the loss there for TensorBoard"
    )
    mesh.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]", help="default: auto")
    mesh.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    mesh.add_argument("--overwrite", action="store_true", help="replace MESH where it exists")
    mesh.add_argument("--set", action="append", default=[], metavar="STAGE.NAME=VALUE", help="see below")

    info = command("info", _info, "what a scan or mesh holds, and what is wrong with it")
    info.add_argument("file", metavar="FILE")

    compare = command("eval", _eval, "accuracy of a mesh against a reference mesh or cloud")
    compare.add_argument("mesh", metavar="MESH")
    compare.add_argument("reference", metavar="REFERENCE")
    compare.add_argument(
        "--samples", type=int, default=200_000, help="points a direction (default: %(default)s)"
    )
    compare.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")

    query = command("query", _query, "signed distance and gradient of a trained field at given points")
    query.add_argument("run", metavar="RUN", help="a folder that `recon mesh --run` made")
    query.add_argument("points", metavar="POINTS", help="a point file")
    query.add_argument("-o", "--output", metavar="CSV", help="default: stdout")
    query.add_argument("--overwrite", action="store_true", help="replace CSV where it exists")
    return parser

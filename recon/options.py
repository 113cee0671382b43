"""The options of every command, and the settings they add up to."""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

from recon.config import PRESETS, Config, Schedule
from recon.errors import UsageError


def config_from(options: argparse.Namespace) -> Config:
    """The preset, with what the command line changes."""
    stages: dict[str, dict[str, Any]] = {}
    for stage, name, value in (
        ("fit", "seconds", options.time),
        ("mesh", "resolution", options.resolution),
        ("mesh", "cell", options.cell),
        ("mesh", "trim", options.trim),
        ("mesh", "parts", options.parts),
        ("mesh", "faces", options.faces),
        ("mesh", "color", options.color),
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
    hint = get_type_hints(type(stages[stage]))[name]
    kind = next(kind for kind in (*get_args(hint), hint) if kind is not type(None))
    words, read = _KINDS.get(kind, ("point X,Y,Z", _point))
    try:
        return stage, name, read(value)
    except (ValueError, KeyError, argparse.ArgumentTypeError):
        raise UsageError(f"--set {text}: '{value}' is no {words}") from None


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


_KINDS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    int: ("whole number", int),
    float: ("number", float),
    str: ("text", str),
    bool: ("true or false", lambda text: {"true": True, "false": False}[text.lower()]),
    Schedule: ("number", lambda text: Schedule.constant(float(text))),
}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build_parser(**work: Callable[[argparse.Namespace], dict[str, Any]]) -> argparse.ArgumentParser:
    """The parser of all commands; `work` has what each of them does."""
    from recon import __version__

    parser = argparse.ArgumentParser("recon")
    parser.description = "Point scans to surfaces with a neural signed distance field."
    parser.add_argument("--version", action="version", version=f"recon {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help: str, **more: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help, **more)
        sub.set_defaults(command=work[name])
        sub.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        sub.add_argument("--quiet", action="store_true", help="no progress, no summary")
        sub.add_argument("--threads", type=int, default=_cores(), help="CPU threads (default: %(default)s)")
        return sub

    raw = argparse.RawDescriptionHelpFormatter
    mesh = command(
        "mesh", "one scan, of one file or several, to one mesh", epilog=_settings_help(), formatter_class=raw
    )
    mesh.add_argument(
        "scans",
        metavar="SCAN",
        nargs="+",
        help="ply pcd las laz e57 ptx pts xyz txt csv pwn npy npz, or a mesh to sample; several: one scene",
    )
    mesh.add_argument(
        "-o",
        "--output",
        metavar="MESH",
        help="ply obj stl glb off (default, of one SCAN: SCAN.mesh.ply here)",
    )
    mesh.add_argument("--preset", choices=PRESETS, default="standard", help="default: %(default)s")
    mesh.add_argument("--time", type=_seconds, metavar="60s", help="a budget for training, instead of steps")
    size = mesh.add_mutually_exclusive_group()
    size.add_argument(
        "--resolution",
        type=int,
        metavar="N",
        help="samples along the longest side (default: from the scan's density)",
    )
    size.add_argument(
        "--cell", type=float, metavar="LENGTH", help="the same as a cell's size, in the scan's unit"
    )
    mesh.add_argument("--normals", choices=("auto", "file", "estimate", "none"), help="default: auto")
    mesh.add_argument("--sensor", type=_point, metavar="X,Y,Z", help="the scanner: estimated normals face it")
    mesh.add_argument(
        "--trim",
        metavar="auto|off|DISTANCE",
        help="surface without points near: auto cuts it off open scans (default), DISTANCE is in their unit",
    )
    mesh.add_argument("--parts", metavar="auto|all|largest|N", help="which parts stay (default: auto)")
    mesh.add_argument("--faces", type=int, metavar="N", help="simplify to N triangles")
    mesh.add_argument("--color", choices=("auto", "off"), help="colours of the scan (default: auto)")
    mesh.add_argument("--run", metavar="DIR", help="keep checkpoints there; given again, it resumes")
    mesh.add_argument("--preview", type=_seconds, metavar="10s", help="write DIR/preview.ply that often")
    mesh.add_argument(
        "--tensorboard", metavar="DIR", help="write the terms of the loss there for TensorBoard"
    )
    mesh.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]", help="default: auto")
    mesh.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    mesh.add_argument("--overwrite", action="store_true", help="replace MESH where it exists")
    mesh.add_argument("--set", action="append", default=[], metavar="STAGE.NAME=VALUE", help="see below")

    info = command("info", "what a scan or mesh holds, and what is wrong with it")
    info.add_argument("file", metavar="FILE")

    compare = command("eval", "accuracy of a mesh against a reference mesh or cloud")
    compare.add_argument("mesh", metavar="MESH")
    compare.add_argument("reference", metavar="REFERENCE")
    compare.add_argument(
        "--samples", type=int, default=200_000, help="points a direction (default: %(default)s)"
    )
    compare.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")

    query = command("query", "signed distance and gradient of a trained field at given points")
    query.add_argument("run", metavar="RUN", help="a folder that `recon mesh --run` made")
    query.add_argument("points", metavar="POINTS", help="a point file")
    query.add_argument("-o", "--output", metavar="CSV", help="default: stdout")
    query.add_argument("--overwrite", action="store_true", help="replace CSV where it exists")
    return parser

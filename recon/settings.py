"""The options that set how a scan becomes a mesh, on the command line and in a file, and the `Config` they
add up to."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from recon.config import PRESETS, STANDARD, Config
from recon.errors import UsageError
from recon.stages import Schedule, Staged

STAGE_OF = {
    "time": ("fit", "seconds"),
    "resolution": ("mesh", "resolution"),
    "cell": ("mesh", "cell"),
    "trim": ("mesh", "trim"),
    "parts": ("mesh", "parts"),
    "faces": ("mesh", "faces"),
    "color": ("mesh", "color"),
    "normals": ("scan", "normals"),
    "sensor": ("scan", "sensor"),
}  # options with a name of their own, and the setting each of them is


Some = TypeVar("Some", bound=Staged)


def config_from(options: Mapping[str, Any], base: Config = STANDARD) -> Config:
    """The preset that `options` name, else `base`, with what else they change. Names of no setting are
    passed over; None is an option that was not given."""
    return changed(PRESETS[options["preset"]] if options.get("preset") else base, options, STAGE_OF)


def changed(config: Some, options: Mapping[str, Any], stage_of: Mapping[str, tuple[str, str]]) -> Some:
    """`config` with what `options` change: those in `stage_of`, "set" and "seed"."""
    stages: dict[str, dict[str, Any]] = {}
    for option, (stage, name) in stage_of.items():
        if options.get(option) is not None:
            stages.setdefault(stage, {})[name] = options[option]
    for assignment in options.get("set") or ():
        stage, name, value = _assignment(assignment, config)
        stages.setdefault(stage, {})[name] = value
    config = config.with_(**stages)
    seed = options.get("seed")
    return config if seed is None else dataclasses.replace(config, seed=seed)


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """--preset to --set, all without a default: None is one that was not given."""
    parser.add_argument("--preset", choices=PRESETS, help="default: standard")
    parser.add_argument("--time", type=seconds, metavar="60s", help="a budget for training, instead of steps")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--resolution",
        type=int,
        metavar="N",
        help="samples along the longest side (default: from the scan's density)",
    )
    size.add_argument(
        "--cell", type=float, metavar="LENGTH", help="the same as a cell's size, in the scan's unit"
    )
    parser.add_argument("--normals", choices=("auto", "file", "estimate", "none"), help="default: auto")
    parser.add_argument(
        "--sensor", type=point, metavar="X,Y,Z", help="the scanner: estimated normals face it"
    )
    parser.add_argument(
        "--trim",
        metavar="auto|off|DISTANCE",
        help="surface without points near: auto cuts it off open scans (default), DISTANCE is in their unit",
    )
    parser.add_argument("--parts", metavar="auto|all|largest|N", help="which parts stay (default: auto)")
    parser.add_argument("--faces", type=int, metavar="N", help="simplify to N triangles")
    parser.add_argument("--color", choices=("auto", "off"), help="colours of the scan (default: auto)")
    parser.add_argument("--seed", type=int, metavar="N", help="default: 0")
    parser.add_argument("--set", action="append", metavar="STAGE.NAME=VALUE", help="see below")


def _assignment(text: str, config: Staged) -> tuple[str, str, Any]:
    """STAGE.NAME=VALUE, of `config`, the value in the setting's type."""
    key, equals, value = text.partition("=")
    stage, dot, name = key.partition(".")
    stages = {f.name: getattr(config, f.name) for f in dataclasses.fields(config) if f.name != "seed"}
    if not equals or not dot or stage not in stages or name not in get_type_hints(type(stages[stage])):
        raise UsageError(f"--set {text}: wanted STAGE.NAME=VALUE with a setting that --help lists")
    hint = get_type_hints(type(stages[stage]))[name]
    kind = next(kind for kind in (*get_args(hint), hint) if kind is not type(None))
    words, read = _KINDS.get(kind, ("point X,Y,Z", point))
    try:
        return stage, name, read(value)
    except (ValueError, KeyError, argparse.ArgumentTypeError):
        raise UsageError(f"--set {text}: '{value}' is no {words}") from None


def settings_help(config: Staged = STANDARD) -> str:
    lines = ["settings for --set STAGE.NAME=VALUE and their values in the preset 'standard':"]
    for stage in dataclasses.fields(config):
        if stage.name != "seed":
            settings = getattr(config, stage.name)
            for setting in dataclasses.fields(settings):
                value = getattr(settings, setting.name)
                if isinstance(value, Schedule):
                    value = " → ".join(f"{weight:g}" for _, weight in value.points)
                name = f"{stage.name}.{setting.name}={value}"
                lines.append(f"  {name:34} {setting.metadata['help']}")
    return "\n".join(lines)


def seconds(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], text[-1]) if text and text[-1] in units else (text, "s")
    try:
        return float(number) * units[unit]
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no time: 90, 90s, 2m or 1h") from None


def point(text: str) -> tuple[float, ...]:
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

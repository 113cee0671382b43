"""Settings as they are given in words: options with a name of their own, and STAGE.NAME=VALUE for all."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from recon.base.settings import Schedule, StagedConfig
from recon.errors import UsageError

Some = TypeVar("Some", bound=StagedConfig)


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


def _assignment(text: str, config: StagedConfig) -> tuple[str, str, Any]:
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


def settings_help(config: StagedConfig) -> str:
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

"""Settings on the command line: options derived from their fields, and STAGE.NAME=VALUE for all of them."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args, get_type_hints

from recon.base.settings import MAX_SHOWN, Schedule, StagedConfig
from recon.errors import UsageError

Some = TypeVar("Some", bound=StagedConfig)
Groups = Mapping[str, Mapping[str, str]]  # a title in --help: {option: "stage.name"}
QUALITY = "quality"


class Parser(argparse.ArgumentParser):
    """A parser that raises UsageError, and whose help has a short usage line, settings and examples."""

    settings: StagedConfig | None = None  # listed for --set
    examples: Sequence[str] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": _Formatter, **kwargs})

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(f"{message} ({self.prog} --help says more)")

    def group(self, title: str) -> argparse._ArgumentGroup:
        """Returns the group of options with this title, a new one if there is none."""
        found = [group for group in self._action_groups if group.title == title]
        return found[0] if found else self.add_argument_group(title)

    def format_help(self) -> str:
        """Returns the help with settings and examples."""
        parts = [super().format_help()]
        if self.settings:
            parts.append(settings_help(self.settings))
        if self.examples:
            parts.append("\n".join(["examples:", *(f"  {example}" for example in self.examples), ""]))
        return "\n".join(parts)


class _Formatter(argparse.HelpFormatter):
    def add_usage(
        self, usage: Any, actions: Any, groups: Any, prefix: str | None = None
    ) -> None:  # "[options]" for those that may be left out
        if prefix is None:
            needed = [action for action in actions if action.required or not action.option_strings]
            actions, groups = [argparse.Action([], "", metavar="[options]"), *needed], []
        super().add_usage(usage, actions, groups, prefix)


def add_settings(
    parser: Parser,
    config: StagedConfig,
    groups: Groups,
    presets: Sequence[str] = (),
    either: Sequence[str] = (),
) -> None:
    """Adds --preset, the options of `groups`, --seed and --set, all None unless they are given.

    Args:
        parser: of the command.
        config: the standard preset; its fields say what the options take.
        groups: the options by title of their group.
        presets: names for --preset.
        either: options that exclude each other.
    """
    quality = parser.group(QUALITY)
    if presets:
        add_choice(quality, "--preset", presets, "training time and field size (default: standard)")
    exclusive = None
    for title, options in groups.items():
        for option, setting in options.items():
            group: argparse._ActionsContainer = parser.group(title)
            if option in either:
                group = exclusive = exclusive or group.add_mutually_exclusive_group()
            group.add_argument(f"--{option}", **_described(config, setting))
    quality.add_argument("--seed", **_described(config, "seed"))
    quality.add_argument(
        "--set", action="append", metavar="STAGE.NAME=VALUE", help="any setting below; repeatable"
    )
    parser.settings = config


def add_choice(
    group: argparse._ActionsContainer, option: str, choices: Sequence[str], help: str, **more: Any
) -> None:
    """Adds an option that takes one of `choices`."""
    group.add_argument(option, choices=choices, metavar="|".join(choices), help=help, **more)


def _described(config: StagedConfig, setting: str) -> dict[str, Any]:
    """Returns arguments of `add_argument` for "stage.name" or "seed"."""
    owner, field, kind = _declared(config, setting)
    metavar, read = _kind(field, kind)
    value, choices, help = getattr(owner, field.name), field.metadata["choices"], field.metadata["help"]
    if kind is bool:
        return {"action": argparse.BooleanOptionalAction, "help": help.replace("%", "%%")}
    help = (help if value is None else f"{help} (default: {value})").replace("%", "%%")
    metavar = "|".join(choices) if choices else metavar
    return {"type": read, "choices": choices, "metavar": metavar, "help": help}


def flags(config: StagedConfig, groups: Groups) -> tuple[str, ...]:
    """Returns the options in `groups` that take no value: they are on, or off as --no-OPTION."""
    return tuple(option for option, setting in flat(groups).items() if _declared(config, setting)[2] is bool)


def _declared(config: StagedConfig, setting: str) -> tuple[Any, dataclasses.Field, Any]:
    """Returns the stage, the field and the type of "stage.name" or "seed"; raises KeyError."""
    stage, _, name = setting.rpartition(".")
    owner = config.stages[stage] if stage else config
    hint = get_type_hints(type(owner))[name]
    kind = next(kind for kind in (*get_args(hint), hint) if kind is not type(None))
    return owner, {field.name: field for field in dataclasses.fields(owner)}[name], kind


def changed(config: Some, options: Mapping[str, Any], groups: Groups) -> Some:
    """Returns `config` as changed by `options`: those in `groups`, "set" and "seed"."""
    stages: dict[str, dict[str, Any]] = {}
    for option, setting in flat(groups).items():
        if options.get(option) is not None:
            stage, _, name = setting.partition(".")
            stages.setdefault(stage, {})[name] = options[option]
    for assignment in options.get("set") or ():
        stage, name, value = _assignment(assignment, config)
        stages.setdefault(stage, {})[name] = value
    if options.get("seed") is not None:
        config = dataclasses.replace(config, seed=options["seed"])
    return config.with_(**stages)


def flat(groups: Groups) -> dict[str, str]:
    """Returns {option: "stage.name"} of all groups."""
    return {option: setting for options in groups.values() for option, setting in options.items()}


def _assignment(text: str, config: StagedConfig) -> tuple[str, str, Any]:
    """Returns stage, name and value, in the setting's type, of STAGE.NAME=VALUE."""
    key, _, value = text.partition("=")
    stage, _, name = key.partition(".")
    try:
        _, field, kind = _declared(config, key if "=" in text and "." in key else "")
        return stage, name, _kind(field, kind)[1](value)
    except KeyError:
        raise UsageError(
            f"--set {text}: expected STAGE.NAME=VALUE with a setting that --help lists"
        ) from None
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--set {text}: {error}") from None


def settings_help(config: StagedConfig) -> str:
    """Returns all settings of `config`, a line each."""
    lines = ["settings for --set STAGE.NAME=VALUE and their values in the preset 'standard':"]
    for stage, settings in config.stages.items():
        for field in dataclasses.fields(settings):
            value, choices = getattr(settings, field.name), field.metadata["choices"]
            if isinstance(value, Schedule):
                value = " → ".join(f"{weight:g}" for _, weight in value.points)
            name = f"{stage}.{field.name}={value}"
            lines.append(
                f"  {name:34} {field.metadata['help']}" + (f" ({'|'.join(choices)})" if choices else "")
            )
    return "\n".join([*lines, ""])


def reads(read: Callable[[str], Any], what: str) -> Callable[[str], Any]:
    """Returns `read` with its ValueError turned into argparse's error "'TEXT' is not `what`"."""

    def value_of(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, KeyError, OverflowError):
            raise argparse.ArgumentTypeError(f"'{text[:MAX_SHOWN]}' is not {what}") from None

    return value_of


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError
    return value


def whole_between(low: int, high: int) -> Callable[[str], int]:
    """Returns a reader of a whole number in this range, both ends included."""

    def read(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return reads(read, f"a whole number from {low:,} to {high:,}")


def numbers(count: int | None = None) -> Callable[[str], tuple[float, ...]]:
    """Returns a reader of X,Y,… with `count` numbers, any count if None."""

    def read(text: str) -> tuple[float, ...]:
        values = tuple(_finite(part) for part in text.split(","))
        if count not in (None, len(values)):
            raise ValueError
        return values

    return read


def scaled(units: Mapping[str, float]) -> Callable[[str], float]:
    """Returns a reader of a number that one of `units` may follow."""

    def read(text: str) -> float:
        factor = units.get(text[-1:].upper())
        value = _finite(text) if factor is None else factor * _finite(text[:-1])
        if value < 0:
            raise ValueError
        return value

    return read


class InputFile(str):
    """The path of a file or folder to read."""


class OutputFile(str):
    """The path of a file to write."""


def file(text: str) -> InputFile:
    """Returns the path of a file or folder to read; as a type, it tells shells to complete paths."""
    return InputFile(text)


def output_file(text: str) -> OutputFile:
    """Returns the path of a file to write; as a type, it tells shells to complete paths."""
    return OutputFile(text)


def folder(text: str) -> str:
    """Returns the path of a folder as it is; as a type, it tells shells to complete folders."""
    return text


def check_outputs(values: Iterable[Any]) -> None:
    """Raises UsageError if a file among options is to be read and written, even if it may be replaced."""
    flat = [part for value in values for part in (value if isinstance(value, list) else [value])]
    for output in (part for part in flat if isinstance(part, OutputFile)):
        for read in (part for part in flat if isinstance(part, InputFile)):
            with suppress(OSError, ValueError):
                if Path(read).samefile(output):
                    raise UsageError(f"{output} is an input: write to another file")


whole = reads(int, "a whole number")
number = reads(_finite, "a number")
seed = whole_between(0, 2**63 - 1)
seconds = reads(scaled({"S": 1.0, "M": 60.0, "H": 3600.0}), "a time: 90, 90s, 2m or 1h")
point = reads(numbers(3), "a point X,Y,Z")
memory = reads(
    lambda text: int(scaled({"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12})(text.upper().removesuffix("B"))),
    "a size: 8G or 500M",
)
_KINDS: dict[Any, tuple[str | None, Callable[[str], Any]]] = {
    int: ("N", whole),
    float: ("X", number),
    str: (None, str),
    bool: ("true|false", reads(lambda text: {"true": True, "false": False}[text.lower()], "true or false")),
    Schedule: ("X", lambda text: Schedule.constant(number(text))),
}


def _kind(field: dataclasses.Field, kind: Any) -> tuple[str | None, Callable[[str], Any]]:
    """Returns the metavar of a setting, and the reader of its values."""
    metavar, read = _KINDS.get(kind, ("X,Y,Z", point))
    if field.metadata["unit"] == "s":
        metavar, read = "60s", seconds
    return field.metadata["metavar"] or metavar, read

"""The settings of each scan of a folder: general ones, and those for names that match a pattern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from recon.base.options import Parser
from recon.base.run_files import regular
from recon.base.settings import MAX_SHOWN
from recon.batching.find import matches
from recon.errors import UsageError, reason
from recon.surface.options import CELL_SIZE_OPTIONS, FLAGS, OPTIONS, add_setting_options, config_from
from recon.surface.settings import STANDARD, Config

PATTERNS_KEY = "patterns"
MAX_BYTES, MAX_DEPTH = 1 << 20, 4  # of a file: patterns, a pattern, `set`, a list
FLAG_PREFIX = {"true": "", "false": "no-"}  # of an option without a value, by what the file says


@dataclass(frozen=True)
class Settings:
    """`base`, changed by the options of all matching rules (pattern, options), later over earlier."""

    base: Config = STANDARD
    rules: tuple[tuple[str, Mapping[str, Any]], ...] = ()

    def of(self, scan: str) -> Config:
        """The configuration for one scan. Raises UsageError for invalid settings."""
        options: dict[str, Any] = {}
        for pattern, changes in self.rules:
            if not matches(scan, pattern):
                continue
            if unknown := changes.keys() - set(OPTIONS):
                raise UsageError(f"no option is called '{min(unknown)}'; there are {', '.join(OPTIONS)}")
            given = {name: value for name, value in changes.items() if value is not None}
            if given.keys() & set(CELL_SIZE_OPTIONS):
                options = {name: value for name, value in options.items() if name not in CELL_SIZE_OPTIONS}
            given["set"] = [*options.get("set", ()), *given.get("set", ())]
            options |= given
        return config_from(options, self.base)


def settings_from(config: Config | str | Path, overrides: Mapping[str, Mapping[str, Any]]) -> Settings:
    """The settings in a `Config` or a file of options, with `overrides`, options by pattern."""
    if isinstance(config, Config):
        return Settings(config, tuple(overrides.items()))
    return Settings(STANDARD, (*read_rules(Path(config)), *overrides.items()))


def read_rules(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Reads the rules of a YAML file, (pattern, options) each.

    The file holds long options of `recon mesh` with their values, `set` with a mapping of STAGE.NAME to
    values, and under `patterns` the same for scans that match one. Raises UsageError.
    """
    try:
        text = regular(path, MAX_BYTES).read_text("utf-8")
        _check_shape(path, text)
        content = yaml.load(text, Loader=yaml.BaseLoader)  # text alone: off is "off"
    except OSError as error:
        raise UsageError(f"cannot read {path}: {reason(error)}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{path} is no YAML file: {' '.join(str(error).split())}") from None
    content = _mapping(path, content or {})
    patterns = _mapping(path, content.pop(PATTERNS_KEY, None) or {})
    rules = [
        ("*", content),
        *((pattern, _mapping(path, options or {})) for pattern, options in patterns.items()),
    ]
    return [(pattern, _parsed(path, options)) for pattern, options in rules]


def _check_shape(path: Path, text: str) -> None:
    """Raises UsageError for aliases, which can make gigabytes of a line, and for deep nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.BaseLoader):
        if isinstance(event, yaml.AliasEvent):
            raise UsageError(
                f"{path}, line {event.start_mark.line + 1}: aliases (*name) are not for settings"
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise UsageError(f"{path}, line {event.start_mark.line + 1}: deeper than any setting")


def _mapping(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: '{str(value)[:MAX_SHOWN]}' stands where `option: value` lines should")
    return value


def _parsed(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Options by name, in the types of the command line."""
    words = []
    for name, value in options.items():
        if name not in OPTIONS:
            wanted = ", ".join((*OPTIONS, PATTERNS_KEY))
            raise UsageError(f"{path}: no option is called '{name}'; there are {wanted}")
        if name == "set":
            assigned = _mapping(path, value).items()
            words += [f"--set={setting}={_text(path, setting, one)}" for setting, one in assigned]
        elif name in FLAGS and (prefix := FLAG_PREFIX.get(_text(path, name, value).lower())) is not None:
            words.append(f"--{prefix}{name}")
        else:
            words.append(f"--{name}={_text(path, name, value)}")
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.file = path
    add_setting_options(parser)
    return {name: value for name, value in vars(parser.parse_args(words)).items() if value is not None}


def _text(path: Path, name: str, value: Any) -> str:
    """The value as on the command line. Raises UsageError for a table, or a list of lists."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str) for part in parts):
        raise UsageError(
            f"{path}: {name} is '{str(value)[:MAX_SHOWN]}', expected one value, or a list of them"
        )
    return ",".join(parts)


class _Parser(Parser):
    file: Path

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.file}: {message}")

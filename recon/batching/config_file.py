"""The settings of each scan of a folder: general ones, and those for names that match a pattern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from recon.base.options import Parser
from recon.batching.find import matches
from recon.errors import UsageError
from recon.surface.options import CELL_SIZE_OPTIONS, FLAGS, OPTIONS, add_setting_options, config_from
from recon.surface.settings import STANDARD, Config

PATTERNS_KEY = "patterns"
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
        content = yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)  # text alone: off is "off"
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no YAML file: {' '.join(str(error).split())}") from None
    content = _mapping(path, content or {})
    patterns = _mapping(path, content.pop(PATTERNS_KEY, None) or {})
    rules = [
        ("*", content),
        *((pattern, _mapping(path, options or {})) for pattern, options in patterns.items()),
    ]
    return [(pattern, _parsed(path, options)) for pattern, options in rules]


def _mapping(path: Path, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{path}: '{value}' stands where `option: value` lines should")
    return value


def _parsed(path: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Options by name, in the types of the command line."""
    words = []
    for name, value in options.items():
        if name not in OPTIONS:
            wanted = ", ".join((*OPTIONS, PATTERNS_KEY))
            raise UsageError(f"{path}: no option is called '{name}'; there are {wanted}")
        if name == "set":
            words += [f"--set={setting}={text(value)}" for setting, value in _mapping(path, value).items()]
        elif name in FLAGS and text(value).lower() in FLAG_PREFIX:
            words.append(f"--{FLAG_PREFIX[text(value).lower()]}{name}")
        else:
            words.append(f"--{name}={text(value)}")
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.file = path
    add_setting_options(parser)
    return {name: value for name, value in vars(parser.parse_args(words)).items() if value is not None}


def text(value: Any) -> str:
    """The value as on the command line."""
    return ",".join(value) if isinstance(value, list) else str(value)


class _Parser(Parser):
    file: Path

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.file}: {message}")

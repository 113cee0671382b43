"""Writes docs/schema: JSON Schemas of the settings, and of what `--json` prints.

Settings are declared at their fields, outputs in `recon/cli/outputs/`.

    python tools/make_schema.py
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from recon.base.settings import Schedule, StagedConfig
from recon.cli.outputs import OUTPUTS
from recon.pde.settings import STANDARD as SOLVE
from recon.signals.settings import STANDARD as FIT
from recon.spaces.settings import STANDARD as LEARN
from recon.surface.settings import STANDARD as MESH

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "schema"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SETTINGS: Mapping[str, Mapping[str, StagedConfig]] = {
    "mesh": {"mesh": MESH},
    "fit": FIT,
    "solve": SOLVE,
    "learn": LEARN,
}
PRIMITIVES = {str: "string", bool: "boolean", int: "integer", float: "number", types.NoneType: "null"}
Schema = dict[str, Any]


def schema_of(kind: Any) -> Schema:
    """The schema of a type, as `json` writes its values."""
    origin, args = get_origin(kind), get_args(kind)
    if kind in PRIMITIVES:
        return {"type": PRIMITIVES[kind]}
    if kind is Schedule or dataclasses.is_dataclass(kind) or is_typeddict(kind):
        return object_of(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [schema_of(arg) for arg in args]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(args[1])}
    if origin is list or (origin is tuple and args[-1] is ...):
        return {"type": "array", "items": schema_of(args[0])}
    if origin is tuple:
        items = [schema_of(arg) for arg in args]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    raise TypeError(f"no schema for {kind}")


def object_of(*kinds: Any) -> Schema:
    """The schema of a TypedDict or dataclass, or of the keys of several together."""
    properties: Schema = {}
    required: list[str] = []
    for kind in kinds:
        texts = attribute_texts(kind)
        for name, hint in get_type_hints(kind).items():
            text = {"description": texts[name]} if name in texts else {}
            properties[name] = schema_of(hint) | text
        required += [name for name in get_type_hints(kind) if name in required_keys(kind)]
    return {
        "description": (inspect.getdoc(kinds[0]) or "").partition("\n")[0],
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def required_keys(kind: Any) -> frozenset[str]:
    """The keys that are always there."""
    return kind.__required_keys__ if is_typeddict(kind) else frozenset(get_type_hints(kind))


def attribute_texts(kind: Any) -> dict[str, str]:
    """What the "Attributes:" of the docstrings of a class and its bases say, by name."""
    _, _, section = (inspect.getdoc(kind) or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def setting_of(field: dataclasses.Field, hint: Any, default: Any) -> Schema:
    """The schema of one setting."""
    declared = field.metadata
    schema = schema_of(hint)
    number = next((part for part in schema.get("anyOf", [schema]) if part.get("type") in LIMITED), None)
    if number is not None:
        limits = zip(("minimum", "maximum"), declared["within"], strict=True)
        as_number = int if number["type"] == "integer" else float
        number |= {name: as_number(limit) for name, limit in limits if math.isfinite(limit)}
    if declared["choices"]:
        schema = {"enum": [*declared["choices"], *([None] if type(None) in get_args(hint) else [])]}
    unit = {"unit": declared["unit"]} if declared["unit"] else {}
    default = dataclasses.asdict(default) if isinstance(default, Schedule) else default
    return schema | {"description": declared["help"], "default": default} | unit


LIMITED = ("integer", "number")


def settings_of(config: StagedConfig, title: str) -> Schema:
    """The schema of a configuration as run folders keep it, with its own values as defaults."""

    def properties(owner: Any, names: Any) -> Schema:
        hints = get_type_hints(type(owner))
        return {f.name: setting_of(f, hints[f.name], getattr(owner, f.name)) for f in names}

    stages = {
        name: {
            "description": (inspect.getdoc(type(stage)) or "").partition("\n")[0],
            "type": "object",
            "properties": properties(stage, dataclasses.fields(stage)),
            "additionalProperties": False,
        }
        for name, stage in config.stages.items()
    }
    seed = properties(config, dataclasses.fields(StagedConfig))
    description = f"Settings of {title}; defaults are those of the preset 'standard'."
    return {
        "description": description,
        "type": "object",
        "properties": seed | stages,
        "additionalProperties": False,
    }


def schemas() -> dict[str, Schema]:
    """All schemas by file name."""
    found = {}
    for command, kinds in SETTINGS.items():
        parts = [
            settings_of(c, f"`recon {command if k == command else f'{command} {k}'}`")
            for k, c in kinds.items()
        ]
        found[f"{command}.settings.json"] = _document(parts)
    for command, alternatives in OUTPUTS.items():
        parts = [object_of(*(kind if isinstance(kind, tuple) else (kind,))) for kind in alternatives]
        found[f"{command}.output.json"] = _document(parts)
    return found


def _document(parts: list[Schema]) -> Schema:
    return {"$schema": DIALECT, **(parts[0] if len(parts) == 1 else {"anyOf": parts})}


def main() -> None:
    """Writes all files."""
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(text(schema), encoding="utf-8")


def text(schema: Schema) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()

"""The options that set how a scan becomes a mesh, on the command line and in a file, as a `Config`."""

from collections.abc import Mapping
from typing import Any

from recon.base.options import QUALITY, Parser, add_settings, changed, flags, flat
from recon.surface.settings import PRESETS, STANDARD, Config

GROUPS = {
    QUALITY: {"time": "fit.seconds", "resolution": "mesh.resolution", "cell": "mesh.cell"},
    "points": {"columns": "scan.columns", "class": "scan.classes", "returns": "scan.returns"},
    "large scenes": {"blocks": "scene.blocks"},
    "normals": {"normals": "scan.normals", "sensor": "scan.sensor"},
    "surface to keep": {
        "trim": "mesh.trim",
        "parts": "mesh.parts",
        "faces": "mesh.faces",
        "color": "mesh.color",
        "texture": "mesh.texture",
        "uncertainty": "mesh.uncertainty",
    },
    "for printing": {
        "solid": "mesh.solid",
        "offset": "mesh.offset",
        "hollow": "mesh.hollow",
        "unit": "mesh.unit",
    },
}
CELL_SIZE_OPTIONS = ("resolution", "cell")  # one replaces the other
OPTIONS = ("preset", *flat(GROUPS), "seed", "set")
FLAGS = flags(STANDARD, GROUPS)  # of them, those that take no value


def config_from(options: Mapping[str, Any], base: Config = STANDARD) -> Config:
    """The preset that `options` name, or `base`, with their other changes.

    Names of no setting are ignored; None stands for an option that was not given.
    """
    return changed(PRESETS[options["preset"]] if options.get("preset") else base, options, GROUPS)


def add_setting_options(parser: Parser) -> None:
    """--preset to --set, all without a default: None is one that was not given."""
    add_settings(parser, STANDARD, GROUPS, tuple(PRESETS), CELL_SIZE_OPTIONS)

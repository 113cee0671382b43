"""The options that set how a scan becomes a mesh, on the command line and in a file, and the `Config` they
add up to.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from recon.base.options import changed, point, seconds
from recon.surface.settings import PRESETS, STANDARD, Config

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
# options with a name of their own, and the setting each of them is


def config_from(options: Mapping[str, Any], base: Config = STANDARD) -> Config:
    """The preset that `options` name, else `base`, with what else they change. Names of no setting are
    passed over; None is an option that was not given.
    """
    return changed(PRESETS[options["preset"]] if options.get("preset") else base, options, STAGE_OF)


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

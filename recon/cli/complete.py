"""`recon complete`: a picture or shape from a part of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recon.base.files import check_writable
from recon.base.options import QUALITY, Parser, file, folder, number, seed, whole_between
from recon.cli.common import FILES, add_common, add_device, add_output, say, size
from recon.errors import UsageError

EXAMPLES = (
    "recon complete RUN PHOTO.png --keep 100",
    "recon complete RUN PHOTO.png --mask M.png --zoom 4",
    "recon complete RUN CLOUD.ply -o MESH.ply",
)
FOR_PICTURES = ("mask", "size", "zoom", "between", "refine")


def add_options(parser: Parser) -> None:
    files = parser.group(FILES)
    files.add_argument("space", metavar="RUN", type=folder, help="a folder that `recon learn` made")
    files.add_argument(
        "input",
        metavar="IMAGE|CLOUD",
        type=file,
        help="a picture, completed in its middle square; or points",
    )
    add_output(parser, "OUT", "default: INPUT.complete.png or .ply here", "OUT if it exists")
    known = parser.group("known part")
    known.add_argument(
        "--keep",
        type=whole_between(1, 10**8),
        metavar="N",
        help="use N random pixels or points (default: all)",
    )
    known.add_argument(
        "--mask", metavar="PICTURE", type=file, help="instead: bright where pixels are missing"
    )
    known.add_argument("--seed", type=seed, default=0, metavar="N", help="seed of that draw (default: 0)")
    pictures = parser.group("pictures")
    pictures.add_argument("--size", type=size, metavar="WxH", help="size of OUT (default: as the square)")
    pictures.add_argument("--zoom", type=number, metavar="F", help="instead: scale by F")
    pictures.add_argument(
        "--between", metavar="IMAGE2", type=file, help="write a strip of pictures from one to the other"
    )
    pictures.add_argument(
        "--pictures",
        type=whole_between(2, 1000),
        default=9,
        metavar="N",
        help="pictures in that strip (default: 9)",
    )
    quality = parser.group(QUALITY)
    quality.add_argument(
        "--refine",
        type=whole_between(0, 10**7),
        default=0,
        metavar="N",
        help="fit the predicted field to the known pixels, N steps",
    )
    quality.add_argument(
        "--resolution",
        type=whole_between(16, 4096),
        metavar="N",
        help="samples per side, of a shape (default: 128)",
    )
    add_common(parser)
    add_device(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """What `recon complete` does; the summary."""
    from recon.spaces.complete import complete_image
    from recon.spaces.complete_shape import complete_shape
    from recon.spaces.learned import load_space
    from recon.surface.pipeline import choose_device

    space = load_space(options.space, choose_device(options.device))
    ending = ".png" if space.kind == "images" else ".ply"
    out = Path(options.output or f"{Path(options.input).stem}.complete{ending}")
    check_writable(out, options.overwrite)
    if options.size and options.zoom:
        raise UsageError("--size and --zoom say the same thing: give one of them")
    if options.refine < 0 or options.pictures < 2:
        raise UsageError("--refine is 0 or more steps, --pictures 2 or more")
    common = {"keep": options.keep, "seed": options.seed, "overwrite": options.overwrite}
    if space.kind == "shapes":
        wrong = [name for name in FOR_PICTURES if getattr(options, name)]
        if wrong:
            raise UsageError(f"--{wrong[0]} is for pictures: {options.space} is a space of shapes")
        summary = complete_shape(space, options.input, out, resolution=options.resolution or 128, **common)
    elif options.resolution:
        raise UsageError(f"--resolution is for shapes: {options.space} is a space of pictures")
    else:
        summary = complete_image(
            space,
            options.input,
            out,
            mask=options.mask,
            size=options.size,
            zoom=options.zoom,
            between=options.between,
            pictures=options.pictures,
            refine=options.refine,
            **common,
        )
    say(complete_lines(summary), options.quiet)
    return summary


def complete_lines(summary: dict[str, Any]) -> list[str]:
    """The summary as it is read."""
    if "faces" in summary:
        closed = "closed" if summary["watertight"] else "open"
        return [
            f"output  {summary['output']}: {summary['faces']:,} triangles, {closed}, genus "
            f"{summary['genus']}",
            f"known   {summary['known']:,} points",
        ]
    text = f"known   {summary['known']:,} of {summary['pixels']:,} pixels"
    if "mse" in summary:
        text += f"; mean squared error {summary['mse']:.4f}"
    if "mse_missing" in summary:
        text += f", of the others {summary['mse_missing']:.4f}"
    return [f"output  {summary['output']}: {summary['width']} x {summary['height']}", text]

"""The options of `recon learn` and `recon complete`, and what each of them does."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recon.base.files import check_writable
from recon.base.options import changed, seconds, settings_help
from recon.base.progress import Bar
from recon.base.provenance import command_origin
from recon.cli.fit import size
from recon.errors import UsageError
from recon.spaces.settings import ENCODERS, STANDARD

STAGE_OF = {
    "time": ("fit", "seconds"),
    "steps": ("fit", "steps"),
    "encoder": ("encoder", "kind"),
    "size": ("learning", "size"),
}
MEASURES = {
    "mse": "mean square by what is known",
    "distance": "1e-3 of signed distances, by points",
    "surface": "1e-3 of surfaces, by points",
}
KINDS = {"images": "pictures, from a folder of them", "shapes": "solids, of a family that is generated"}
FOR_PICTURES = ("mask", "size", "zoom", "between", "refine")
Common = Callable[[argparse.ArgumentParser], None]


def add_learn_options(parser: argparse.ArgumentParser, common: Common) -> None:
    """What spaces can be learnt, and their options; `common` adds those that all commands have."""
    kinds = parser.add_subparsers(required=True, metavar="KIND", dest="kind")
    for kind, text in KINDS.items():
        sub = kinds.add_parser(
            kind,
            help=text,
            description=f"Learn a space of {text}.",
            epilog=settings_help(STANDARD[kind]),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        common(sub)
        if kind == "images":
            sub.add_argument("folder", metavar="FOLDER", help="pictures, in it and below")
            sub.add_argument("--size", type=int, metavar="N", help="N x N pixels of each (default: 32)")
            sub.add_argument(
                "--validation", metavar="FOLDER", help="pictures to test with (default: a tenth of FOLDER's)"
            )
        choices = ENCODERS if kind == "images" else ENCODERS[:2]
        encoder = STANDARD[kind].encoder.kind
        sub.add_argument("--encoder", choices=choices, help=f"default: {encoder}")
        sub.add_argument(
            "-o", "--output", metavar="RUN", required=True, help="the run folder; given again, it resumes"
        )
        sub.add_argument("--steps", type=int, metavar="N", help="of training; see below")
        sub.add_argument(
            "--time", type=seconds, metavar="10m", help="a budget for training, instead of steps"
        )
        sub.add_argument("--seed", type=int, metavar="N", help="default: 0")
        sub.add_argument("--set", action="append", metavar="STAGE.NAME=VALUE", help="see below")
        sub.add_argument("--tensorboard", metavar="DIR", help="write the terms there for TensorBoard")
        sub.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]", help="default: auto")


def run_learn(options: argparse.Namespace) -> dict[str, Any]:
    """What `recon learn` does; the summary."""
    from recon.spaces.learn import Course
    from recon.spaces.learn_images import learn_images
    from recon.spaces.learn_shapes import learn_shapes
    from recon.training.callbacks import ProgressBar

    show = not options.quiet
    config = changed(STANDARD[options.kind], vars(options), STAGE_OF)
    course = Course(
        Path(options.output),
        config,
        options.device,
        [ProgressBar(show=show)],
        options.tensorboard,
        command_origin(options.arguments, "standard"),
    )
    with Bar("comparing", show) as comparing, Bar("reading", show, ends=True) as reading:
        if options.kind == "shapes":
            if config.encoder.kind not in ENCODERS[:2]:
                raise UsageError(f"encoder {config.encoder.kind} is for pictures: shapes are sets of points")
            return learn_shapes(course, comparing.to)[1]
        return learn_images(options.folder, course, options.validation, reading.to, comparing.to)[1]


def learn_lines(summary: dict[str, Any]) -> list[str]:
    """The summary as it is read."""
    lines = [f"space   {summary['run']}"]
    if "pictures" in summary:
        lines[0] += f": {summary['pictures']:,} pictures, {summary['validation']:,} for validation"
    lines += [
        f"field   {summary['field_parameters']:,} parameters, predicted by {summary['parameters']:,}",
        f"time    {summary['seconds_trained']:.0f} s, {summary['steps']:,} steps",
    ]
    for measure, title in MEASURES.items():
        if measure in summary:
            methods = summary[measure]
            names = list(next(iter(methods.values())))
            lines.append(f"error   {title:36}" + "".join(f"{name:>20}" for name in names))
            for method, errors in methods.items():
                lines.append(f"        {method:36}" + "".join(f"{errors[name]:20.4g}" for name in names))
    return lines


def add_complete_options(parser: argparse.ArgumentParser) -> None:
    """What `recon complete` takes."""
    parser.add_argument("space", metavar="RUN", help="a folder that `recon learn` made")
    parser.add_argument(
        "input", metavar="IMAGE|CLOUD", help="a picture, completed in its middle square; or points"
    )
    parser.add_argument("-o", "--output", metavar="OUT", help="default: INPUT.complete.png or .ply here")
    parser.add_argument(
        "--keep", type=int, metavar="N", help="know N of its pixels or points, drawn (default: all)"
    )
    parser.add_argument("--mask", metavar="PICTURE", help="instead: bright where pixels are missing")
    parser.add_argument("--size", type=size, metavar="WxH", help="of OUT (default: as the square)")
    parser.add_argument("--zoom", type=float, metavar="F", help="instead: F times as many pixels a side")
    parser.add_argument("--between", metavar="IMAGE2", help="write a strip of pictures from one to the other")
    parser.add_argument("--pictures", type=int, default=9, metavar="N", help="of that strip (default: 9)")
    parser.add_argument(
        "--refine", type=int, default=0, metavar="N", help="fit the predicted field to what is known, N steps"
    )
    parser.add_argument(
        "--resolution", type=int, metavar="N", help="of a shape: samples a side (default: 128)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]", help="default: auto")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT where it exists")


def run_complete(options: argparse.Namespace) -> dict[str, Any]:
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
        return complete_shape(space, options.input, out, resolution=options.resolution or 128, **common)
    if options.resolution:
        raise UsageError(f"--resolution is for shapes: {options.space} is a space of pictures")
    return complete_image(
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

"""`recon learn`: a space of pictures or shapes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recon.base.options import changed, seconds
from recon.base.progress import Bar
from recon.base.provenance import command_origin
from recon.cli.common import add_device, add_kinds, say
from recon.errors import UsageError
from recon.spaces.settings import ENCODERS, STANDARD

HELP = "a space of pictures or shapes, to complete others of their kind from a part"
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


def add_options(parser: argparse.ArgumentParser) -> None:
    """What spaces can be learnt, and their options."""
    for kind, sub in add_kinds(parser, "kind", KINDS, "Learn a space of", STANDARD):
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
        add_device(sub)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """What `recon learn` does; the summary."""
    from recon.spaces.learn import LearnJob
    from recon.spaces.learn_images import learn_images
    from recon.spaces.learn_shapes import learn_shapes
    from recon.training.callbacks import ProgressBar

    show = not options.quiet
    config = changed(STANDARD[options.kind], vars(options), STAGE_OF)
    course = LearnJob(
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
            _, summary = learn_shapes(course, comparing.to)
        else:
            _, summary = learn_images(options.folder, course, options.validation, reading.to, comparing.to)
    say(learn_lines(summary), options.quiet)
    return summary


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

"""`recon learn`: a space of pictures or shapes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recon.base.options import QUALITY, Parser, add_settings, changed, folder
from recon.base.progress import Bar
from recon.base.provenance import command_origin
from recon.cli.common import FILES, add_common, add_device, add_kinds, add_tensorboard, say
from recon.spaces.settings import STANDARD

_TRAINING = {"encoder": "encoder.kind", "steps": "fit.steps", "time": "fit.seconds"}
GROUPS = {"images": {QUALITY: {"size": "learning.size", **_TRAINING}}, "shapes": {QUALITY: _TRAINING}}
MEASURES = {
    "mse": "mean square by what is known",
    "distance": "1e-3 of signed distances, by points",
    "surface": "1e-3 of surfaces, by points",
}
KINDS = {"images": "pictures, from a folder of them", "shapes": "solids, of a family that is generated"}


EXAMPLES = {
    "images": (
        "recon learn images FOLDER -o RUN",
        "recon learn images FOLDER -o RUN --encoder cnn --time 10m",
    ),
    "shapes": ("recon learn shapes -o RUN",),
}


def add_options(parser: Parser) -> None:
    """What spaces can be learnt, and their options."""
    for kind, sub in add_kinds(parser, "kind", KINDS, "Learn a space of", EXAMPLES):
        files = sub.group(FILES)
        if kind == "images":
            files.add_argument(
                "folder", metavar="FOLDER", type=folder, help="pictures, in it and its subfolders"
            )
            files.add_argument(
                "--validation",
                metavar="FOLDER",
                type=folder,
                help="pictures to test with (default: a tenth of FOLDER's)",
            )
        files.add_argument(
            "-o",
            "--output",
            metavar="RUN",
            type=folder,
            required=True,
            help="the run folder; given again, resume it",
        )
        add_settings(sub, STANDARD[kind], GROUPS[kind])
        add_tensorboard(sub)
        add_common(sub)
        add_device(sub)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """What `recon learn` does; the summary."""
    from recon.base.runs import held_run
    from recon.spaces.learn import LearnJob
    from recon.spaces.learn_images import learn_images
    from recon.spaces.learn_shapes import learn_shapes
    from recon.training.callbacks import ProgressBar

    show = not options.quiet
    config = changed(STANDARD[options.kind], vars(options), GROUPS[options.kind])
    course = LearnJob(
        Path(options.output),
        config,
        options.device,
        [ProgressBar(show=show)],
        options.tensorboard,
        command_origin(options.arguments, "standard"),
    )
    with (
        held_run(course.run),
        Bar("comparing", show) as comparing,
        Bar("reading", show, ends=True) as reading,
    ):
        if options.kind == "shapes":
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

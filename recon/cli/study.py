"""`recon study`: what makes it work."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.base.options import QUALITY, Parser, file, seed, whole_between
from recon.base.progress import Bar, ProgressCallback
from recon.cli.common import FILES, add_common, add_kinds, add_output, say
from recon.errors import UsageError

if TYPE_CHECKING:
    from recon.studies.page import Study

RESUMES = False
STUDIES = {
    "init": "signals and gradients by depth before training, for this and other initialisations",
    "activations": "a picture and its derivatives under every activation",
    "bandwidth": "the first layer's ω against the frequency of a signal",
    "limits": "where fields of sines fail, beside what works there",
}
STEPS = {"init": 200, "activations": 200, "bandwidth": 500, "limits": 500}
SIZES = {"init": 48, "activations": 128, "limits": 64}


EXAMPLES = {name: (f"recon study {name} -o OUT",) for name in STUDIES}


def add_options(parser: Parser) -> None:
    """The studies and their options."""
    for name, sub in add_kinds(parser, "study", STUDIES, "Study", EXAMPLES):
        files, quality = sub.group(FILES), sub.group(QUALITY)
        if name in SIZES:
            files.add_argument(
                "picture",
                metavar="PICTURE",
                nargs="?",
                type=file,
                help="default: scikit-image's photograph `camera`",
            )
            quality.add_argument(
                "--size",
                type=whole_between(8, 4096),
                default=SIZES[name],
                metavar="N",
                help="side of that picture in pixels (default: %(default)s)",
            )
        output = "a folder: index.html, CSV, figures"
        add_output(sub, "OUT", output, "such a study in OUT", required=True)
        quality.add_argument(
            "--steps",
            type=whole_between(1, 10**9),
            default=STEPS[name],
            metavar="N",
            help="steps of each fit (default: %(default)s)",
        )
        quality.add_argument(
            "--seed", type=seed, default=0, metavar="N", help="seed of all random draws (default: 0)"
        )
        add_common(sub)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """What `recon study` does; the summary."""
    from recon.render.figures import check_plots
    from recon.studies.page import check_folder, write_study

    out = Path(options.output)
    check_plots()
    check_folder(out, options.overwrite)
    if options.steps < 1:
        raise UsageError(f"{options.steps} steps, expected at least 1")
    if options.study in SIZES and not 8 <= options.size <= 4096:
        raise UsageError(f"size {options.size}, expected between 8 and 4096")
    with Bar("study", show=not options.quiet) as bar:
        study = _WORK[options.study](options, bar.to)
    page = write_study(study, out, shlex.join(["recon", *options.arguments]), options.overwrite)
    summary = {
        "study": options.study,
        "page": str(page),
        "csv": str(out / f"{study.name}.csv"),
        **study.results,
    }
    say([f"study   {summary['page']}, {summary['csv']}"], options.quiet)
    return summary


def _init(options: argparse.Namespace, progress: ProgressCallback) -> Study:
    from recon.studies.fits import grey_picture
    from recon.studies.initialisation import study_initialisation

    return study_initialisation(
        grey_picture(options.picture, options.size), options.steps, options.seed, progress
    )


def _activations(options: argparse.Namespace, progress: ProgressCallback) -> Study:
    from recon.studies.fits import grey_picture
    from recon.studies.nonlinearities import study_activations

    return study_activations(
        grey_picture(options.picture, options.size), options.steps, options.seed, progress
    )


def _bandwidth(options: argparse.Namespace, progress: ProgressCallback) -> Study:
    from recon.studies.bandwidth import study_bandwidth

    return study_bandwidth(options.steps, options.seed, progress)


def _limits(options: argparse.Namespace, progress: ProgressCallback) -> Study:
    from recon.studies.fits import grey_picture
    from recon.studies.limits import study_limits

    return study_limits(grey_picture(options.picture, options.size), options.steps, options.seed, progress)


_WORK = {"init": _init, "activations": _activations, "bandwidth": _bandwidth, "limits": _limits}

"""`recon solve`: boundary-value problems."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recon.base.options import (
    QUALITY,
    Parser,
    add_choice,
    add_settings,
    changed,
    file,
    number,
    numbers,
    reads,
    whole_between,
)
from recon.base.provenance import command_origin
from recon.cli.common import add_common, add_device, add_kinds, add_output, say
from recon.pde.settings import PRESETS, STANDARD

GROUPS = {QUALITY: {"time": "fit.seconds", "activation": "field.activation"}}
PROBLEMS = {
    "helmholtz": "the field of steady sources in a medium",
    "wave": "waves in a medium over time",
    "inverse": "an unknown slowness from waves recorded around it",
}
MEDIUM = "uniform, square, circle (of double speed), or FILE.npy with the slowness 1/c, rows along y"


EXAMPLES = {
    "helmholtz": (
        "recon solve helmholtz --wavenumber 20 --medium square -o DIR",
        "recon solve helmholtz --source=-0.2,0 --source=0.2,0 --time 60s -o DIR",
    ),
    "wave": ("recon solve wave --medium circle -o DIR",),
    "inverse": ("recon solve inverse -o DIR",),
}


def add_options(parser: Parser) -> None:
    """The problems and their options."""
    for problem, sub in add_kinds(parser, "problem", PROBLEMS, "Solve for", EXAMPLES):
        add_output(sub, "DIR", f"default: {problem} here; given again, resume it", "another run in DIR")
        group = sub.group("the problem")
        group.add_argument("--medium", metavar="MEDIUM", type=file, help=MEDIUM)
        _ADD[problem](group)
        add_settings(sub, STANDARD[problem], GROUPS, tuple(PRESETS))
        add_common(sub)
        add_device(sub)


def _add_helmholtz(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--wavenumber", type=number, metavar="K", help="where the slowness is 1 (default: 20)")
    group.add_argument(
        "--source",
        dest="places",
        action="append",
        type=reads(numbers(2), "a place X,Y"),
        metavar="X,Y",
        help="within ±0.5; several radiate together (default: --source=0,0)",
    )
    group.add_argument("--width", type=number, metavar="S", help="σ of the sources (default: 0.05)")


def _add_wave(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--initial", metavar="U", type=file, help="gaussian (default), or FILE.npy with u at time 0"
    )
    group.add_argument("--velocity", metavar="FILE.npy", type=file, help="∂u/∂t at time 0 (default: 0)")
    group.add_argument("--width", type=number, metavar="S", help="σ of the Gaussian (default: 0.1)")
    group.add_argument("--until", type=number, metavar="T", help="end of the time (default: 1)")
    add_choice(group, "--sides", ("open", "fixed"), "open: waves leave (default); fixed: u = 0")
    group.add_argument(
        "--frames",
        dest="count",
        type=whole_between(2, 10_000),
        metavar="N",
        help="moments to write (default: 41)",
    )
    add_choice(group, "--film", ("gif", "mp4"), "default: gif")


def _add_inverse(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--wavenumbers",
        type=reads(numbers(), "numbers: 8,16"),
        metavar="K,K",
        help="of the recorded waves (default: 8,16)",
    )
    group.add_argument(
        "--sources", type=whole_between(1, 10_000), metavar="N", help="around the region (default: 6)"
    )
    group.add_argument(
        "--receivers", type=whole_between(1, 10_000), metavar="N", help="likewise (default: 32)"
    )
    group.add_argument("--noise", type=number, metavar="SHARE", help="of the recorded waves (default: 0.01)")
    group.add_argument(
        "--data", metavar="FILE.npz", type=file, help="a recording, instead of a medium: see docs/pde.md"
    )


_ADD = {"helmholtz": _add_helmholtz, "wave": _add_wave, "inverse": _add_inverse}
_GIVEN = {
    "helmholtz": ("medium", "wavenumber", "places", "width"),
    "wave": ("medium", "initial", "velocity", "width", "until", "sides", "count", "film"),
    "inverse": ("medium", "wavenumbers", "sources", "receivers", "noise", "data"),
}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """What `recon solve` does; the summary."""
    from recon.base.progress import Bar
    from recon.base.runs import held_run
    from recon.pde.run import SolveJob
    from recon.training.callbacks import ProgressBar

    problem, show = options.problem, not options.quiet
    config = changed(PRESETS[options.preset or "standard"][problem], vars(options), GROUPS)
    given = {name: getattr(options, name) for name in _GIVEN[problem]}
    given = {name: value for name, value in given.items() if value is not None}
    with ExitStack() as ending:
        bar = ending.enter_context(Bar("finite differences", show, ends=True))
        work = SolveJob(
            Path(options.output or problem),
            config,
            options.device,
            options.overwrite,
            [ProgressBar(show=show)],
            command_origin(options.arguments, options.preset or "standard"),
            bar.to,
        )
        ending.enter_context(held_run(work.out))
        _, summary = _solver(problem)(work, **given)
    say(solve_lines(summary), options.quiet)
    return summary


def _solver(problem: str) -> Callable[..., tuple[Any, dict[str, Any]]]:
    if problem == "helmholtz":
        from recon.pde.solve_helmholtz import solve_helmholtz

        return solve_helmholtz
    if problem == "wave":
        from recon.pde.solve_wave import solve_wave

        return solve_wave
    from recon.pde.solve_inverse import solve_inverse

    return solve_inverse


def solve_lines(summary: dict[str, Any]) -> list[str]:
    """The summary as it is read."""
    found = []
    if "error" in summary:
        text = f"relative L2 error {summary['error']:.2%} of the reference by finite differences"
        if "error_closed_form" in summary:
            text += f", {summary['error_closed_form']:.2%} of the closed form away from the sources"
        if "error_at_end" in summary:
            text += f", {summary['error_at_end']:.2%} at the end of the time"
        found.append(text)
    if "correlation" in summary:
        found.append(
            f"slowness {summary['slowness'][0]:.2f} to {summary['slowness'][1]:.2f}, correlation with the "
            f"true one {summary['correlation']:.3f}, place off by {summary['offset']:.3f}"
        )
    if "misfit" in summary:
        found.append(f"recorded waves met to {summary['misfit']:.2%}")
    films = f", {Path(summary['film']).name}" if "film" in summary else ""
    size = f"{summary['parameters']:,} parameters, {summary['steps']:,} steps"
    solved = ", the last layer solved for" if summary["last_layer_solved"] else ""
    return [
        f"output  {summary['output']}: solution.npz, picture.png{films}",
        *(f"{'solved' if not place else '':8}{text}" for place, text in enumerate(found)),
        f"field   {summary['activation']}, {size}{solved}",
        f"time    {summary['seconds_all']:.1f} s, {summary['seconds']['train']:.1f} s of them training",
    ]

"""`recon solve`: boundary-value problems."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recon.base.options import changed, seconds
from recon.base.provenance import command_origin
from recon.cli.common import add_device, add_kinds, say
from recon.field.settings import ACTIVATIONS
from recon.pde.settings import PRESETS, STANDARD

HELP = "a boundary-value problem: waves in a medium, or the medium from waves"
STAGE_OF = {"time": ("fit", "seconds"), "activation": ("field", "activation")}
PROBLEMS = {
    "helmholtz": "the field of steady sources in a medium",
    "wave": "waves in a medium over time",
    "inverse": "an unknown slowness from waves recorded around it",
}
MEDIUM = "uniform, square, circle (of double speed), or FILE.npy with the slowness 1/c, rows along y"


def add_options(parser: argparse.ArgumentParser) -> None:
    """The problems and their options."""
    for problem, sub in add_kinds(parser, "problem", PROBLEMS, "Solve for", STANDARD):
        sub.add_argument(
            "-o",
            "--output",
            metavar="DIR",
            help=f"default: {problem} here; given again, it resumes",
        )
        sub.add_argument("--medium", metavar="MEDIUM", help=MEDIUM)
        _ADD[problem](sub)
        sub.add_argument("--preset", choices=PRESETS, help="default: standard")
        sub.add_argument(
            "--time", type=seconds, metavar="60s", help="a budget for training, instead of steps"
        )
        sub.add_argument("--activation", choices=ACTIVATIONS, help="default: sine")
        sub.add_argument("--seed", type=int, metavar="N", help="default: 0")
        sub.add_argument("--set", action="append", metavar="STAGE.NAME=VALUE", help="see below")
        add_device(sub)
        sub.add_argument("--overwrite", action="store_true", help="replace another run in DIR")


def _add_helmholtz(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--wavenumber", type=float, metavar="K", help="where the slowness is 1 (default: 20)")
    sub.add_argument(
        "--source",
        dest="places",
        action="append",
        type=_pair,
        metavar="X,Y",
        help="within ±0.5; several radiate together (default: --source=0,0)",
    )
    sub.add_argument("--width", type=float, metavar="S", help="σ of the sources (default: 0.05)")


def _add_wave(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--initial", metavar="U", help="gaussian (default), or FILE.npy with u at time 0")
    sub.add_argument("--velocity", metavar="FILE.npy", help="∂u/∂t at time 0 (default: 0)")
    sub.add_argument("--width", type=float, metavar="S", help="σ of the Gaussian (default: 0.1)")
    sub.add_argument("--until", type=float, metavar="T", help="end of the time (default: 1)")
    sub.add_argument("--sides", choices=("open", "fixed"), help="waves leave (default), or u = 0")
    sub.add_argument(
        "--frames", dest="count", type=int, metavar="N", help="moments that are written (default: 41)"
    )
    sub.add_argument("--film", choices=("gif", "mp4"), help="default: gif")


def _add_inverse(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--wavenumbers", type=_numbers, metavar="K,K", help="of the recorded waves (default: 8,16)"
    )
    sub.add_argument("--sources", type=int, metavar="N", help="around the region (default: 6)")
    sub.add_argument("--receivers", type=int, metavar="N", help="likewise (default: 32)")
    sub.add_argument("--noise", type=float, metavar="SHARE", help="of the recorded waves (default: 0.01)")
    sub.add_argument("--data", metavar="FILE.npz", help="a recording, instead of a medium: see docs/pde.md")


_ADD = {"helmholtz": _add_helmholtz, "wave": _add_wave, "inverse": _add_inverse}
_GIVEN = {
    "helmholtz": ("medium", "wavenumber", "places", "width"),
    "wave": ("medium", "initial", "velocity", "width", "until", "sides", "count", "film"),
    "inverse": ("medium", "wavenumbers", "sources", "receivers", "noise", "data"),
}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """What `recon solve` does; the summary."""
    from recon.base.progress import Bar
    from recon.pde.run import SolveJob
    from recon.training.callbacks import ProgressBar

    problem, show = options.problem, not options.quiet
    config = changed(PRESETS[options.preset or "standard"][problem], vars(options), STAGE_OF)
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


def _pair(text: str) -> tuple[float, ...]:
    values = _numbers(text)
    if len(values) != 2:
        raise argparse.ArgumentTypeError(f"'{text}' is no place: X,Y")
    return values


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' are no numbers: 8,16") from None

"""Waves in a medium over time, compared with those of finite differences."""

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from recon.base.provenance import fingerprint
from recon.errors import SignalError, UsageError
from recon.geometry import Float
from recon.pde.equations.wave import BOUNDARIES, wave_problem
from recon.pde.finite_differences.wave import leapfrog
from recon.pde.media import Map
from recon.pde.run import PICTURE_FILE, SolveJob, read_map, read_medium, relative_error
from recon.pde.solution import Solution
from recon.render.maps import Panel, frames, write_panels
from recon.signals.media.video import check_film_path, write_film

HALF_WIDTH, OUTPUT_SAMPLES = 1.0, 101  # of the square; values a side of the arrays written
MIN_CELLS_PER_SAMPLE, MAX_CELLS_PER_SAMPLE = 4, 16  # of the reference's grid, per output sample
GAUSSIAN_CELLS = 512  # cells a side of the map of an initial Gaussian
PICTURE_TIMES = 4  # columns of the picture
FRAMES_PER_SECOND = 12  # of the film


def solve_wave(
    job: SolveJob,
    medium: str = "uniform",
    initial: str = "gaussian",
    velocity: str | None = None,
    width: float = 0.1,
    until: float = 1.0,
    sides: str = "open",
    count: int = 41,
    film: str = "gif",
) -> tuple[Solution, dict[str, Any]]:
    """Solve for the wave u(t, x, y) over ±1 in x and y from time 0 to `until`; returns a summary, too.

    Args:
        job: folder and settings.
        medium: uniform, square, circle, or a .npy file with the slowness over the square.
        initial: gaussian, of σ = `width` in the middle, or a .npy file with u at time 0.
        velocity: a .npy file with ∂u/∂t at time 0; zero without one.
        width: of a Gaussian.
        until: the end of the time.
        sides: open: waves leave; fixed: u is zero there.
        count: frames written, as an array and as a film.
        film: gif or mp4.

    Raises:
        ReconError: UsageError, SignalError, OutputError, FitError or MissingLibraryError.
    """
    began = time.monotonic()
    _check(until, sides, count)
    pictured = job.out / f"wave.{film}"
    check_film_path(pictured)
    slowness, medium_print = read_medium(medium, HALF_WIDTH)
    value, value_print = _initial(initial, width)
    rate, rate_print = _velocity(velocity)
    step = _cells_a_sample((rate, slowness) if initial == "gaussian" else (value, rate, slowness))
    axis = np.linspace(-HALF_WIDTH, HALF_WIDTH, step * (OUTPUT_SAMPLES - 1) + 1)
    first, moving, speed = value.on(axis), rate.on(axis), 1 / slowness.on(axis)
    size = max(float(np.abs(first).max()), until * float(np.abs(moving).max()))
    if size == 0:
        raise SignalError("the wave is zero at the start and does not move: there is nothing to solve")
    job.begin()
    drawn = job.config.drawn
    problem = wave_problem(
        value,
        rate,
        slowness,
        until,
        sides,
        size,
        size * _curvature(first, axis[1] - axis[0]),
        drawn.points,
        drawn.near,
        drawn.sides,
    )
    what = {"name": "wave", "medium": medium_print, "initial": value_print, "velocity": rate_print}
    solution = job.solve(problem, {**what, "until": until, "sides": sides})
    times, shown = np.linspace(0.0, until, count), np.linspace(-HALF_WIDTH, HALF_WIDTH, OUTPUT_SAMPLES)
    found = np.stack([solution.on([moment], shown, shown)[0, ..., 0].T for moment in times])
    reference = leapfrog(first, moving, speed, axis[1] - axis[0], times, sides == "open", job.reference)
    reference = reference[:, ::step, ::step]
    results = {
        **{"problem": "wave", "medium": medium, "until": until, "sides": sides, "frames": count},
        "error": relative_error(found, reference),
        "error_at_end": relative_error(found[-1], reference[-1]),
        "film": str(pictured),
    }
    limit = float(np.abs(reference).max())
    write_film(frames([found, reference], limit), pictured, FRAMES_PER_SECOND, overwrite=True)
    write_panels(_rows(found, reference, times, 1 / speed[::step, ::step]), job.out / PICTURE_FILE)
    arrays = {"t": times, "x": shown, "y": shown, "field": found, "reference": reference}
    return solution, job.finish(solution, began, results, {**arrays, "slowness": 1 / speed[::step, ::step]})


def _check(until: float, sides: str, count: int) -> None:
    if not 0 < until < math.inf:
        raise UsageError(f"time until {until:g}, expected above 0")
    if sides not in BOUNDARIES:
        raise UsageError(f"sides '{sides}', expected one of {', '.join(BOUNDARIES)}")
    if count < 2:
        raise UsageError(f"{count} frames, expected at least 2")


def _velocity(path: str | None) -> tuple[Map, Any]:
    """∂u/∂t at time 0, and what identifies it; zero without a file."""
    if path is None:
        return Map(np.zeros((1, 1)), HALF_WIDTH), None
    return read_map(path, HALF_WIDTH, "∂u/∂t at time 0"), fingerprint(path)["sha256"]


def _cells_a_sample(maps: Sequence[Map]) -> int:
    """How many cells the reference has from one written sample to the next."""
    cells = max(len(part.table) for part in maps)
    return min(MAX_CELLS_PER_SAMPLE, max(MIN_CELLS_PER_SAMPLE, math.ceil(2 * cells / (OUTPUT_SAMPLES - 1))))


def _initial(initial: str, width: float) -> tuple[Map, Any]:
    """The wave u at time 0, and what identifies it."""
    if initial.lower().endswith(".npy"):
        return read_map(initial, HALF_WIDTH, "u at time 0"), fingerprint(initial)["sha256"]
    if initial != "gaussian":
        raise UsageError(
            f"unknown initial wave '{initial}': expected gaussian, or a .npy file with u at time 0"
        )
    if not 0 < width < HALF_WIDTH:
        raise UsageError(f"a Gaussian {width:g} wide, expected above 0 and below {HALF_WIDTH:g}")
    axis = HALF_WIDTH * ((np.arange(GAUSSIAN_CELLS) + 0.5) / GAUSSIAN_CELLS * 2 - 1)
    profile = np.exp(-(axis**2) / (2 * width**2))
    return Map(np.outer(profile, profile), HALF_WIDTH), width


def _curvature(values: Float, spacing: float) -> float:
    """The magnitude of Δu relative to u (n, n), at least that of a wave as long as the square."""
    bends = [np.gradient(np.gradient(values, spacing, axis=axis), spacing, axis=axis) for axis in (0, 1)]
    size = float(np.linalg.norm(values))
    return max(float(np.linalg.norm(sum(bends))) / size if size else 0.0, (math.pi / HALF_WIDTH) ** 2)


def _rows(found: Float, reference: Float, times: Float, slowness: Float) -> list[list[Panel]]:
    """A row for the field, the reference, their difference; a column for each of PICTURE_TIMES moments."""
    columns = np.linspace(0, len(times) - 1, PICTURE_TIMES).round().astype(int)
    rows: list[list[Panel]] = [[], [], []]
    worst = float(np.abs(found - reference).max())
    for moment in columns:
        limit = float(np.abs(reference[moment]).max()) or 1.0
        rows[0].append(Panel(f"field, t = {times[moment]:.2f}", found[moment], HALF_WIDTH, limit))
        rows[1].append(Panel("reference", reference[moment], HALF_WIDTH, limit))
        rows[2].append(Panel("error", found[moment] - reference[moment], HALF_WIDTH, worst))
    rows[0].append(Panel("slowness", slowness, HALF_WIDTH, float(slowness.max()), 0.0, signed=False))
    return rows

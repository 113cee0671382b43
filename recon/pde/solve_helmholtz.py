"""The field of sources in a medium, compared with the direct solver's and, if uniform, the closed form."""

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from recon.errors import UsageError
from recon.geometry import Float
from recon.pde.absorbing_layer import Layer
from recon.pde.equations.helmholtz import MAX_WAVENUMBER, closed_form, helmholtz_problem, source
from recon.pde.finite_differences.helmholtz import Complex, direct_helmholtz
from recon.pde.media import Map
from recon.pde.run import PICTURE_FILE, SolveJob, read_medium, relative_error
from recon.pde.solution import Solution
from recon.render.maps import Panel, write_panels

OUTPUT_CELLS = 200  # a side of the region, between the points of the arrays written
MAX_PHASE_PER_CELL = 0.1  # rad, of the reference, with at limit MAX_REFINEMENT cells a side per output cell
MAX_REFINEMENT = 3


def solve_helmholtz(
    job: SolveJob,
    medium: str = "uniform",
    wavenumber: float = 20.0,
    places: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    width: float = 0.05,
) -> tuple[Solution, dict[str, Any]]:
    """Solve for the complex field of the sources; returns a summary, too.

    Args:
        job: folder and settings.
        medium: uniform, square, circle, or a .npy file with the slowness over the region, ±0.5 in x and y.
        wavenumber: where the slowness is one.
        places: x, y of the sources, which radiate together.
        width: σ of the sources, Gaussians.

    Raises:
        ReconError: UsageError, SignalError, OutputError or FitError.
    """
    began = time.monotonic()
    layer = Layer()
    if not 0 < wavenumber <= MAX_WAVENUMBER:
        raise UsageError(f"wavenumber {wavenumber:g}, expected above 0 and up to {MAX_WAVENUMBER:g}")
    if not 0 < width < layer.region:
        raise UsageError(f"sources {width:g} wide, expected above 0 and below {layer.region:g}")
    for place in places:
        if not max(map(abs, place)) <= layer.region:
            raise UsageError(f"a source at {place[0]:g},{place[1]:g}, expected all within ±{layer.region:g}")
    slowness, name = read_medium(medium, layer.region)
    job.begin()
    drawn = job.config.drawn
    problem = helmholtz_problem(slowness, wavenumber, places, width, layer, drawn.points, drawn.near)
    what = {"name": "helmholtz", "medium": name, "wavenumber": wavenumber, "sources": list(places)}
    solution = job.solve(problem, {**what, "width": width})
    axis = np.linspace(-layer.region, layer.region, OUTPUT_CELLS + 1)
    found = (solution.on(axis, axis) @ np.array([1, 1j])).T  # rows along y
    job.reference(0.0, "reference")
    reference = _reference(slowness, wavenumber, places, width, layer)
    job.reference(1.0, "reference")
    results: dict[str, Any] = {"problem": "helmholtz", "medium": medium, "wavenumber": wavenumber}
    results["error"] = relative_error(found, reference)
    table = slowness.on(axis)
    arrays = {"x": axis, "y": axis, "field": found, "reference": reference, "slowness": table}
    if medium == "uniform":
        x, y = np.meshgrid(axis, axis)
        exact = closed_form(x, y, wavenumber, places, width)
        known = np.isfinite(exact)
        results["error_closed_form"] = relative_error(found[known], exact[known])
        results["reference_error"] = relative_error(reference[known], exact[known])
        arrays["closed_form"] = exact
    limit, half = float(np.abs(reference).max()), layer.region
    worst = float(np.abs(found - reference).max())
    rows = [
        [
            Panel(f"{part} of the field", take(found), half, limit),
            Panel("reference", take(reference), half, limit),
            Panel("error", take(found - reference), half, worst),
        ]
        for part, take in (("real part", np.real), ("imaginary part", np.imag))
    ]
    table = arrays["slowness"]
    rows[0].append(
        Panel("slowness", table, half, float(table.max()), min(0.0, float(table.min())), signed=False)
    )
    write_panels(rows, job.out / PICTURE_FILE)
    return solution, job.finish(solution, began, results, arrays)


def _reference(
    slowness: Map, wavenumber: float, places: Sequence[tuple[float, float]], width: float, layer: Layer
) -> Complex:
    """The direct solver's field, on the region's points."""
    turned = wavenumber * float(slowness.table.max()) * 2 * layer.region / OUTPUT_CELLS
    finer = min(MAX_REFINEMENT, math.ceil(turned / MAX_PHASE_PER_CELL))
    rim = round(layer.width / (2 * layer.region) * finer * OUTPUT_CELLS)  # cells of the layer
    axis = np.linspace(-layer.half, layer.half, finer * OUTPUT_CELLS + 2 * rim + 1)
    y, x = torch.meshgrid(torch.as_tensor(axis), torch.as_tensor(axis), indexing="ij")
    sources = source(x, y, places, width).numpy()

    def stretch(at: Float) -> Complex:
        return layer.stretch(torch.as_tensor(at))[0].numpy()

    found = direct_helmholtz(slowness.on(axis), sources[None], wavenumber, layer.half, stretch)[0]
    inner = np.s_[rim : len(axis) - rim : finer]
    return found[inner, inner]

"""An unknown slowness from recorded waves: from a file, or simulated in a known medium, with noise."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.base.archives import check_arrays
from recon.base.files import atomic_path
from recon.base.provenance import fingerprint
from recon.base.run_files import FOREIGN_VALUE_ERRORS
from recon.errors import SignalError, UsageError
from recon.geometry import Float
from recon.pde.absorbing_layer import Layer
from recon.pde.equations.helmholtz import MAX_WAVENUMBER
from recon.pde.equations.inverse import Recording, incident, inverse_problem, slowness_of
from recon.pde.finite_differences.helmholtz import Complex, direct_helmholtz
from recon.pde.media import Map
from recon.pde.run import PICTURE_FILE, SolveJob, read_medium, relative_error
from recon.pde.solution import Solution
from recon.render.maps import Panel, write_panels
from recon.signals.media.paths import check_readable

RING_FRACTION = 0.9  # of the region's half-width: the radius at which sources and receivers stand
RECORDING_CELLS = 400  # a side of the box, of the solver that makes recordings
OUTPUT_SAMPLES = 101  # a side of the region, of the arrays written
RECORDING_FILE = "data.npz"


def solve_inverse(
    job: SolveJob,
    medium: str = "circle",
    wavenumbers: tuple[float, ...] = (8.0, 16.0),
    sources: int = 6,
    receivers: int = 32,
    noise: float = 0.01,
    data: str | Path | None = None,
) -> tuple[Solution, dict[str, Any]]:
    """Solve for the slowness over the region, ±0.5 in x and y; returns a summary, too.

    Args:
        job: folder and settings.
        medium: what is recorded: square, circle, uniform, or a .npy file with the slowness, 1 outside the
            ring.
        wavenumbers: of the recorded waves.
        sources: how many.
        receivers: how many.
        noise: standard deviation, as a fraction of the recorded waves' root mean square.
        data: a .npz file with the recording instead: arrays sources (s, 2), receivers (r, 2), wavenumbers
            (f,) and scattered (f, s, r) complex.

    Raises:
        ReconError: UsageError, SignalError, OutputError or FitError.
    """
    began = time.monotonic()
    layer = Layer()
    _check(wavenumbers, sources, receivers, noise)
    slowness = None
    if data is None:
        slowness, name = read_medium(medium, layer.region)
        what: dict[str, Any] = {"medium": name, "wavenumbers": list(wavenumbers), "noise": noise}
        what |= {"sources": sources, "receivers": receivers}
        job.begin()
        recording = _recorded(slowness, layer, wavenumbers, sources, receivers, noise, job)
    else:
        recording = read_recording(data)
        what = {"data": fingerprint(data)["sha256"]}
        recording.check(layer.region)
        job.begin()
    problem = inverse_problem(recording, layer, job.config.drawn.points)
    solution = job.solve(problem, {"name": "inverse", **what})
    axis = np.linspace(-layer.region, layer.region, OUTPUT_SAMPLES)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    at = np.stack((x.ravel(), y.ravel()), 1)
    unknowns = solution.at(at)
    found = slowness_of(torch.tensor(unknowns[:, -1]), torch.tensor(at), recording.ring).numpy()
    found = found.reshape(x.shape)
    results: dict[str, Any] = {"problem": "inverse", "medium": str(medium if data is None else data)}
    results |= {"wavenumbers": recording.wavenumbers.tolist(), "receivers": len(recording.receivers)}
    results |= {"sources": len(recording.sources), "noise": noise if data is None else None}
    results["slowness"] = [float(found.min()), float(found.max())]
    results["misfit"] = _misfit(solution, recording)
    arrays = {"x": axis, "y": axis, "slowness": found}
    panels = [("slowness found", found)]
    if slowness is not None:
        true = slowness.on(axis)
        arrays["true_slowness"] = true
        panels.append(("true slowness", true))
        results["error"] = relative_error(found, true)
        if true.std() > 0:
            results["correlation"] = float(np.corrcoef(found.ravel(), true.ravel())[0, 1])
            results["offset"] = float(np.linalg.norm(_centre(found, x, y) - _centre(true, x, y)))
    low = min(float(part.min()) for _, part in panels)
    high = max(float(part.max()) for _, part in panels)
    row = [Panel(title, part, layer.region, high, low, signed=False) for title, part in panels]
    if slowness is not None:
        worst = float(np.abs(found - true).max())
        row.append(Panel("error", found - true, layer.region, worst))
    wave = unknowns[:, 2 * (len(recording.wavenumbers) - 1) * len(recording.sources)].reshape(x.shape)
    row.append(Panel("a scattered wave", wave, layer.region, float(np.abs(wave).max()) or 1.0))
    write_panels([row], job.out / PICTURE_FILE)
    _write_recording(recording, job.out / RECORDING_FILE)
    return solution, job.finish(solution, began, results, arrays)


def _check(wavenumbers: tuple[float, ...], sources: int, receivers: int, noise: float) -> None:
    if sources < 1 or receivers < 1:
        raise UsageError(f"{sources} sources and {receivers} receivers, expected at least one of each")
    if not 0 <= noise < math.inf:
        raise UsageError(f"noise {noise:g}, expected 0 or above")
    if not wavenumbers or not all(0 < k <= MAX_WAVENUMBER for k in wavenumbers):
        raise UsageError(f"wavenumbers {wavenumbers}, expected some, above 0 and up to {MAX_WAVENUMBER:g}")


def read_recording(path: str | Path) -> Recording:
    """The recording in a .npz file. Raises SignalError for any other file."""
    check_readable(path, "a .npz file with a recording")
    names = ("sources", "receivers", "wavenumbers", "scattered")
    try:
        check_arrays(Path(path))
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                raise SignalError(f"{path} has no array '{missing[0]}', expected {', '.join(names)}")
            sources, receivers, wavenumbers = (np.asarray(archive[name], np.float64) for name in names[:3])
            return Recording(sources, receivers, wavenumbers, np.asarray(archive["scattered"], complex))
    except (*FOREIGN_VALUE_ERRORS, MemoryError):
        raise SignalError(
            f"{path} is not a .npz file with a recording: expected the arrays {', '.join(names)}"
        ) from None


def _write_recording(recording: Recording, path: Path) -> None:
    with atomic_path(path, overwrite=True) as temporary:
        np.savez_compressed(temporary, **vars(recording))


def _recorded(
    slowness: Map,
    layer: Layer,
    wavenumbers: tuple[float, ...],
    sources: int,
    receivers: int,
    noise: float,
    job: SolveJob,
) -> Recording:
    """A recording by the direct solver, wavenumber by wavenumber, with noise drawn by the seed."""
    ring = RING_FRACTION * layer.region
    stands, hears = _circle(sources, 0.0, ring), _circle(receivers, 0.5, ring)
    axis = np.linspace(-layer.half, layer.half, RECORDING_CELLS + 1)
    table = slowness.on(axis)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    if np.abs(table - 1)[np.hypot(x, y) > ring].max() > 1e-9:
        raise UsageError(
            f"the slowness is not 1 outside the ring of sources and receivers, of radius {ring:g}"
        )
    at = torch.tensor(np.stack((x.ravel(), y.ravel()), 1))
    places, wave = torch.tensor(stands), torch.tensor(wavenumbers, dtype=torch.float64)
    generator = np.random.default_rng(job.config.seed)
    scattered = []

    def stretch(at: Float) -> Complex:
        return layer.stretch(torch.as_tensor(at))[0].numpy()

    direct = incident(wave, places, torch.tensor(hears)).permute(1, 2, 0).numpy()
    for number, k in enumerate(wavenumbers):
        job.reference(number / len(wavenumbers), "recording")
        arriving = incident(wave[number : number + 1], places, at)[:, 0].T.reshape(-1, *x.shape).numpy()
        found = direct_helmholtz(table, k**2 * (table**2 - 1) * arriving, k, layer.half, stretch)
        heard = _sampled(found, hears / layer.half)
        level = noise * np.sqrt(np.mean(np.abs(heard + direct[number]) ** 2) / 2)
        heard = heard + level * (generator.standard_normal((*heard.shape, 2)) @ np.array([1, 1j]))
        scattered.append(heard)
    job.reference(1.0, "recording")
    return Recording(stands, hears, np.array(wavenumbers), np.stack(scattered))


def _circle(count: int, shift: float, radius: float) -> Float:
    angle = (np.arange(count) + shift) * 2 * np.pi / count
    return radius * np.stack((np.cos(angle), np.sin(angle)), 1)


def _sampled(fields: Complex, places: Float) -> Complex:
    """Values (s, r) of fields (s, n, n) at places (r, 2) in ±1, bilinear."""
    parts = torch.view_as_real(torch.as_tensor(fields)).permute(0, 3, 1, 2)
    grid = torch.as_tensor(places)[None, None].expand(len(fields), 1, -1, 2)
    found = torch.nn.functional.grid_sample(parts, grid, mode="bilinear", align_corners=True)[:, :, 0]
    return np.asarray(found[:, 0] + 1j * found[:, 1])


def _misfit(solution: Solution, recording: Recording) -> float:
    """The relative difference of the solution from the recording at the receivers."""
    found = solution.at(recording.receivers)[:, :-1].reshape(len(recording.receivers), -1, 2) @ np.array(
        [1, 1j]
    )
    wanted = recording.scattered.transpose(2, 0, 1).reshape(len(found), -1)
    return relative_error(found, wanted)


def _centre(slowness: Float, x: Float, y: Float) -> Float:
    """The centroid of what differs from one by more than half the largest difference."""
    differs = np.abs(slowness - 1)
    weight = differs * (differs > differs.max() / 2)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()

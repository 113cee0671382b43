"""Scans to meshes end to end: seconds by stage, accuracy and memory, in a warm process and a cold one.

The first conversion of the process pays for starting CUDA and its libraries, the second of the same preset is
warm. Stages are nested: `reconstruct` is `prepared` to `fit`, `mesh` is `extract` to `with_attributes`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import recon
from recon.surface import conversion, pipeline, reconstruction
from trial.parts import DATA, Trial
from trial.problem import Clock, accuracy, commanded, options, peak_memory, preset

STAGES = (
    (conversion, "read_clouds"),
    (pipeline, "prepared"),
    (pipeline, "point_noise"),
    (pipeline, "point_spacing"),
    (pipeline, "smoothed"),
    (pipeline, "_space_samples"),
    (pipeline, "machine_origin"),
    (pipeline, "open_run"),
    (pipeline, "SurfaceTask"),
    (pipeline, "fit"),
    (pipeline, "reconstruct"),
    (reconstruction, "extract"),
    (reconstruction, "keep_parts"),
    (reconstruction, "trimmed"),
    (reconstruction, "with_attributes"),
    (conversion, "write_mesh"),
    (conversion, "mesh_statistics"),
)


@dataclass(frozen=True)
class Wanted:
    """A conversion: the scan of data/, the preset, the seconds it must at least have left to be begun, and
    what it may take at most on a current GPU."""

    shape: str
    preset: str
    needs: float = 0.0
    bar: float | None = None


WARM = (
    Wanted("coupling", "draft"),
    Wanted("coupling", "draft"),
    Wanted("coupling", "standard", bar=3.0),
    Wanted("kitten", "standard", needs=15, bar=3.0),
)
QUICK = (Wanted("oni", "draft"),)
COLD = (Wanted("coupling", "standard", needs=15, bar=8.0), Wanted("kitten", "draft", needs=15))


def run(trial: Trial) -> None:
    for count, wanted in enumerate(QUICK if trial.quick else WARM):
        converted(trial, wanted, f"call {count + 1} of the process")
    for wanted in QUICK if trial.quick else COLD:
        _cold(trial, wanted)


def _enough(trial: Trial, wanted: Wanted, what: str) -> bool:
    enough = trial.left() > wanted.needs or trial.quick
    if not enough:
        trial.note(what, skipped=f"{trial.left():.0f} s left")
    return enough


def converted(trial: Trial, wanted: Wanted, when: str) -> None:
    """One conversion in this process."""
    what = f"{wanted.shape} {wanted.preset}, {when}"
    if not _enough(trial, wanted, what):
        return
    out, run = (trial.work / f"{wanted.shape}.{wanted.preset}{end}" for end in (".ply", ".run"))
    clock = Clock(trial)
    peak_memory(trial, anew=True)
    if run.exists():
        run.rename(run.with_suffix(f".{time.monotonic_ns()}"))  # else it would be taken up again
    with clock.over(*STAGES):
        start = time.perf_counter()
        mesh, summary = conversion.convert(
            [DATA / f"{wanted.shape}.ply"],
            out,
            preset(trial, wanted.preset),
            run,
            device=trial.device,
            overwrite=True,
        )
        seconds = time.perf_counter() - start
    figures: dict[str, Any] = {"seconds": seconds, **_met(wanted, seconds)}
    figures |= {name: summary[name] for name in ("steps", "recoveries", "faces", "watertight", "genus")}
    figures |= clock.figures() | peak_memory(trial) | accuracy(trial, wanted.shape, mesh)
    trial.note(what, **figures)


def _cold(trial: Trial, wanted: Wanted) -> None:
    """The command in a process of its own."""
    what = f"{wanted.shape} {wanted.preset}, cold: the command"
    if not _enough(trial, wanted, what):
        return
    out = trial.work / f"{wanted.shape}.{wanted.preset}.cold.ply"
    start = time.perf_counter()
    scan = DATA / f"{wanted.shape}.ply"
    code, said, complained = commanded(trial, "mesh", scan, "-o", out, *options(trial, wanted.preset))
    seconds = time.perf_counter() - start
    if code:
        trial.note(what, ok=False, said=(complained.strip().splitlines() or ["nothing"])[-3:])
        return
    summary = json.loads(said)
    stages = {f"s_{name}": value for name, value in summary["seconds"].items()}
    error = accuracy(trial, wanted.shape, recon.read_mesh(out))
    figures = {"seconds": seconds, **_met(wanted, seconds), "s_convert": summary["seconds_all"]}
    trial.note(what, **figures, **stages, **error)


def _met(wanted: Wanted, seconds: float) -> dict[str, Any]:
    return {} if wanted.bar is None else {"bar_seconds": wanted.bar, "bar_met": seconds <= wanted.bar}

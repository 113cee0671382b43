"""A field and its task as `recon mesh` makes them; stages by the clock; how far a mesh is from the truth."""

from __future__ import annotations

import dataclasses
import io
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import cache, partial
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch

import recon
from recon.cli.main import main
from recon.field.siren import Siren
from recon.geometry import Frame, Mesh, PointCloud
from recon.scan.preparation.inside import SpaceSamples, Surroundings
from recon.scan.preparation.spacing import point_spacing
from recon.surface.evaluation import evaluate
from recon.surface.loss import SurfaceTask
from recon.surface.pipeline import surrounding_box
from recon.surface.settings import PRESETS, Config
from recon.training.step import StepInputs
from recon.training.trainer import rate_at
from trial.parts import DATA, ROOT, Trial

SPACE_SAMPLES = 20_000
QUICK = {
    "field": {"width": 16, "hidden": 2},
    "surface": {"on_surface": 100, "off_surface": 100, "prior_samples": 2_000},
    "fit": {"steps": 20},
    "mesh": {"resolution": 16},
}


def preset(trial: Trial, name: str) -> Config:
    """A preset, its trunk that for sparse scans, or with --quick the least that runs."""
    config = PRESETS[name]
    if trial.quick:
        return config.with_(**QUICK)
    width = config.field.width or config.heads.sparse_width
    return config.with_(field={"width": width}, fit={"steps": config.fit.steps or config.heads.most_steps})


def options(trial: Trial, name: str) -> list[object]:
    """The same for a command."""
    settings = [f"{stage}.{key}={value}" for stage, own in QUICK.items() for key, value in own.items()]
    found: list[object] = ["--preset", name, "--device", trial.device, "--json", "--quiet"]
    for setting in settings if trial.quick else ():
        found += ["--set", setting]
    return found


def commanded(trial: Trial, *words: object) -> tuple[int, str, str]:
    """A command of recon: its exit code and what it says, in a process of its own; with --quick in this one,
    as a process takes longer to start than all that it does then."""
    if not trial.quick:
        command = trial.command("-m", "recon", *words)
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr
    said, complained = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(complained):
        code = main([str(word) for word in words])
    return code, said.getvalue(), complained.getvalue()


@cache
def _prepared(name: str, margin: float) -> tuple[PointCloud, SpaceSamples, float]:
    """A scan of data/ in the unit frame, samples of space around it, and the spacing of its points."""
    cloud = recon.read_cloud(DATA / f"{name}.ply")
    unit = PointCloud(Frame.around(cloud.points, margin).to_unit(cloud.points), cloud.normals)
    threads = torch.get_num_threads()
    around = Surroundings(unit, 0, threads)
    space = around.sample(surrounding_box(unit.points, margin), SPACE_SAMPLES, 0.5, 0)
    return unit, space, point_spacing(unit.points, threads)


def problem(name: str, config: Config, device: str) -> tuple[Siren, SurfaceTask]:
    unit, space, spacing = _prepared(name, config.scan.margin)
    generator = torch.Generator().manual_seed(config.seed)
    field = Siren(config.field.resolved_for(spacing), generator=generator).to(device)
    return field, SurfaceTask(unit, space, config.surface, config.seed, device)


def moments(steps: range, task: SurfaceTask, config: Config) -> list[StepInputs]:
    """What steps of a training are told."""
    found = []
    for step in steps:
        share = step / config.fit.total
        weights = [weight(share) for weight in task.weights.values()]
        found.append(StepInputs(step, rate_at(share, step, config.fit), weights, share))
    return found


def moved(batch: Any, device: str) -> Any:
    """A batch on another device."""
    tensors = {k: v.to(device) for k, v in vars(batch).items() if isinstance(v, torch.Tensor)}
    return dataclasses.replace(batch, **tensors)


class Clock:
    """Seconds of the functions of a program, by name; those called from one of them are part of it, too."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.seconds: dict[str, float] = {}

    def _timed(self, name: str, work: Callable[..., Any], *args: Any, **named: Any) -> Any:
        self.trial.wait()
        start = time.perf_counter()
        try:
            return work(*args, **named)
        finally:
            self.trial.wait()
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    @contextmanager
    def over(self, *functions: tuple[ModuleType, str]) -> Iterator[None]:
        """Within it, these functions, named in these modules, are timed."""
        with ExitStack() as stack:
            for module, name in functions:
                work = partial(self._timed, name.strip("_"), getattr(module, name))
                stack.enter_context(patch.object(module, name, work))
            yield

    def figures(self) -> dict[str, float]:
        return {f"s_{name}": round(seconds, 4) for name, seconds in self.seconds.items()}


def peak_memory(trial: Trial, anew: bool = False) -> dict[str, float]:
    """GB of the device's memory held at most since asked for `anew`, by tensors and by the allocator."""
    if not trial.on_gpu:
        return {}
    if anew:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(trial.device)
    return {
        "gpu_gb": torch.cuda.max_memory_allocated(trial.device) / 1e9,
        "gpu_reserved_gb": torch.cuda.max_memory_reserved(trial.device) / 1e9,
    }


def samples(trial: Trial) -> int:
    """Of each surface, for distances between two."""
    return 2_000 if trial.quick else 100_000


def accuracy(trial: Trial, shape: str, mesh: Mesh) -> dict[str, float]:
    """Mean and 99th percentile of the distances, in 0.001 half sides: both ways from the true surface of a
    scan of data/, else from its points."""
    path = DATA / f"{shape}_reference.ply"
    truth: Any = recon.read_mesh(path) if path.exists() else recon.read_cloud(DATA / f"{shape}.ply")
    found = evaluate(mesh, truth, samples=samples(trial))
    distances = found.both or found.reference_to_mesh
    return {"mean_distance": distances.mean, "p99": distances.p99}

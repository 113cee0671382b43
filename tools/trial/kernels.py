"""Where a step's time goes: the wall clock, what the host needs, and the kernels that run, by time."""

from __future__ import annotations

import time
from typing import Any

import torch

from recon.field.kernels import fast_kernels
from recon.surface.settings import Config
from recon.training.step import Steps
from recon.training.trainer import WINDOW_STEPS
from trial.parts import Trial
from trial.problem import moments, preset, problem

SHOWN = 25
WINDOWS = 5


def run(trial: Trial) -> None:
    standard = preset(trial, "standard")
    large = standard.with_(field={"width": 256}, surface={"on_surface": 125_000, "off_surface": 125_000})
    with fast_kernels():
        _profiled(trial, "standard", standard)
        if not trial.quick:
            _profiled(trial, "250,000 points", large)


def _profiled(trial: Trial, name: str, config: Config) -> None:
    field, task = problem(trial.shape, config, trial.device)
    steps = Steps(field, task, config.fit)
    steps.window(moments(range(WINDOW_STEPS if trial.on_gpu else 3), task, config))
    trial.wait()
    count = WINDOW_STEPS * (1 if trial.quick else WINDOWS)
    start = time.perf_counter()
    for first in range(0, count, WINDOW_STEPS):
        steps.window(moments(range(first, first + WINDOW_STEPS), task, config))
    each = (time.perf_counter() - start) / count
    trial.note(f"{name}: a step", microseconds=1e6 * each)
    _host(trial, name, steps, config)
    profiled = WINDOW_STEPS if trial.on_gpu else 5
    profiler: Any = torch.profiler if trial.on_gpu else torch.autograd.profiler  # which loads no compiler
    with profiler.profile() as profile:
        steps.window(moments(range(count, count + profiled), task, config))
        trial.wait()
    found = _by_kernel(profile, trial.on_gpu)
    total, calls = sum(row[1] for row in found), sum(row[2] for row in found)
    trial.note(
        f"{name}: kernels",
        busy_us=total / profiled,
        calls=calls / profiled,
        of_the_wall=total / profiled / 1e6 / each,
    )
    for kernel, micro, times in found[:SHOWN]:
        trial.note(f"{name}: kernel", us=micro / profiled, calls=times / profiled, kernel=kernel[:160])


def _host(trial: Trial, name: str, steps: Steps, config: Config) -> None:
    """What sampling costs, which is not recorded, and what asking for one replay costs."""
    task: Any = steps.task
    trial.wait()
    start = time.perf_counter()
    for step in range(WINDOW_STEPS):
        task.sample(step)
    trial.wait()
    figures = {"sample_us": 1e6 * (time.perf_counter() - start) / WINDOW_STEPS}
    if steps._recorded is not None:
        work = steps._recorded[0]
        start = time.perf_counter()
        for _ in range(WINDOW_STEPS):
            work()
        asked = time.perf_counter() - start
        trial.wait()
        figures |= {
            "ask_us": 1e6 * asked / WINDOW_STEPS,
            "replay_us": 1e6 * (time.perf_counter() - start) / WINDOW_STEPS,
        }
    trial.note(f"{name}: of a step", **figures)


def _by_kernel(profile: Any, on_gpu: bool) -> list[tuple[str, float, int]]:
    """Name, microseconds and calls of each kernel, or each operation of the CPU; the longest first."""
    found = []
    for event in profile.key_averages():
        if on_gpu and event.device_type == torch.autograd.DeviceType.CUDA:
            found.append((event.key, float(event.self_device_time_total), int(event.count)))
        elif not on_gpu:
            found.append((event.key, float(event.self_cpu_time_total), int(event.count)))
    return sorted(found, key=lambda row: -row[1])

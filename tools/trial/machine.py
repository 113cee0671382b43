"""Versions, the card, and what it can do at most: matrix products by precision, and a copy."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import torch

from trial.parts import Trial

PACKAGES = ("numpy", "scipy", "libigl", "scikit-image", "plyfile", "trimesh", "triton")
REPEATS = 10


def run(trial: Trial) -> None:
    versions = {name.replace("-", "_"): _version(name) for name in PACKAGES}
    trial.note("versions", python=platform.python_version(), torch=torch.__version__, **versions)
    trial.note("host", system=platform.platform(), cores=len(os.sched_getaffinity(0)))
    if trial.on_gpu:
        _card(trial)
    _peaks(trial)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _card(trial: Trial) -> None:
    command = [
        "nvidia-smi",
        "--query-gpu=name,driver_version,memory.total,clocks.sm",
        "--format=csv,noheader",
    ]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    start = time.perf_counter()
    torch.zeros(1, device=trial.device)
    trial.wait()
    seconds = time.perf_counter() - start
    about = torch.cuda.get_device_properties(trial.device)
    trial.note(
        "card",
        nvidia_smi=said,
        name=about.name,
        memory_gb=about.total_memory / 1e9,
        multiprocessors=about.multi_processor_count,
        capability=f"{about.major}.{about.minor}",
        built_for=" ".join(torch.cuda.get_arch_list()),
        cuda=torch.version.cuda,
        seconds_to_start=seconds,
    )


def _peaks(trial: Trial) -> None:
    """TFLOP/s of a large product by precision, which other parts compare with; TB/s of a copy."""
    size = 8192 if trial.on_gpu else 256
    generator = torch.Generator(trial.device).manual_seed(0)
    a, b = (torch.randn(size, size, device=trial.device, generator=generator) for _ in range(2))
    work = 2 * size**3 / 1e12
    found = {"float32": work / _seconds(trial, lambda: a @ b)}
    if trial.on_gpu:
        settings = torch.backends.cuda.matmul
        settings.fp32_precision = "tf32"
        found["tf32"] = work / _seconds(trial, lambda: a @ b)
        settings.fp32_precision = "ieee"
    half, other = a.bfloat16(), b.bfloat16()
    found["bfloat16"] = work / _seconds(trial, lambda: half @ other)
    target = torch.empty_like(a)
    copied = 2 * a.numel() * 4 / 1e12 / _seconds(trial, lambda: target.copy_(a))
    trial.note("peak", size=size, **{f"{name}_tflops": rate for name, rate in found.items()}, copy_tbs=copied)
    empty = torch.zeros(8, device=trial.device)
    trial.note("launch", microseconds=1e6 * _seconds(trial, lambda: empty.add_(1.0), 200))


def _seconds(trial: Trial, work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Of one `work`, when warm."""
    for _ in range(2):
        work()
    trial.wait()
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    trial.wait()
    return (time.perf_counter() - start) / repeats

"""The device to work on, and why it cannot be had."""

from __future__ import annotations

import logging
import re

import torch

from recon.errors import UsageError

log = logging.getLogger("recon")


def choose_device(name: str) -> torch.device:
    """The torch device that `name` stands for: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N".
    Raises UsageError where there is none or one that this PyTorch has no code for; "auto" then is the CPU.
    """
    try:
        device = torch.device("cuda" if name == "auto" else name)
    except RuntimeError:
        raise UsageError(f"no device is called '{name}': auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device '{name}' is not supported: auto, cpu, cuda or cuda:N")
    if device.type == "cpu":
        return device
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= found:
        if name == "auto":
            return torch.device("cpu")
        raise UsageError(f"there is no device '{name}': {found} GPUs were found{_why_none(found)}")
    if trouble := _too_old(device):
        if name != "auto":
            raise UsageError(f"{trouble}; or give --device cpu")
        log.warning("%s; going on without it", trouble)
        return torch.device("cpu")
    return device


def _why_none(found: int) -> str:
    """A hint where PyTorch finds no GPU at all."""
    if found:
        return ""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"; PyTorch {torch.__version__} is built without CUDA"
    return f"; PyTorch {torch.__version__} needs a driver for CUDA {torch.version.cuda}: see nvidia-smi"


def _too_old(device: torch.device) -> str | None:
    """What is wrong where this PyTorch has no code for the GPU: neither for its generation, of the same or
    an earlier kind, nor such as a driver translates.
    """
    capability = torch.cuda.get_device_capability(device)
    built = [(kind, int(number[:-1]), int(number[-1])) for kind, number in _built_for()]
    if (
        not built
        or torch.version.cuda is None
        or any(
            (major, minor) <= capability and (kind == "compute" or major == capability[0])
            for kind, major, minor in built
        )
    ):
        return None
    return (
        f"{torch.cuda.get_device_name(device)} has compute capability {capability[0]}.{capability[1]}, "
        f"PyTorch {torch.__version__} has code for {' '.join(torch.cuda.get_arch_list())}: "
        "install a build that has"
    )


def _built_for() -> list[tuple[str, str]]:
    """Of each architecture: machine code ("sm") or what a driver translates ("compute"), and its number."""
    return re.findall(r"(sm|compute)_(\d+)", " ".join(torch.cuda.get_arch_list()))


def device_name(device: torch.device) -> str:
    """What a person calls it."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"

"""The device to work on, and why it is not available."""

from __future__ import annotations

import logging
import re

import torch

from recon.errors import UsageError, check_kind

log = logging.getLogger("recon")


def choose_device(name: str | torch.device) -> torch.device:
    """Returns the torch device called `name`: "auto" (a GPU if there is a usable one), "cpu" or "cuda[:N]".

    Raises:
        UsageError: there is no such device, or this PyTorch has no code for it.
    """
    check_kind("device", name, str | torch.device, "auto, cpu, cuda or cuda:N")
    try:
        device = torch.device("cuda" if name == "auto" else name)
    except RuntimeError:
        raise UsageError(f"no device is called '{name}'; use auto, cpu, cuda or cuda:N") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"device '{name}' is not supported; use auto, cpu, cuda or cuda:N")
    if device.type == "cpu":
        return device
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= count:
        if name == "auto":
            return torch.device("cpu")
        raise UsageError(f"there is no device '{name}': {count} GPUs were found{_why_none(count)}")
    if trouble := _too_old(device):
        if name != "auto":
            raise UsageError(f"{trouble}; or give --device cpu")
        log.warning("%s; using the CPU", trouble)
        return torch.device("cpu")
    return device


def _why_none(count: int) -> str:
    """A hint why PyTorch finds no GPU."""
    if count:
        return ""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"; PyTorch {torch.__version__} is built without CUDA"
    return f"; PyTorch {torch.__version__} needs a driver for CUDA {torch.version.cuda}: see nvidia-smi"


def _too_old(device: torch.device) -> str | None:
    """What is wrong if this PyTorch has neither machine code nor portable (PTX) code for the GPU."""
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
        "install a build that supports it"
    )


def _built_for() -> list[tuple[str, str]]:
    """The kind ("sm" is machine code, "compute" is PTX) and number of each architecture in this PyTorch."""
    return re.findall(r"(sm|compute)_(\d+)", " ".join(torch.cuda.get_arch_list()))


def device_name(device: torch.device) -> str:
    """The name of the device for messages."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"

"""Devices are found by name, and what is wrong with one is told."""

from __future__ import annotations

import pytest
import torch

from recon.base.device import choose_device
from recon.errors import UsageError


@pytest.mark.parametrize("name", ["tpu", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        choose_device(name)


@pytest.mark.parametrize(
    ("capability", "built", "fits"),
    [
        ((9, 0), ["sm_75", "sm_80", "sm_90", "sm_120"], True),
        ((8, 9), ["sm_75", "sm_80"], True),  # a later one of the same kind
        ((6, 1), ["sm_75", "sm_80"], False),
        ((7, 0), ["sm_75", "compute_80"], False),
        ((13, 0), ["sm_75", "sm_120"], False),
        ((13, 0), ["sm_75", "compute_120"], True),  # which the driver translates
    ],
)
def test_a_gpu_that_this_pytorch_has_no_code_for_is_told(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capability: tuple[int, int],
    built: list[str],
    fits: bool,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some card")
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    if fits:
        assert choose_device("cuda").type == choose_device("auto").type == "cuda"
        return
    with pytest.raises(UsageError, match=r"Some card has compute capability \d+\.\d, .*--device cpu"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"
    assert "using the CPU" in caplog.text


def test_why_there_is_no_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UsageError, match=r"0 GPUs were found; PyTorch .* is built without CUDA"):
        choose_device("cuda")
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(UsageError, match=r"needs a driver for CUDA 13\.0: see nvidia-smi"):
        choose_device("cuda:1")
    assert choose_device("auto").type == "cpu"

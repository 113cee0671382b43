"""Which devices the scans of a batch get, and that finding out takes no time where there is no GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from recon.batching import local
from recon.batching.local import may_have_gpu, scan_slots
from recon.errors import UsageError

BEGIN = "import sys, recon.batching.batch as b; b.scan_slots('cpu', 1, 1); print('torch' in sys.modules)"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch is asked")
def test_the_devices_of_a_driver_tell_of_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "DEVICES", tmp_path)
    for name in ("nvme0", "nvram", "null"):
        (tmp_path / name).touch()
    assert not may_have_gpu()
    for name in ("nvidiactl", "nvhost-gpu", "kfd", "dxg"):
        (tmp_path / name).touch()
        assert may_have_gpu()
        (tmp_path / name).unlink()


def test_on_cpus_as_many_scans_at_a_time_as_asked_for() -> None:
    assert scan_slots("cpu", 3, 2) == (["cpu"] * 3, 2)
    with pytest.raises(UsageError, match="no device is called 'tpu9'"):
        scan_slots("tpu9", None, None)
    with pytest.raises(UsageError, match="jobs is 0"):
        scan_slots("cpu", 0, None)


@pytest.mark.slow
def test_a_batch_on_cpus_begins_without_pytorch() -> None:
    assert subprocess.run([sys.executable, "-c", BEGIN], capture_output=True, text=True).stdout == "False\n"

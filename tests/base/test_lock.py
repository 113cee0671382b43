"""A lock is one process's at a time, and nobody's once that is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE

from recon.base.lock import locked
from recon.errors import OutputError

pytestmark = pytest.mark.slow

HOLDER = """
import sys
from pathlib import Path
from recon.base.lock import locked
with locked(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_it_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    with pytest.raises(OutputError, match=f"the folder is in use by process {holder.pid} on "):
        locked(path, "the folder").__enter__()
    holder.kill()
    holder.communicate()
    assert path.exists()
    with locked(path, "the folder"):
        pass
    assert not path.exists()


def test_one_that_is_waited_for_comes(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdin and holder.stdout.readline() == "held\n"
    holder.stdin.close()
    with locked(path, "the folder", wait=PATIENCE):
        assert path.exists()
    holder.wait()
    holder.stdout.close()

"""Whatever files and command lines hold, it is dealt with or refused in one line: soon, in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
@pytest.mark.parametrize(("kind", "count"), [("files", 700), ("runs", 60), ("commands", 20)])
def test_damaged_files_are_read_or_refused(kind: str, count: int, root: Path, tmp_path: Path) -> None:
    """A sample of what tools/fuzz.py tries."""
    command = [sys.executable, str(root / "tools" / "fuzz.py"), "-n", str(count), "--only", kind]
    done = subprocess.run([*command, "-o", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == [f"{count:,} cases, 0 findings"], done.stdout + done.stderr
    assert done.returncode == 0

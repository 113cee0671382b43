"""The tests of the suite that need a GPU."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stdout

import pytest

from trial.parts import ROOT, Trial

MARK = "pytest.mark.gpu"
WANTED = re.compile(r"^(FAILED|ERROR)|^\d+ \w+.* in [\d.]+s")
TITLE = re.compile(r"^_{3,} (.+) _{3,}$")
KEPT = 15  # last lines of each test that failed


def run(trial: Trial) -> None:
    files = [
        path.relative_to(ROOT)
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        if MARK in path.read_text(encoding="utf-8")
    ]
    options = ["-m", "gpu", "-rfE", "--tb=short", "-p", "no:cacheprovider", "--durations=5"]
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    out = io.StringIO()
    with redirect_stdout(out):  # in this process, which has PyTorch loaded
        code = pytest.main([*options, *map(str, files)])
    said = out.getvalue()
    print(said)
    lines = [line for line in said.splitlines() if WANTED.match(line)]
    trial.note("tests", files=len(files), ok=code == 0, said=lines)
    for test, last in failures(said).items():
        trial.note(f"failed: {test}", said=last)
    if code:
        raise SystemExit(1)


def failures(said: str) -> dict[str, list[str]]:
    """The last lines about each test that failed, by its name."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in said.splitlines():
        if title := TITLE.match(line):
            lines = found.setdefault(title[1], [])
        elif line.startswith("==="):
            lines = []
        else:
            lines.append(line)
    return {test: lines[-KEPT:] for test, lines in found.items()}

"""A readable file of every kind and layout, to be damaged."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
make_good_files = importlib.import_module("fuzzing.good_files").make_good_files


@pytest.fixture
def good_files(tmp_path: Path) -> list[Path]:
    """Of 60 points each, or of a mesh of 42 vertices."""
    return make_good_files(tmp_path / "good")

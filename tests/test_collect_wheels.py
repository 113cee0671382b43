"""The wheels that a machine without internet lacks are found by what it has and what they need."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
import collect_wheels as module

LIST = """Package            Version
------------------ ------------
numpy              2.5.2
scikit-image       0.26.0
PyYAML             6.0.3
torch              2.11.0+cu130
"""
# What each wheel says that it needs.
NEEDS = {
    "laspy": ["numpy", "lazrs>=0.5; extra == 'lazrs'", "colours>=2; python_version < '3.12'"],
    "e57": ["quaternions[fast]", "numpy>=1"],
    "quaternions": ["arrows; extra == 'fast'", "numpy>=2.6"],
}


def collected(wanted: list[str], python: str, tmp_path: Path, there: str = LIST) -> list[str]:
    """What is asked for, in order, where laspy and colours have a pin."""
    asked: list[str] = []

    def fetch(one: Requirement) -> Path:
        asked.append(str(one))
        wheel = tmp_path / f"{one.name}.whl"
        lines = [f"Requires-Dist: {line}" for line in NEEDS.get(one.name, [])]
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(f"{one.name}-1.dist-info/METADATA", "\n".join([f"Name: {one.name}", *lines, ""]))
        return wheel

    pins = ["laspy==2.7.0", "colours==2.1; python_version < '3.11'", "colours==3.0; python_version >= '3.11'"]
    module.collect(
        map(Requirement, wanted),
        module.installed(there),
        map(Requirement, pins),
        module.target(python, "x86_64"),
        fetch,
    )
    return asked


def test_what_serves_stays_and_the_rest_is_fetched_as_pinned(tmp_path: Path) -> None:
    wanted = ["numpy>=1.26", "pyyaml>=6", "scikit_image>=0.24", "torch>=2.11", "laspy>=2.5", "plyfile>=1"]
    assert collected(wanted, "3.12", tmp_path) == ["laspy==2.7.0", "plyfile>=1"]
    assert collected(wanted, "3.11", tmp_path) == ["laspy==2.7.0", "plyfile>=1", "colours==3.0"]
    assert collected(["laspy", "numpy>=3"], "3.10", tmp_path) == ["laspy==2.7.0", "numpy>=3", "colours==2.1"]


def test_extras_are_followed_where_they_are_asked_for(tmp_path: Path) -> None:
    assert collected(["laspy[lazrs]"], "3.12", tmp_path) == ["laspy==2.7.0", "lazrs>=0.5"]
    marked = "e57; platform_machine == 'x86_64'"
    assert collected([marked], "3.12", tmp_path) == ["e57", "quaternions", "arrows", "numpy>=2.6"]
    assert collected(["e57; sys_platform == 'win32'"], "3.12", tmp_path) == []


@pytest.mark.parametrize(("line", "has"), [("torch 2.5.1", "has 2.5.1"), ("numpy 2.5.2", "has none")])
def test_pytorch_is_the_machine_s_own(tmp_path: Path, line: str, has: str) -> None:
    with pytest.raises(module.Missing, match=f"the machine {has}: it needs torch>=2.11 of its own first"):
        collected(["plyfile", "torch>=2.11"], "3.12", tmp_path, line)


def test_pip_freeze_says_it_too_and_unknown_extras_are_told() -> None:
    versions = module.installed("numpy==2.5.2\ntorch==2.11.0+cu130\nlocal @ file:///somewhere\n")
    assert {name: str(version) for name, version in versions.items()} == {
        "numpy": "2.5.2",
        "torch": "2.11.0+cu130",
    }
    assert {"laspy", "torch", "pye57"} <= {one.name for one in module.needs(["e57"])}
    with pytest.raises(module.Missing, match="there is no extra guitars"):
        module.needs(["guitars"])

"""pyproject.toml, environment.yml, tools/constraints.txt, CHANGELOG.md and the package say the same."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

import recon

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONDA_NAMES = {"igl": "libigl", "lazrs-python": "lazrs", "pysoundfile": "soundfile", "pytorch": "torch"}


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def requirements(project: dict[str, Any]) -> list[Requirement]:
    extras = project["optional-dependencies"].values()
    return [Requirement(line) for line in sum(extras, project["dependencies"])]


def test_environment_agrees_with_pyproject(
    root: Path, project: dict[str, Any], requirements: list[Requirement]
) -> None:
    text = (root / "environment.yml").read_text(encoding="utf-8")
    listed = re.findall(r"^  - (\S+ [<>=].*)$", text, re.MULTILINE)
    conda = {}
    for requirement in map(Requirement, listed):
        conda[CONDA_NAMES.get(requirement.name, requirement.name)] = requirement.specifier
    wanted = {requirement.name: requirement.specifier for requirement in requirements}
    assert conda == {"python": Requirement(f"python{project['requires-python']}").specifier, **wanted}
    assert "      - -e ." in text.splitlines()


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12"])
def test_every_requirement_is_pinned_once_within_its_bounds(
    root: Path, requirements: list[Requirement], python: str
) -> None:
    applies = lambda r: r.marker is None or r.marker.evaluate({"python_version": python})  # noqa: E731
    lines = (root / "tools" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [r for r in map(Requirement, (line for line in lines if line and line[0] != "#")) if applies(r)]
    versions = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}
    assert len(versions) == len(pins)
    outside = [r for r in requirements if applies(r) and not r.specifier.contains(versions.get(r.name, "0"))]
    assert outside == []


def test_versions_agree(root: Path, project: dict[str, Any]) -> None:
    newest = re.search(r"^## \[([\d.]+)\]", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == project["version"] == recon.__version__


@pytest.mark.slow
def test_setup_names_the_extras_it_knows(root: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(root / "tools" / "setup"), "everything"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    known = "test, tensorboard, cluster, e57, geo, report, signals, view"
    assert done.stderr == f"tools/setup: no extra is called 'everything'; there are: {known}\n"


def test_type_checkers_know_every_public_name(root: Path) -> None:
    tree = ast.parse((root / "recon" / "__init__.py").read_text(encoding="utf-8"))
    (told,) = (node for node in tree.body if isinstance(node, ast.If))
    known = {
        (alias.asname, node.module)
        for node in told.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert known == set(recon._MODULE_OF.items())

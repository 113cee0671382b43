"""pyproject.toml, environment.yml, tools/constraints.txt, CHANGELOG.md and the package say the same."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import recon

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOR_DEVELOPERS = {"recon/report/vendor/README.md", "recon/report/vendor/entry.js"}
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
    listed = re.findall(r"^ +- (\S+ [<>=].*)$", text, re.MULTILINE)
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
def test_a_built_distribution_has_all_that_the_program_needs(root: Path, tmp_path: Path) -> None:
    """Built from the sources, then from the source distribution, and installed somewhere else."""

    def built(kind: str, source: Path) -> Path:
        program = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(tmp_path)!r}))"
        command = [sys.executable, "-W", "ignore", "-c", program]
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
        return tmp_path / done.stdout.splitlines()[-1]

    files = [path for path in (root / "recon").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    listed = {path.relative_to(root).as_posix() for path in files}
    source = tmp_path / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE", *listed):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, source / name)
    with tarfile.open(built("sdist", source)) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("neural_recon-*/")
    wheel, target = built("wheel", unpacked), tmp_path / "installed"
    install = [
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--no-compile",
        "--target",
        str(target),
    ]
    subprocess.run([sys.executable, "-m", *install, str(wheel)], check=True, capture_output=True)
    there = {path.relative_to(target).as_posix() for path in (target / "recon").rglob("*") if path.is_file()}
    assert there == listed - FOR_DEVELOPERS
    run = subprocess.run(
        [sys.executable, str(target / "bin" / "recon"), "--version"],
        env=os.environ | {"PYTHONPATH": str(target)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == f"recon {recon.__version__}\n"


@pytest.mark.slow
def test_setup_knows_every_extra(root: Path, project: dict[str, Any], tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", str(root / "tools" / "setup"), "everything"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    start, _, known = done.stderr.strip().rpartition(": ")
    assert start == "tools/setup: no extra is called 'everything'; there are"
    assert sorted(known.split(", ")) == sorted(project["optional-dependencies"])


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


def test_the_image_is_made_of_what_there_is(root: Path, project: dict[str, Any]) -> None:
    text = (root / "Dockerfile").read_text(encoding="utf-8")
    kept = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sources = [word for line in re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE) for word in line.split()]
    assert sources and all((root / source).exists() and f"!{source}" in kept for source in sources)
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", text, re.MULTILINE)
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    (version,) = re.findall(r"^FROM python:([\d.]+)-slim$", text, re.MULTILINE)
    assert Requirement(f"python{project['requires-python']}").specifier.contains(version)
    assert re.search(r"^USER (?!root)", text, re.MULTILINE)


def test_the_citation_is_of_this_version(root: Path) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == recon.__version__ and citation["license"] == "MIT"
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_other_systems_are_tried_with_what_is_supported(root: Path, project: dict[str, Any]) -> None:
    workflow = yaml.safe_load((root / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    matrix = workflow["jobs"]["everywhere"]["strategy"]["matrix"]
    supported = Requirement(f"python{project['requires-python']}").specifier
    around = [f"3.{minor}" for minor in range(8, 20) if supported.contains(f"3.{minor}.1")]
    assert [around[0], around[-1]] == matrix["python"]
    (torch,) = (Requirement(line) for line in project["dependencies"] if line.startswith("torch"))
    oldest = matrix["torch"][0].removeprefix("torch==").removesuffix(".*")
    assert str(torch.specifier) == f">={oldest}"
    assert {system.split("-")[0] for system in matrix["system"]} == {"ubuntu", "macos", "windows"}
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    commands = {step.split()[1] for step in steps if step.startswith("recon ")}
    assert commands == {"mesh", "report", "eval", "batch"} and "bash tools/test" in steps

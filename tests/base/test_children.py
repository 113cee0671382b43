"""Processes that the program starts run no code that lies in the working directory."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recon.base.children import python_command
from recon.version import VERSION

ELSEWHERE = ("executable", "system", "spawn", "processor")  # the last starts `uname`


@pytest.mark.slow
def test_modules_in_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    """And the program is this one, whatever other version is installed."""
    for name in {*sys.stdlib_module_names, "recon", "numpy", "torch", "sitecustomize"}:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('let in')")
    (tmp_path / "installed" / "recon").mkdir(parents=True)
    (tmp_path / "installed" / "recon" / "__init__.py").write_text("raise SystemExit('another version')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "installed")}
    options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    done = subprocess.run(python_command("recon", "--version"), check=False, **options)  # type: ignore[call-overload]
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"recon {VERSION}\n")


def test_every_process_is_started_by_that_command(root: Path) -> None:
    """Elsewhere nothing knows the interpreter, and nothing is run by a shell."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted((root / "recon").rglob("*.py"))
        if path.name != "children.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in ELSEWHERE)
        or (isinstance(node, ast.Call) and ast.unparse(node.func) == "platform.platform")  # so does this
        or (isinstance(node, ast.keyword) and node.arg == "shell")
    ]
    assert found == []

"""Processes that the program starts run no code that lies in the working directory."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from recon.base.children import python_command


@pytest.mark.slow
def test_modules_in_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    for name in {*sys.stdlib_module_names, "recon", "numpy", "torch", "sitecustomize"}:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('let in')")
    done = subprocess.run(
        python_command("recon", "--version"), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("recon ")


def test_every_process_is_started_by_that_command(root: Path) -> None:
    """Elsewhere nothing knows the interpreter, and nothing is run by a shell."""
    found = [
        f"{path.name}:{node.lineno}"
        for path in sorted((root / "recon").rglob("*.py"))
        if path.name != "children.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in ("executable", "system", "spawn"))
        or (isinstance(node, ast.keyword) and node.arg == "shell")
    ]
    assert found == []

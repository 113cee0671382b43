"""The order of the house: imports go downwards only, importing is light, habits no linter knows hold."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import recon
from recon.training.trainer import _Run

# Lowest first. A module may import from lower layers and from its own package, from nothing beside it.
LAYERS = (
    {"errors", "version"},
    {"base"},
    {"geometry"},
    {"field"},
    {"training"},  # one loop for every task: it knows none of them, and no file of theirs
    {"scan"},
    {"meshing"},
    {"render"},
    {"surface"},
    {"signals"},
    {"pde"},
    {"spaces"},
    {"batching", "info", "report", "studies", "viewer"},
    {"recon"},  # the public names, which only the command line reads
    {"cli"},
    {"__main__"},
)
LEVEL = {room: level for level, layer in enumerate(LAYERS) for room in layer}

GUI = {"open3d", "matplotlib", "plotly", "IPython", "tkinter", "PyQt5", "PyQt6", "PySide2", "PySide6"}
MACHINE_PATH = re.compile(r"/(home|root|Users)/\w")


def imported_rooms(source: str, module: str) -> Iterator[str]:
    """The first names below `recon` that `source` imports; "recon" itself for its public names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for target in targets:
            package, _, rest = target.partition(".")
            room = rest.partition(".")[0]
            if package == "recon":
                yield room if room in LEVEL else "recon"


def offences(source: str, module: str) -> list[str]:
    """What `source`, of the module with that dotted name, imports against the order."""
    room = module.split(".")[1]
    if room not in LEVEL:
        return [f"{module} stands in no layer"]
    return [
        f"{module} imports {other}"
        for other in imported_rooms(source, module)
        if other != room and LEVEL[other] >= LEVEL[room]
    ]


def source_files(root: Path) -> list[Path]:
    return sorted(path for folder in ("recon", "tools", "tests") for path in (root / folder).rglob("*.py"))


def imports_of(root: Path) -> dict[str, set[str]]:
    """The modules of recon that each of them imports, wherever in it."""
    names = {
        ".".join(path.relative_to(root).with_suffix("").parts): path
        for path in (root / "recon").rglob("*.py")
        if path.name != "__init__.py"
    }
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        targets = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                targets |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        found[name] = targets & set(names)
    return found


def test_no_modules_import_each_other_in_a_circle(root: Path) -> None:
    order = TopologicalSorter(imports_of(root))
    order.prepare()  # which names a circle where there is one


def test_no_two_test_files_share_a_name(root: Path) -> None:
    names = Counter(path.name for path in (root / "tests").rglob("*.py") if path.name != "conftest.py")
    assert [name for name, times in names.items() if times > 1] == []  # pytest would collect only the first


def test_imports_go_downwards(root: Path) -> None:
    found = []
    for path in sorted((root / "recon").rglob("*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        if module != "recon.__init__":
            found += offences(path.read_text(encoding="utf-8"), module)
    assert found == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("recon.training.__init__", "from ..surface import loss"),
        ("recon.training.trainer", "import recon.surface.loss"),
        ("recon.training.trainer", "from recon.meshing.extraction import extract"),
        ("recon.training.trainer", "def f():\n    from recon.scan import files"),
        ("recon.meshing.extraction", "from ..surface.pipeline import reconstruct"),
        ("recon.field.siren", "from recon import evaluate"),
        ("recon.scan.preparation.inside", "from recon import PointCloud"),
        ("recon.geometry", "import recon"),
        ("recon.errors", "from .geometry import Mesh"),
        ("recon.report", "from . import viewer"),
        ("recon.attic", "import numpy"),
    ],
)
def test_a_wrong_import_is_seen(module: str, source: str) -> None:
    assert len(offences(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("recon.meshing.components", "from .extraction import extract\nfrom recon.geometry import Mesh"),
        ("recon.surface.loss", "from recon.scan.preparation.inside import inside\nimport numpy.linalg"),
        (
            "recon.cli.main",
            "from recon import __version__, viewer\nfrom recon.surface.pipeline import reconstruct",
        ),
    ],
)
def test_a_right_import_is_let_through(module: str, source: str) -> None:
    assert offences(source, module) == []


def test_a_test_that_is_not_marked_slow_starts_no_process_and_trains_nothing() -> None:
    for work in (lambda: subprocess.run([sys.executable]), lambda: _Run.loop(None)):  # type: ignore[arg-type]
        with pytest.raises(AssertionError, match="mark this test slow"):
            work()


@pytest.mark.slow
def test_importing_recon_loads_no_gui(root: Path) -> None:
    program = (
        "import json, sys, recon\n"
        "[getattr(recon, name) for name in recon.__all__]\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert "recon" in loaded
    assert loaded & GUI == set()


def test_public_names_are_sorted_and_listed() -> None:
    assert sorted(recon.__all__) == sorted(set(recon.__all__))
    assert set(recon.__all__) <= set(dir(recon))


def test_devices_are_named_not_assumed(root: Path) -> None:
    """No call of a method `cuda`, which fails where there is no GPU; `to(device)` is for all machines."""
    calls = [
        f"{path.name}:{node.lineno}"
        for path in source_files(root)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda"
    ]
    assert calls == []


def test_the_layout_can_be_drawn_from_memory(root: Path) -> None:
    """Few rooms, none for one file alone, and each says in a line what it is for."""
    packages = [path.parent for path in (root / "recon").rglob("__init__.py") if "vendor" not in path.parts]
    top = [path for path in packages if path.parent == root / "recon"]
    assert len(top) <= 16 and len(list((root / "recon").glob("*.py"))) <= 5
    for package in packages:
        assert len(list(package.rglob("*.py"))) > 2, package
        assert ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))), package


def test_files_stay_readable_at_a_sitting(root: Path) -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in source_files(root)}
    assert {path.name: lines for path, lines in lengths.items() if lines > 350} == {}


def test_functions_fit_a_screen(root: Path) -> None:
    """Sixty lines at most, without what is said about them."""
    long = {}
    for path in source_files(root):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                first = node.body[0]
                docstring = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) else 0
                if lines - docstring > 60:
                    long[f"{path.name}: {node.name}"] = lines - docstring
    assert long == {}


def test_no_file_knows_a_machine(root: Path) -> None:
    texts = [path for path in root.iterdir() if path.suffix in {".md", ".toml", ".yml"}]
    texts += [path for path in (root / "tools").iterdir() if path.is_file()]
    texts += [*source_files(root), *(root / "docs").rglob("*.md")]
    assert [path.name for path in texts if MACHINE_PATH.search(path.read_text(encoding="utf-8"))] == []

"""A batch that was left alone, and folders that cannot be read."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folder_scans import TINY, Done, make_scans

import recon


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    place = tmp_path_factory.mktemp("undisturbed")
    make_scans(place / "scans")
    results = {r.scan: r for r in recon.batch(place / "scans", place / "out", overrides={"*": TINY}, jobs=2)}
    return Done(place / "scans", place / "out", results)


@pytest.fixture
def close(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Have this process refused to list a folder, as everybody but root is where the permissions say so."""
    closed, scandir = set[Path](), os.scandir

    def refuse(path: Any = ".") -> Any:
        if not isinstance(path, int) and Path(path) in closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return closed.add

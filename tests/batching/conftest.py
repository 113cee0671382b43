"""A batch that was left alone, and folders that cannot be read."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from folder_scans import TINY, Done, make_scans
from waiting import PATIENCE

import recon
from recon.base.lock import locked
from recon.batching import local
from recon.batching.fork_server import ForkServer


@pytest.fixture(scope="session")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Made by the first of the processes that share the tests; the others wait for it. Slow: eight scans, and
    a process for each."""
    base = tmp_path_factory.getbasetemp()
    place = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "undisturbed"
    results = place / "results.pickle"
    with locked(place.with_suffix(".lock"), "the batch", wait=PATIENCE):
        if not results.exists():
            make_scans(place / "scans")
            made = recon.batch(place / "scans", place / "out", overrides={"*": TINY}, jobs=2)
            results.write_bytes(pickle.dumps({result.scan: result for result in made}))
    return Done(place / "scans", place / "out", pickle.loads(results.read_bytes()))


class KeptServer(ForkServer):
    """One for all batches of this process, which would each load PyTorch again."""

    def close(self) -> None:
        """Nothing: `ended` does it."""

    def ended(self) -> None:
        super().close()


@pytest.fixture(scope="session", autouse=True)
def one_server() -> Iterator[None]:
    """Batches share a server of processes."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    server = KeptServer("recon.batching.worker", environment)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "worker_server", lambda threads: server)
        yield
    server.ended()


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

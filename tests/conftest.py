"""What more than one test file needs, and which tests are slow."""

from __future__ import annotations

import logging
import signal
import subprocess
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from recon.training.trainer import _Run

THREADS = torch.get_num_threads()
LOG_HANDLERS = logging.root.handlers[:]  # a command adds its own, which would tell what others log
SLOW = "it trains a field, starts a process, opens a window, or its file computes for seconds"


def pytest_configure(config: pytest.Config) -> None:
    """Let the commands that tests start take Ctrl-C, which a shell has its jobs in the background ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", f"slow: {SLOW}; `tools/test --quick` leaves it out")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the work, a file each, those with most slow tests come first."""
    if hasattr(config, "workerinput"):
        slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
        items.sort(key=lambda item: -slow[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that is not marked slow neither trains nor starts a process, nor do its fixtures. Each begins
    with as many threads as the first and with its log handlers, whatever others and their fixtures set."""

    def refuse(*arguments: object, **options: object) -> NoReturn:
        raise AssertionError(f"mark this test slow: {SLOW}")

    torch.set_num_threads(THREADS)
    logging.root.handlers[:] = LOG_HANDLERS
    logging.root.setLevel(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        if not item.get_closest_marker("slow"):
            patch.setattr(subprocess, "Popen", refuse)
            patch.setattr(_Run, "loop", refuse)
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data(root: Path) -> Path:
    """The folder of scans that ships with the repository."""
    return root / "data"

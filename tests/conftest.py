"""What more than one test file needs."""

import signal
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Let the commands that tests start take Ctrl-C, which a shell has its jobs in the background ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs a GPU where there is none."""
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA GPU")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data(root: Path) -> Path:
    """The folder of scans that ships with the repository."""
    return root / "data"

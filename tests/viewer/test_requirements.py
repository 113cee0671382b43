"""What is said if no window can be opened."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recon.cli.main import main
from recon.viewer import requirements
from recon.viewer.requirements import check_screen


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A scan."""
    np.savetxt(tmp_path / "scan.xyz", np.random.default_rng(0).normal(size=(50, 3)))
    return tmp_path / "scan.xyz"


@pytest.mark.parametrize(
    ("display", "message"),
    [(None, "there is no screen (DISPLAY is not set)"), (":931", "the screen :931 cannot be reached")],
)
def test_without_a_screen_there_is_one_line(
    display: str | None,
    message: str,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    for arguments in (["view", str(file)], ["mesh", str(file), "-o", f"{file}.stl", "--view"]):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert message in error
        assert "`recon view FILE --screenshot PNG`" in error
        assert error.count("\n") == 1
    assert [path.name for path in file.parent.iterdir()] == [file.name]  # and nothing was trained


def test_without_open3d_there_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(requirements.MissingLibraryError, match="bash tools/setup view"):
        check_screen()

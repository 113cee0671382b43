"""Streams that are closed, full or unread, and Ctrl-C at any time, end a command as any Unix tool."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from recon.cli import info, main
from recon.cli import streams as guarded


class Refusing(io.StringIO):
    """A stream of which the system says that it cannot be written."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.error = OSError(number, os.strerror(number))  # of the right subclass

    def write(self, text: str) -> int:
        raise self.error


@pytest.fixture
def scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(guarded, "forget_output", lambda: None)  # the tests' own
    monkeypatch.setattr(main, "forget_output", lambda: None)
    np.save(tmp_path / "s.npy", np.random.default_rng(0).normal(size=(50, 3)))
    return str(tmp_path / "s.npy")


@pytest.mark.parametrize(
    ("stream", "code", "said"),
    [
        (
            Refusing(errno.ENOSPC),
            1,
            "recon: error: cannot write to standard output: No space left on device\n",
        ),
        (None, 1, "recon: error: cannot write to standard output: it is closed\n"),
        (Refusing(errno.EPIPE), 141, ""),
    ],
)
def test_standard_output_that_cannot_be_written(
    stream: io.StringIO | None, code: int, said: str, scan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", errors)
    assert main.main(["info", scan, "--json", "--quiet"]) == code
    assert main.main(["--print-completion", "bash"]) == code
    assert errors.getvalue() == 2 * said


@pytest.mark.parametrize("stream", [Refusing(errno.ENOSPC), Refusing(errno.EPIPE), None])
def test_without_standard_error_the_work_is_done(
    stream: io.StringIO | None, scan: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "stderr", stream)
    assert main.main(["info", scan, "--json"]) == 0
    assert json.loads(output.getvalue())["points"] == 50
    assert main.main(["info", "none.ply"]) == 1
    assert sys.stderr is stream


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("place", ["add_options", "run"])
def test_ctrl_c_at_any_time_and_pressed_twice_is_130(
    place: str, times: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice: the second one while what the first has begun is being ended."""

    def interrupted(*_: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            for _n in range(times - 1):
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(info, place, interrupted)
    if place == "run":
        monkeypatch.setattr(info, "RESUMES", False, raising=False)
    assert main.main(["info", "none.ply"]) == 130
    said = capsys.readouterr().err
    assert "recon: stopped" in said and "Traceback" not in said
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

"""The progress bar."""

from __future__ import annotations

import io
import sys

import pytest

from recon.bar import Bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def states(shown: str) -> list[str]:
    return [state for state in shown.split("\r") if "%" in state]


def test_it_ends_where_it_was_put_last(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("walking") as bar:
        for share in (0.25, 0.5, 0.125, 0.75):
            bar.to(share, f"at {share}")
    last = states(capsys.readouterr().err)[-1]
    assert "walking  75%" in last and "at 0.75" in last


def test_in_a_file_it_says_little(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("walking") as bar:
        for step in range(1000):
            bar.to(step / 999)
    assert len(states(capsys.readouterr().err)) <= 3


def test_on_a_terminal_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("recon.bar.TERMINAL", 0.0)
    with Bar("walking") as bar:
        for step in range(10):
            bar.to(step / 9)
    assert len(states(sys.stderr.getvalue())) >= 10  # type: ignore[attr-defined]


def test_unwanted_it_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("walking", show=False) as bar:
        bar.to(0.5, "half")
    assert capsys.readouterr().err == ""

"""The progress bar."""

from __future__ import annotations

import io
import logging
import re
import sys

import pytest

from recon.base.progress import Bar, LinesBesideBars, progress_within


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def states(shown: str) -> list[str]:
    return [state for state in shown.split("\r") if "%" in state]


def test_it_ends_where_it_was_put_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Bar("walking") as bar:
        for share in (0.25, 0.5, 0.125, 0.75):
            bar.to(share, f"at {share}")
    last = states(sys.stderr.getvalue())[-1]  # type: ignore[attr-defined]
    assert "walking  75%" in last and "at 0.75" in last


def test_in_a_file_it_is_a_line_a_tenth(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recon.base.progress.LINE_INTERVAL", 0.0)
    with Bar("walking") as bar:
        for step in range(1000):
            bar.to(step / 999, f"step\n {step}")
    first, *others, last = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"recon: walking: 10% after \d+ s, about \d+ s left; step.n 100", first)
    assert len(others) == 8 and re.fullmatch(r"recon: walking: done after \d+\.\d s; step.n 999", last)


def test_in_a_file_what_is_soon_done_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("walking") as bar:
        for step in range(1000):
            bar.to(step / 1999)
    assert re.fullmatch(r"recon: walking: 50% after \d\.\d s\n", capsys.readouterr().err)


def test_on_a_terminal_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("recon.base.progress.TERMINAL_INTERVAL", 0.0)
    with Bar("walking") as bar:
        for step in range(10):
            bar.to(step / 9)
    assert len(states(sys.stderr.getvalue())) >= 10  # type: ignore[attr-defined]


def test_unwanted_it_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("walking", show=False) as bar:
        bar.to(0.5, "half")
    assert capsys.readouterr().err == ""


def on_screen(shown: str) -> list[str]:
    """The lines that a terminal shows in the end: a carriage return goes back to the first column."""
    lines = []
    for line in shown.split("\n"):
        cells: list[str] = []
        for piece in line.split("\r"):
            cells[: len(piece)] = piece
        lines.append("".join(cells).rstrip())
    return lines


@pytest.mark.parametrize("show", [True, False])
def test_log_lines_have_lines_of_their_own(show: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("recon.base.progress.TERMINAL_INTERVAL", 0.0)
    log = logging.Logger("of this test")
    log.addHandler(LinesBesideBars())
    log.warning("before")
    with Bar("walking", show) as bar:
        bar.to(0.5, "half")
        log.warning("in the middle")
        bar.to(0.75)
    log.warning("after")
    before, middle, *bars, after, end = on_screen(sys.stderr.getvalue())  # type: ignore[attr-defined]
    assert (before, middle, after, end) == ("before", "in the middle", "after", "")
    assert len(bars) == show and all("walking  75%" in line for line in bars)


def test_a_bar_that_ends_leaves_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Bar("walking", ends=True) as walk, Bar("running") as run:
        walk.to(0.5, "half")
        walk.to(1.0)
        run.to(0.25)
    shown = sys.stderr.getvalue()  # type: ignore[attr-defined]
    assert shown.index("walking 100%") < shown.index("\n") < shown.index("running")


def test_a_part_tells_its_share_of_the_whole() -> None:
    heard: list[tuple[float, str]] = []
    part = progress_within(lambda share, text: heard.append((share, text)), 0.5, 0.75)
    part(0.0, "begun")
    part(1.0, "done")
    assert heard == [(0.5, "begun"), (0.75, "done")]

"""What watches a training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from recon.errors import MissingLibraryError
from recon.training.callbacks import ProgressBar, TensorBoard
from recon.training.trainer import Progress, Snapshot


def progress(step: int, is_last: bool = False) -> Progress:
    history = [
        {"step": s, "seconds": 1.0, "rate": 1e-3, "loss": 2.0, "surface": 0.5} for s in range(1, step + 1)
    ]
    return Progress(step / 4, Snapshot(step, 1.0, 1.0, {}, {}, history=history), Any, is_last)  # type: ignore[arg-type]


def test_the_bar_shows_the_share_and_the_terms(capsys: pytest.CaptureFixture[str]) -> None:
    bar = ProgressBar("fitting")
    assert capsys.readouterr().err == ""
    for step in range(1, 5):
        bar(progress(step))
    bar(progress(4, is_last=True))
    shown = capsys.readouterr().err
    assert "fitting: done" in shown and "surface 0.5 step 4" in shown and "rate" not in shown


def test_a_silent_bar_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressBar(show=False)(progress(1, is_last=True))
    assert capsys.readouterr().err == ""


def test_tensorboard_gets_each_window_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def close(self) -> None:
            written.append(("closed", 0.0, 0))

    module = type(sys)("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    board = TensorBoard(tmp_path)
    for step, is_last in ((1, False), (2, False), (2, True)):
        board(progress(step, is_last))
    assert [(n, s) for n, _, s in written if n == "surface"] == [("surface", 1), ("surface", 2)]
    assert written[-1][0] == "closed"


def test_without_tensorboard_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingLibraryError, match="bash tools/setup tensorboard"):
        TensorBoard(tmp_path)

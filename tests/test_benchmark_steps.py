"""Step times: which steps are compared, what the bare products are, what is made of the seconds."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recon.surface.settings import PRESETS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
benchmark = importlib.import_module("benchmark")
steps = importlib.import_module("benchmarks.steps")
step_times = importlib.import_module("benchmarks.step_times")

TINY = {"on": 150, "off": 150, "width": 16, "hidden": 2, "steps": 3, "seconds": 0.01}


def test_the_batches_are_those_of_the_presets() -> None:
    standard, paper = PRESETS["standard"], PRESETS["paper"]
    own, published, large = steps.networks(None)
    assert (own["on"], own["off"]) == (standard.surface.on_surface, standard.surface.off_surface)
    assert (own["width"], published["width"], large["width"]) == (
        standard.heads.sparse_width,
        256,
        paper.field.width,
    )
    assert (published["on"], published["off"], large["on"], large["off"]) == (1400, 1400, 14_000, 14_000)
    assert steps.networks(["2801"]) == [{"on": 1400, "off": 1401, "width": 256, "hidden": 3}]


@pytest.mark.parametrize("piece", [300, 128])
def test_the_products_are_six_a_hidden_layer(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    """And five of the first layer, three of them on the way back; two of the last for the values."""
    work = step_times.Products(300, piece, 16, 2, "cpu")
    done: list[int] = []

    def count(left: Tensor, right: Tensor, *, out: Tensor, mm: Callable = torch.mm) -> Tensor:
        done.append(left.shape[0] * left.shape[1] * right.shape[1])
        return mm(left, right, out=out)

    monkeypatch.setattr(torch, "mm", count)
    work()
    wide, first, last = 300 * 16 * 16, 300 * 16 * 3, 300 * 16
    assert sum(done) == 2 * 6 * wide + 5 * first + 2 * last


def test_libraries_that_round_are_told_from_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert step_times.exact()
    matmul = Tensor.__matmul__

    def rounding(left: Tensor, right: Tensor) -> Tensor:
        if left.dtype == torch.float32:
            left, right = left.bfloat16().float(), right.bfloat16().float()
        return matmul(left, right)

    monkeypatch.setattr(Tensor, "__matmul__", rounding)
    assert not step_times.exact()


def test_the_clock_counts_whole_steps() -> None:
    """After the warm-up and the estimate, as many steps as fill the time, and no fewer than three."""
    done: list[int] = []
    case = step_times.Case("", 1, 1, 1, 1, seconds=0.0)
    assert step_times.seconds_each(lambda: done.append(1), case) >= 0
    assert len(done) == step_times.WARM_UP + 2 * step_times.FEWEST


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["standard", "paper"])
def test_every_kind_of_step_can_be_timed(data: Path, preset: str) -> None:
    case = step_times.Case(str(data / "oni.ply"), **TINY, preset=preset, threads=2)
    for time in (step_times.recon_step, step_times.reference_step, step_times.products_step):
        assert time(case) > 0


def test_ratios_are_taken_turn_by_turn() -> None:
    """On a machine that halves its pace between two turns the ratio stays what it is."""
    row = {"recon": [2.0, 4.0, 2.0], "reference": [8.0, 16.0, 9.0], "products": [1.0, 2.0, 1.0]}
    found = steps.ratios(row)
    assert found == {"recon_to_products": [2, 2, 2], "reference_to_recon": [4, 4, 4.5]}
    loaded = {"recon_loaded": [3.0, 6.0, 4.0], "reference_loaded": [80.0, 160.0, 90.0]}
    assert steps.ratios(row | loaded)["recon_slower"] == [1.5, 1.5, 2]
    net = {"on": 10, "off": 5, "width": 16, "hidden": 2}
    lines = steps.markdown([net | row | loaded | steps.ratios(row | loaded)])
    start = "| 10 + 5 | 16 × 2 | 1000.00 | 2000.00 | 9000.00 | 2.00 (2.00–2.00) | 4.00 (4.00–4.50) |"
    assert lines[2] == f"{start} 1.50 (1.50–2.00) | 10.00 (10.00–10.00) |"
    assert steps.markdown([net | row | found])[2] == start
    assert {line.count("|") for line in lines} == {10}


# Slow: three processes that load PyTorch.
@pytest.mark.slow
def test_the_command_measures_each_kind_in_a_process_of_its_own(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--scan", str(data / "oni.ply"), "--batches", "300", "--threads", "1", "--repeats", "1"]
    options += ["--steps", "3", "--seconds", "0.01", "-o", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "steps", *options])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    benchmark.main()
    row = json.loads((tmp_path / "steps.jsonl").read_text())
    assert {"commit", "threads", "hardware", "date", "command"} <= set(row)
    assert all(len(row[name]) == 1 and row[name][0] > 0 for name in steps.METHODS)
    assert "| 150 + 150 | 256 × 3 |" in (tmp_path / "steps.md").read_text()
    assert capsys.readouterr().out.count("| 150 + 150 |") == 2

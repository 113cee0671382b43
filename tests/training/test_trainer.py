"""The training loop: it fits, it is reproducible, it can be stopped, and it does not return garbage."""

from __future__ import annotations

import logging
import math
import resource
import warnings
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from recon.errors import FitError, OutputError
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.surface.settings import Schedule
from recon.training.checkpoint import Checkpoint, load_snapshot, save_snapshot
from recon.training.settings import FitConfig
from recon.training.task import Task
from recon.training.trainer import WINDOW_STEPS, Progress, Snapshot, fit, rate_at

SMALL = FieldConfig(width=32, hidden=2)


class Wave:
    """Fit sin(3x) on a line; `poisoned` steps give a term that is not a number."""

    def __init__(self, poisoned: range = range(0), forever: bool = False) -> None:
        self.weights = {"data": Schedule.constant(10.0), "size": Schedule.constant(1e-3)}
        self.poisoned, self.forever = poisoned, forever
        self.generator = torch.Generator()

    def sample(self, step: int, progress: float = 0.0) -> tuple[Tensor, int]:
        return torch.rand(128, 1, generator=self.generator.manual_seed(step)) * 2 - 1, step

    def terms(self, field: Siren, batch: tuple[Tensor, int]) -> dict[str, Tensor]:
        x, step = batch
        value = field(x)
        data = (value - torch.sin(3 * x)).square().mean()
        if step in self.poisoned:
            data = data * float("nan")
            self.poisoned = self.poisoned if self.forever else range(0)
        return {"data": data, "size": value.abs().mean()}


def trained(config: FitConfig, task: Task | None = None, **more) -> tuple[Siren, Snapshot]:
    field = Siren(SMALL, inputs=1)
    return field, fit(field, task or Wave(), config, **more)


def same(a: Siren, b: Siren) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_it_fits_and_keeps_a_history(optimizer: str) -> None:
    field, end = trained(FitConfig(steps=420, optimizer=optimizer, rate=1e-3))
    x = torch.linspace(-1, 1, 200)[:, None]
    assert (field(x) - torch.sin(3 * x)).abs().max() < 0.05
    assert [row["step"] for row in end.history] == [*range(WINDOW_STEPS, 420, WINDOW_STEPS), 420]
    assert end.history[-1]["data"] < 0.01 * end.history[0]["data"]
    assert end.history[-1]["loss"] == pytest.approx(
        10 * end.history[-1]["data"] + 1e-3 * end.history[-1]["size"]
    )


@pytest.mark.slow
def test_a_seed_decides_everything() -> None:
    config = FitConfig(steps=150)
    assert same(trained(config)[0], trained(config)[0])


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["muon", "adam"])
def test_a_run_stopped_and_resumed_is_the_run_that_went_on(optimizer: str, tmp_path: Path) -> None:
    config = FitConfig(steps=400, optimizer=optimizer)
    whole, _ = trained(config)

    def stop(progress: Progress) -> None:
        if progress.snapshot.step == 150 and not progress.is_last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(config, callbacks=[stop, Checkpoint(tmp_path)])
    resumed, end = trained(config, resume=load_snapshot(tmp_path / "checkpoint.pt"))
    assert same(whole, resumed)
    assert [row["step"] for row in end.history] == list(range(50, 401, 50))


@pytest.mark.slow
def test_a_term_that_is_no_number_is_named_and_the_run_goes_back(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "recon"):
        field, end = trained(FitConfig(steps=300), Wave(poisoned=range(120, 121)))
    assert end.recoveries == 1 and end.rate_scale == 0.5
    assert "the term 'data' became nan: returning to step 100" in caplog.text
    assert all(p.isfinite().all() for p in field.parameters())


@pytest.mark.slow
def test_a_run_that_never_ends_well_is_an_error_not_a_result() -> None:
    with pytest.raises(FitError, match="'data' became nan"):
        trained(FitConfig(steps=300), Wave(poisoned=range(120, 121), forever=True))


@pytest.mark.slow
def test_a_rate_that_is_far_too_high_does_not_end_in_garbage() -> None:
    try:
        field, end = trained(FitConfig(steps=400, rate=0.5, warmup=0))
    except FitError:
        return
    x = torch.linspace(-1, 1, 200)[:, None]
    assert end.recoveries > 0
    assert (field(x) - torch.sin(3 * x)).abs().mean() < 0.2


@pytest.mark.slow
def test_a_budget_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by 2 ms whenever it is looked at."""
    clock = SimpleNamespace(monotonic=count(0.0, 0.002).__next__)
    monkeypatch.setattr("recon.training.trainer.time", clock)
    shares: list[float] = []
    _, end = trained(FitConfig(seconds=1.0), callbacks=[lambda progress: shares.append(progress.share)])
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert end.seconds >= 1.0
    assert end.history[-1]["rate"] < 0.1 * end.history[0]["rate"]


@pytest.mark.slow
def test_callbacks_are_told_the_end_also_of_a_failure() -> None:
    ends: list[bool] = []
    with pytest.raises(FitError):
        trained(
            FitConfig(steps=100),
            Wave(range(0, 100), forever=True),
            callbacks=[lambda progress: ends.append(progress.is_last)],
        )
    assert ends[-1] and not any(ends[:-1])


def test_the_learning_rate_rises_then_falls() -> None:
    config = FitConfig(rate=1.0, warmup=9)
    assert rate_at(0.0, 0, config) == pytest.approx(0.1)
    assert rate_at(0.0, 9, config) == 1.0
    assert rate_at(0.5, 500, config) == pytest.approx(0.01 + 0.99 * (1 + math.cos(math.pi / 2)) / 2)
    assert rate_at(1.0, 999, config) == pytest.approx(0.01)
    assert rate_at(0.9, 999, FitConfig(rate=1.0, decay="constant")) == 1.0


def test_a_disk_that_refuses_a_checkpoint_keeps_the_one_before(tmp_path: Path) -> None:
    """And says why."""
    path = tmp_path / "checkpoint.pt"
    snapshots = [Snapshot(step, 1.0, 1.0, {"flat": torch.zeros(9999)}, {}, history=[]) for step in (1, 2)]
    save_snapshot(snapshots[0], path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*checkpoint\.pt: File too large"):
            save_snapshot(snapshots[1], path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert load_snapshot(path).step == 1 and list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_of_another_protocol_warns_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"step": 1}, path, pickle_protocol=2)
    whole = path.read_bytes()
    place = whole.index(b"\x80\x02}")
    path.write_bytes(whole[: place + 1] + bytes([73]) + whole[place + 2 :])
    with warnings.catch_warnings(), pytest.raises(FitError):
        warnings.simplefilter("error")
        load_snapshot(path)


def test_a_file_that_is_no_checkpoint_is_refused_without_running_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(FitError, match="is not as recon writes it"):
        load_snapshot(path)
    assert not (tmp_path / "ran").exists()

"""Declared problems: the derived gradient of their loss is autograd's; samples follow seed and step."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from tensors import assert_close
from torch import Tensor

from recon.base.settings import Schedule
from recon.field.jet import GRADIENT, Jet, laplacian_order
from recon.field.kernels import parallel_rows
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.signals.settings import SignalConfig
from recon.training.constraints import Constraint, ConstraintTask, Draw
from recon.training.step import StepInputs, Steps
from recon.training.task import DerivedTask, gradient_by_autograd


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def task() -> ConstraintTask:
    """A term in values, one in gradients, one in Laplacians of groups of three points."""

    def points(count: int, *groups: int) -> object:
        def sample(draw: Draw) -> tuple[Tensor, ...]:
            x = 2 * torch.rand(count, *groups, 2, generator=draw.generator) - 1
            return x, x.sum(-1) if not groups else x.sum((-1, -2))

        return sample

    def grouped(jet: Jet, target: Tensor) -> Tensor:
        return (jet.second[0].mean(1).sum(1) - target).abs() + jet.value.mean((1, 2)) ** 2

    return ConstraintTask(
        {
            "value": Constraint(
                points(50), lambda jet, f: (jet.value[:, 0] - f) ** 2, Schedule.constant(2.0)
            ),
            "slope": Constraint(
                points(31), lambda jet, f: jet.gradient.abs().sum((0, 2)), Schedule.constant(0.5), GRADIENT
            ),
            "curve": Constraint(points(20, 3), grouped, Schedule.constant(0.1), laplacian_order(2)),
        },
        seed=3,
    )


@pytest.mark.parametrize("threads", [1, 3])
def test_the_derived_gradient_is_autograds(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_rows, "MIN_ROWS_PER_THREAD", 7)
    monkeypatch.setattr(parallel_rows, "MAX_ROWS_PER_SLICE", 16)
    field, problem = Siren(FieldConfig(width=16, omega_first=5, omega_hidden=5), 2, 2), task()
    assert isinstance(problem, DerivedTask)
    batch, weights = problem.sample(7), {name: weight(0.0) for name, weight in problem.weights.items()}
    torch.set_num_threads(threads)
    with parallel_rows.row_workers():
        terms, gradient = problem.gradient(field, batch, weights)
    plain, wanted = gradient_by_autograd(problem, field, batch, weights)
    for name in problem.weights:
        assert_close(terms[name], plain[name], rtol=1e-11, atol=0.0)
    assert (gradient - wanted).abs().max() <= 1e-10 * wanted.abs().max()


def test_samples_are_a_function_of_seed_and_step() -> None:
    first, again, other = task().sample(4), task().sample(4), task().sample(5)
    for name, samples in first.items():
        for a, b, c in zip(samples, again[name], other[name], strict=True):
            assert torch.equal(a, b) and not torch.equal(a, c)
    assert not torch.equal(first["value"][0][:20], first["curve"][0][:, 0])  # terms draw on their own


def test_a_recorded_step_reads_fresh_samples_of_every_constraint() -> None:
    """As a GPU repeats it: what is replayed reads the memory it was recorded with."""
    config = SignalConfig().fit
    ended = []
    for record in (None, lambda work: work):
        field, problem = Siren(FieldConfig(width=16), 2, 2), task()
        moments = [
            StepInputs(step, 1e-3, [weight(0.0) for weight in problem.weights.values()]) for step in range(6)
        ]
        Steps(field, problem, config, record).window(moments)
        ended.append(field.flat.detach().clone())
    assert_close(ended[0], ended[1], rtol=1e-9, atol=1e-12)

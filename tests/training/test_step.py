"""Steps that are recorded once and replayed are the steps that are not, and ask nothing of the host."""

from __future__ import annotations

import copy
import dataclasses
import gc
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tensors import assert_close

from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.geometry import PointCloud
from recon.scan.preparation.inside import SpaceSamples
from recon.surface.loss import SurfaceBatch, SurfaceTask
from recon.surface.settings import SurfaceConfig
from recon.training.cuda_graph import copy_into, no_garbage_collection, static_copy
from recon.training.settings import FitConfig
from recon.training.step import StepInputs, Steps

OPTIMIZERS = pytest.mark.parametrize("optimizer", ["muon", "adam"])


def ball(device: str = "cpu") -> tuple[Siren, SurfaceTask]:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    space = rng.uniform(-1, 1, (800, 3)).astype(np.float32)
    distances = np.linalg.norm(space, axis=1) - np.float32(0.5)
    config = SurfaceConfig(on_surface=40, off_surface=30)
    samples = SpaceSamples(space, distances, 600)
    task = SurfaceTask(PointCloud(0.5 * normals, normals), samples, config, device=device)
    return Siren(FieldConfig(width=16)).to(device), task


def on(batch: SurfaceBatch, device: str) -> SurfaceBatch:
    tensors = {name: part.to(device) for name, part in vars(batch).items() if isinstance(part, torch.Tensor)}
    return dataclasses.replace(batch, **tensors)


def moments(steps: range, task: SurfaceTask) -> list[StepInputs]:
    """Rates and weights that change with every step."""
    weights = list(task.weights.values())
    return [StepInputs(step, 1e-3 / (1 + step), [weight(step / 20) for weight in weights]) for step in steps]


@OPTIMIZERS
def test_a_recorded_step_reads_what_changes(optimizer: str) -> None:
    """Two windows, and the optimiser's state loaded between them: what is replayed is the same work on
    the same memory, here by calling it again."""
    ended = []
    for record in (None, lambda work: work):
        field, task = ball()
        steps = Steps(field, task, FitConfig(optimizer=optimizer), record)
        found = steps.window(moments(range(9), task))
        steps.optimizer.load_state_dict(copy.deepcopy(steps.optimizer.state_dict()))
        found = steps.window(moments(range(9, 15), task))
        ended.append((field.flat.detach().clone(), found))
    (plain, terms), (recorded, same_terms) = ended
    assert_close(recorded, plain, rtol=1e-5, atol=1e-6)
    assert same_terms == pytest.approx(terms, rel=1e-4) and set(terms) == set(task.weights)


@OPTIMIZERS
def test_a_recording_is_made_once_and_serves_other_states(optimizer: str) -> None:
    made = []
    field, task = ball()
    steps = Steps(field, task, FitConfig(optimizer=optimizer), lambda work: made.append(work) or work)
    start = copy.deepcopy((field.state_dict(), steps.optimizer.state_dict()))
    found = []
    for _ in range(2):
        field.load_state_dict(start[0])
        steps.optimizer.load_state_dict(start[1])
        found += [steps.window(moments(range(5), task)), field.flat.detach().clone()]
    assert len(made) == 1
    assert found[0] == found[2] and torch.equal(found[1], found[3])


def test_steps_that_are_over_hold_nothing() -> None:
    """No cycle keeps a recording, which holds memory of a GPU, for Python to look for."""
    field, task = ball()
    steps = Steps(field, task, FitConfig(), lambda work: Kept(work))
    steps.window(moments(range(2), task))
    kept = weakref.ref(steps._recorded[0])
    with no_garbage_collection():
        assert not gc.isenabled()
        del steps
        assert kept() is None
    assert gc.isenabled()


class Kept:
    """Work that can be seen to go."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work

    def __call__(self) -> None:
        self.work()


@OPTIMIZERS
def test_a_step_reads_no_number_back_to_the_host(optimizer: str) -> None:
    """On a device without memory there is none to be read."""
    field, task = ball("cpu")
    batch = on(static_copy(task.sample(0)), "meta")
    step = Steps(field.to("meta"), task, FitConfig(optimizer=optimizer)).step
    row = torch.empty(1 + len(task.weights), device="meta")
    for _ in range(3):
        step.take_static(batch, row)
    assert field.flat.is_meta
    with pytest.raises(NotImplementedError, match="meta tensor"):
        step.sums.tolist()


def test_a_held_batch_takes_over_numbers_not_memory() -> None:
    _, task = ball()
    first, second = task.sample(0), task.sample(1)
    held = static_copy(first)
    address = held.points.data_ptr()
    copy_into(held, second)
    assert torch.equal(held.points, second.points) and torch.equal(held.distances, second.distances)
    assert held.points.data_ptr() == address != second.points.data_ptr()


@pytest.mark.gpu
@OPTIMIZERS
def test_a_gpu_replays_the_steps_of_the_cpu(optimizer: str) -> None:
    """As far as the parameters go in ten steps, to a hundredth: on the way back operands are rounded."""
    assert _apart(optimizer, "cuda") < 1e-2


@OPTIMIZERS
def test_steps_on_the_same_samples_are_the_same(optimizer: str) -> None:
    assert _apart(optimizer, "cpu") == 0


def _apart(optimizer: str, device: str) -> float:
    """How far from the CPU's ten steps on the same samples end, over how far they go."""
    moves = []
    for place in ("cpu", device):
        field, task = ball(place)
        start, batch = field.flat.detach().cpu().clone(), on(ball()[1].sample(0), place)
        task.sample = lambda step, progress, batch=batch: batch  # type: ignore[method-assign, misc]
        Steps(field, task, FitConfig(optimizer=optimizer)).window(moments(range(10), task))
        moves.append(field.flat.detach().cpu() - start)
    return float((moves[1] - moves[0]).norm() / moves[0].norm())

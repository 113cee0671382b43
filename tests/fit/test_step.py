"""Steps that are recorded once and replayed are the steps that are not, and ask nothing of the host."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from recon.config import FieldConfig, FitConfig, SurfaceConfig
from recon.field.siren import Siren
from recon.fit.recording import copy_into, stays
from recon.fit.step import Moment, Steps
from recon.geometry import PointCloud
from recon.scan.inside import SpaceSamples
from recon.tasks.surface import SurfaceTask

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


def moments(steps: range, task: SurfaceTask) -> list[Moment]:
    """Rates and weights that change with every step."""
    weights = list(task.weights.values())
    return [Moment(step, 1e-3 / (1 + step), [weight(step / 20) for weight in weights]) for step in steps]


@OPTIMIZERS
def test_a_recorded_step_reads_what_changes(optimizer: str) -> None:
    """Two windows, and the optimiser's state replaced between them: what is replayed is the same work on
    the same memory, here by calling it again."""
    ended = []
    for record in (None, lambda work: work):
        field, task = ball()
        steps = Steps(field, task, FitConfig(optimizer=optimizer), record)
        found = steps.window(moments(range(9), task))
        steps.load(steps.optimizer.state_dict())
        found = steps.window(moments(range(9, 15), task))
        ended.append((field.flat.detach().clone(), found))
    (plain, terms), (recorded, same_terms) = ended
    torch.testing.assert_close(recorded, plain, rtol=1e-5, atol=1e-6)
    assert same_terms == pytest.approx(terms, rel=1e-4) and set(terms) == set(task.weights)


@OPTIMIZERS
def test_a_recording_is_made_once_and_again_for_another_state(optimizer: str) -> None:
    made = []
    field, task = ball()
    steps = Steps(field, task, FitConfig(optimizer=optimizer), lambda work: made.append(work) or work)
    steps.window(moments(range(5), task))
    steps.window(moments(range(5, 9), task))
    assert len(made) == 1
    steps.load(steps.optimizer.state_dict())
    steps.window(moments(range(9, 11), task))
    assert len(made) == 2


def test_a_step_reads_no_number_back_to_the_host() -> None:
    """On a device without memory there is none to be read."""
    field, task = ball("cpu")
    batch = stays(task.sample(0))
    on_no_memory = {
        f.name: value.to("meta")
        for f in dataclasses.fields(batch)
        if isinstance(value := getattr(batch, f.name), torch.Tensor)
    }
    steps = Steps(field.to("meta"), task, FitConfig())
    row = torch.empty(1 + len(task.weights), device="meta")
    for _ in range(3):
        steps._take(dataclasses.replace(batch, **on_no_memory), row.unbind())
    assert field.flat.grad is not None and field.flat.grad.is_meta
    with pytest.raises(NotImplementedError, match="meta tensor"):
        steps.sums.tolist()


def test_a_held_batch_takes_over_numbers_not_memory() -> None:
    _, task = ball()
    first, second = task.sample(0), task.sample(1)
    held = stays(first)
    address = held.points.data_ptr()
    copy_into(held, second)
    assert torch.equal(held.points, second.points) and torch.equal(held.distances, second.distances)
    assert held.points.data_ptr() == address != second.points.data_ptr()


@pytest.mark.gpu
@OPTIMIZERS
def test_a_gpu_replays_the_steps_of_the_cpu(optimizer: str) -> None:
    ended = {}
    for device in ("cpu", "cuda"):
        field, task = ball(device)
        steps = Steps(field, task, FitConfig(optimizer=optimizer))
        batch = dataclasses.replace(ball()[1].sample(0))
        fixed = {k: v.to(device) for k, v in vars(batch).items() if isinstance(v, torch.Tensor)}
        task.sample = lambda step, fixed=fixed, batch=batch: dataclasses.replace(batch, **fixed)  # type: ignore
        steps.window(moments(range(10), task))
        ended[device] = field.flat.detach().cpu()
    torch.testing.assert_close(ended["cuda"], ended["cpu"], rtol=1e-3, atol=1e-4)

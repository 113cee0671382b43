"""The surface task: its terms are the formulas, its samples a function of seed and step."""

from __future__ import annotations

import dataclasses
import resource
from itertools import chain

import numpy as np
import pytest
import torch

from recon.field.derivatives import jet_plain
from recon.field.jet import GRADIENT
from recon.field.kernels import fast_kernels, parallel_rows
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.geometry import PointCloud
from recon.scan.preparation.inside import SpaceSamples
from recon.surface.loss import SurfaceTask
from recon.surface.settings import Schedule, SurfaceConfig
from recon.training.task import gradient_by_autograd


def sphere_task(config: SurfaceConfig | None = None, seed: int = 0, oriented: bool = True) -> SurfaceTask:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(500, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    space = rng.uniform(-1, 1, (800, 3)).astype(np.float32)
    distances = np.linalg.norm(space, axis=1) - np.float32(0.5)
    config = config or SurfaceConfig(on_surface=40, off_surface=30)
    cloud = PointCloud(0.5 * normals, normals if oriented else None)
    return SurfaceTask(cloud, SpaceSamples(space, distances, 600), config, seed)


def test_terms_are_their_formulas() -> None:
    task = sphere_task()
    field = Siren(FieldConfig(width=16, hidden=1))
    batch = task.sample(7)
    terms = task.terms(field, batch)
    jet = jet_plain(field, batch.points, GRADIENT)
    value, gradient = jet.value[:, 0].double(), jet.gradient[..., 0].t().double()
    norm = gradient.norm(dim=1)
    cosine = (gradient[:40] * batch.normals).sum(1) / norm[:40]
    space = value[40:]
    expected = {
        "surface": value[:40].abs().mean(),
        "normal": 1 - cosine.mean(),
        "off": torch.exp(-100 * space[: batch.uniform].abs()).mean(),
        "eikonal": (norm - 1).abs().mean(),
        "prior": (space - batch.distances).abs().mean(),
    }
    assert {n: t.item() for n, t in terms.items()} == pytest.approx(
        {n: t.item() for n, t in expected.items()}, rel=1e-4
    )
    assert set(terms) == set(task.weights)


@pytest.mark.parametrize("oriented", [True, False])
@pytest.mark.parametrize("prior", [True, False])
@pytest.mark.parametrize("rounding", [0.0, 0.1])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_derived_gradient_is_autograds(
    oriented: bool, prior: bool, rounding: float, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel_rows, "MIN_ROWS_PER_THREAD", 7)  # pieces of the scan, of both, of space
    config = SurfaceConfig(on_surface=40, off_surface=30, rounding=rounding)
    task = sphere_task(config if prior else dataclasses.replace(config, prior=None), oriented=oriented)
    assert set(task.weights) >= {"surface", "off", "eikonal"} and ("normal" in task.weights) is oriented
    field = Siren(FieldConfig(width=16, hidden=2)).double()
    batch = task.sample(3)
    batch = dataclasses.replace(batch, points=batch.points.double())
    weights = {name: 10.0 + k for k, name in enumerate(task.weights)}
    wanted, expected = gradient_by_autograd(task, field, batch, weights)
    torch.set_num_threads(threads)
    with parallel_rows.row_workers():
        terms, found = task.gradient(field, batch, weights)
    assert {n: t.item() for n, t in terms.items()} == pytest.approx(
        {n: t.item() for n, t in wanted.items()}, rel=1e-6
    )
    for a, b in zip(chain(*field.split(found)), chain(*field.split(expected)), strict=True):
        assert (a - b).abs().max() <= 1e-6 * b.abs().max()


def test_small_distances_to_the_scan_count_by_their_square() -> None:
    """As much as others do at the width, with the same slope there."""
    field = Siren(FieldConfig(width=16, hidden=1))
    sharp = sphere_task()
    values = field.values(sharp.sample(0).points[:40])[:, 0].abs().double()
    width = float(values.median())
    rounded = sphere_task(SurfaceConfig(on_surface=40, off_surface=30, rounding=width))
    found = rounded.terms(field, rounded.sample(0))["surface"]
    expected = torch.where(values < width, values**2 / (2 * width), values - width / 2).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_prior_can_be_left_out() -> None:
    config = dataclasses.replace(SurfaceConfig(on_surface=9, off_surface=9), prior=None)
    task = sphere_task(config)
    assert "prior" not in task.weights
    assert "prior" not in task.terms(Siren(FieldConfig(width=8)), task.sample(0))


def test_a_step_asks_the_system_for_no_memory() -> None:
    """Freed blocks are used again: no page is made anew from step to step."""
    task = sphere_task(SurfaceConfig())
    field = Siren(FieldConfig())
    weights = dict.fromkeys(task.weights, 1.0)
    with fast_kernels():
        for step in range(20):
            task.gradient(field, task.sample(step), weights)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for step in range(20, 40):
            task.gradient(field, task.sample(step), weights)
        made = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert made / 20 < 100  # a step's tensors fill some 4,000 pages


def test_samples_belong_to_seed_and_step_alone() -> None:
    one, other = sphere_task(), sphere_task()
    other.sample(3)
    other.sample(99)
    assert torch.equal(one.sample(3).points, other.sample(3).points)
    assert not torch.equal(one.sample(3).points, one.sample(4).points)
    assert not torch.equal(one.sample(3).points, sphere_task(seed=1).sample(3).points)


def test_samples_are_the_scans_points_with_their_own_normals_and_distances() -> None:
    batch = sphere_task().sample(0)
    assert torch.allclose(batch.points[:40], 0.5 * batch.normals)
    assert torch.allclose(batch.points[40:].norm(dim=1) - 0.5, batch.distances, atol=1e-6)


def test_a_field_without_slope_still_gives_finite_gradients() -> None:
    task = sphere_task()
    field = Siren(FieldConfig(width=16))
    with torch.no_grad():
        field.weights[-1].zero_()
    terms = task.terms(field, task.sample(0))
    loss = torch.stack(list(terms.values())).sum()
    (plain,) = torch.autograd.grad(loss, [field.flat])
    _, derived = task.gradient(field, task.sample(0), dict.fromkeys(task.weights, 1.0))
    assert plain.isfinite().all() and derived.isfinite().all()


def test_a_constant_schedule_is_a_weight() -> None:
    assert sphere_task(SurfaceConfig(eikonal=Schedule.constant(4.0))).weights["eikonal"](0.3) == 4.0

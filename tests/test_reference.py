"""The published method, as the benchmark has it, against closed forms and its own description."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import recon

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
reference = importlib.import_module("reference")

CENTER, RADIUS = np.array([1e5, -20.0, 3.0]), 2.0
SMALL = {"width": 16, "hidden": 1, "on": 40, "off": 40}


def directions(count: int) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.fixture
def ball() -> recon.PointCloud:
    """A sphere far from the origin, world."""
    return recon.PointCloud(CENTER + RADIUS * directions(2000), directions(2000))


class Ball(torch.nn.Module):
    """The signed distance to the sphere in its unit frame, in which it has the radius 0.9."""

    def forward(self, x: Tensor) -> Tensor:
        return x.norm(dim=1) - 0.9


def test_the_terms_of_an_exact_distance_are_zero() -> None:
    normals = torch.tensor(directions(300))
    space = torch.linspace(0.1, 0.5, 200, dtype=torch.float64)[:, None] * torch.tensor(directions(200))
    value, gradient = reference.value_and_gradient(Ball(), torch.cat((0.9 * normals, space)))
    terms = reference.published_terms(value, gradient, normals)
    assert terms.keys() == reference.WEIGHTS.keys()
    assert max(float(term) for term in terms.values()) < 1e-14


def test_the_means_run_over_the_whole_batch() -> None:
    """30 points with Φ = 0.01 and a gradient 3 long, straight inward; 10 more of space."""
    normals = torch.tensor(directions(30))
    gradient = torch.cat((-3 * normals, torch.tensor(3 * directions(10))))
    terms = reference.published_terms(torch.full((40,), 0.01, dtype=torch.float64), gradient, normals)
    expected = {"surface": 0.01 * 30 / 40, "normal": 2 * 30 / 40, "off": np.exp(-1) * 10 / 40, "eikonal": 2.0}
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(expected)


def test_the_network_is_the_published_one() -> None:
    """Its size, its bounds, and the claim behind them: N(0, 1) before every hidden sine."""
    field = reference.Siren(generator=torch.Generator().manual_seed(0))
    assert sum(parameter.numel() for parameter in field.parameters()) == 198_657
    first, *others = (layer.weight for layer in field.layers)
    assert 0.99 / 3 < float(first.detach().abs().max()) <= 1 / 3
    for weight in others:
        assert 0.9 < float(weight.detach().abs().max()) / (np.sqrt(6 / 256) / 30) <= 1
    x = torch.rand((4000, 3), generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        for k, layer in enumerate(field.layers[:-1]):
            if k:  # the claim leaves the biases out
                assert float((field.omega * x @ layer.weight.t()).std()) == pytest.approx(1, abs=0.1)
            x = (field.omega * layer(x)).sin()


def test_the_gradient_is_that_of_the_field() -> None:
    field = reference.Siren(16, 2, generator=torch.Generator().manual_seed(0)).double()
    x = torch.tensor(directions(5))
    value, gradient = reference.value_and_gradient(field, x)
    for axis, shift in enumerate(1e-6 * torch.eye(3, dtype=torch.float64)):
        slope = (field(x + shift) - field(x - shift)).detach() / 2e-6
        assert torch.allclose(gradient[:, axis], slope, atol=1e-6)
    assert not value.requires_grad


def test_training_stops_at_moments_and_goes_on_as_if_it_had_not(ball: recon.PointCloud) -> None:
    at_once, in_parts = (reference.Reference(ball, **SMALL) for _ in range(2))
    at_once.train(steps=12)
    for moment in (5, 5, 12):
        in_parts.train(steps=moment)
        assert in_parts.steps == moment
    for one, other in zip(at_once.field.parameters(), in_parts.field.parameters(), strict=True):
        assert torch.equal(one, other)
    in_parts.train(seconds=in_parts.seconds)
    assert in_parts.steps == 12
    in_parts.train(seconds=in_parts.seconds + 1e-9)
    assert in_parts.steps == 13 and in_parts.seconds > 0


def test_a_first_step_of_adam_is_as_long_as_its_rate(ball: recon.PointCloud) -> None:
    run = reference.Reference(ball, **SMALL)
    before = [parameter.detach().clone() for parameter in run.field.parameters()]
    run.train(steps=1)
    moved = max(
        float((a - b).detach().abs().max()) for a, b in zip(run.field.parameters(), before, strict=True)
    )
    assert moved == pytest.approx(1e-4, rel=1e-2)


def test_the_loss_comes_down(ball: recon.PointCloud) -> None:
    run = reference.Reference(ball, width=64, hidden=1, on=200, off=200)

    def surface_error() -> float:
        with torch.no_grad():
            return float(run.field(run.points).abs().mean())

    before = surface_error()
    run.train(steps=100)
    assert surface_error() < 0.5 * before


def test_a_mesh_is_in_world_units(ball: recon.PointCloud) -> None:
    run = reference.Reference(ball, **SMALL)
    run.field = Ball()
    mesh = run.mesh(24)
    assert run.frame.center == pytest.approx(CENTER, rel=1e-3)
    radius = np.linalg.norm(mesh.vertices - run.frame.center, axis=1)
    assert radius == pytest.approx(0.9 * run.frame.scale, rel=1e-4)
    assert radius.mean() == pytest.approx(RADIUS, rel=1e-2)


def test_a_cloud_without_normals_is_refused() -> None:
    with pytest.raises(recon.ReconError, match="no normals"):
        reference.Reference(recon.PointCloud(directions(10)))

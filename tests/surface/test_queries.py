"""What a field tells of points is so, for arrays and tensors of any shape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tensors import assert_close
from torch import Tensor

from recon.errors import ShapeError, UsageError
from recon.field.heads import HeadedField
from recon.field.jet import Jet, Order
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.geometry import Frame
from recon.surface.queries import Queries

CENTRE, SCALE, RADIUS = np.array([5.0, -3.0, 700.0]), 2.5, 0.6  # the radius in the unit frame
BOX = np.array([[-1.0] * 3, [1.0] * 3])
RNG = np.random.default_rng(0)


class Ball:
    """The exact distance of a ball, as a field."""

    device, dtype = torch.device("cpu"), torch.float32

    def value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.norm(dim=1) - RADIUS, x / x.norm(dim=1, keepdim=True)

    def jet(self, x: Tensor, order: Order) -> Jet:
        r = x.norm(dim=1, keepdim=True)
        n, pairs = x / r, [(a, b) for a in range(3) for b in range(a, 3)]
        second = torch.stack([(float(a == b) - n[:, a] * n[:, b]) / r[:, 0] for a, b in pairs])
        return Jet(r - RADIUS, n.T[..., None], second[..., None])


class Hole(Ball):
    """All but a ball."""

    def value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = super().value_and_gradient(x)
        return -value, -gradient


@pytest.fixture
def ball() -> Queries:
    return Queries(Ball(), Frame(CENTRE, SCALE), BOX)  # type: ignore[arg-type]


def places(*shape: int) -> Any:
    return CENTRE + SCALE * RNG.uniform(0.3, 0.9, (*shape, 1)) * directions(*shape)


def directions(*shape: int) -> Any:
    vectors = RNG.standard_normal((*shape, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("shape", [(), (0,), (7,), (2, 3, 5), (5000,)])
def test_answers_have_the_shape_of_the_question_and_are_a_balls(
    ball: Queries, shape: tuple[int, ...]
) -> None:
    points = places(*shape)
    r = np.linalg.norm(points - CENTRE, axis=-1)
    for found, wanted in (
        (ball.distance(points), r - SCALE * RADIUS),
        (ball.gradient(points), (points - CENTRE) / r[..., None]),
        (ball.normal(points), (points - CENTRE) / r[..., None]),
        (ball.curvature(points), 1 / r),
        (ball.project(points), CENTRE + SCALE * RADIUS * (points - CENTRE) / r[..., None]),
    ):
        assert isinstance(found, np.ndarray) and found.dtype == np.float64
        np.testing.assert_allclose(found, wanted, atol=2e-6 * SCALE)
    np.testing.assert_array_equal(ball.contains(points), r < SCALE * RADIUS)
    assert ball.distance(points.tolist()).shape == shape if shape != (0,) else True


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_get_tensors_and_gradients(ball: Queries, dtype: torch.dtype) -> None:
    """Gradient descent on the distance arrives at the surface."""
    points = torch.tensor(places(4, 5), dtype=dtype, requires_grad=True)
    value = ball.distance(points)
    assert value.shape == (4, 5) and value.dtype == dtype and value.requires_grad
    (slope,) = torch.autograd.grad((2 * value).sum(), points)
    assert_close(slope, 2 * ball.gradient(points))
    assert_close(value.detach(), ball.distance(points.detach()))
    for _ in range(30):
        (slope,) = torch.autograd.grad((0.5 * ball.distance(points) ** 2).sum(), points)
        points = (points - 0.5 * slope).detach().requires_grad_()
    assert ball.distance(points.detach()).abs().max() < 1e-4
    assert ball.contains(points).dtype == torch.bool
    assert ball.distance(torch.tensor([5, -3, 701])).dtype == torch.float64


def test_the_derivatives_of_a_network_are_those_of_differences() -> None:
    field = HeadedField(Siren(FieldConfig(width=16, hidden=2, omega_first=3.0, omega_hidden=3.0)))
    queries = Queries(field, Frame(CENTRE, SCALE), BOX)
    points, step = places(50), 5e-3
    shifts = step * np.eye(3)
    ahead, behind = (queries.normal(points[:, None] + sign * shifts) for sign in (1, -1))
    divergence = np.einsum("nii->n", ahead - behind) / (2 * step)
    np.testing.assert_allclose(queries.curvature(points), divergence / 2, rtol=0.02, atol=0.02)


def test_beyond_the_box_it_goes_on(ball: Queries) -> None:
    """Continuously, with the right sign, never below the true distance, and downhill to the surface."""
    points = CENTRE + SCALE * RNG.uniform(1.1, 40, (500, 1)) * directions(500)
    outside = points[(np.abs(points - CENTRE) > SCALE).any(1)]
    distance, gradient = ball.distance_and_gradient(outside)
    true = np.linalg.norm(outside - CENTRE, axis=1) - SCALE * RADIUS
    assert (distance > true - 1e-4).all() and (distance < 1.8 * true + 1e-4).all()
    assert np.linalg.norm(gradient, axis=1) == pytest.approx(1)
    assert ball.distance(ball.project(outside)) == pytest.approx(0, abs=1e-4)
    edge = CENTRE + SCALE * np.array([0.3, 1.0, -0.2])
    step = np.array([0, 1e-6, 0])
    assert ball.distance(edge + step) == pytest.approx(ball.distance(edge - step), abs=1e-5)
    inside_out = replace(ball, field=Hole())  # type: ignore[arg-type]
    assert (inside_out.distance(outside) < 0).all()


def test_a_grid_is_the_field_at_its_places(ball: Queries) -> None:
    box = np.array([[-1.0, -1.0, -0.5], [1.0, 1.0, 0.5]])
    grid = replace(ball, box=box).grid(21)
    assert grid.values.dtype == np.float32 and grid.values.shape[0] > 1.9 * grid.values.shape[2]
    for index in ((0, 0, 0), (3, 14, 7)):
        place = grid.origin + grid.spacing * np.array(index)
        assert grid.values[index] == pytest.approx(ball.distance(place), abs=1e-5)
    for wrong in (3, 5000, 2.5):
        with pytest.raises(UsageError, match="resolution is"):
            ball.grid(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["distance", "gradient", "normal", "curvature", "contains", "project"])
@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 2)), 1.0, "x", [[0, 0, np.nan]], [[0, 0], [1]], torch.zeros(3, 4), None, [0j, 0, 0]],
)
def test_other_points_are_refused(ball: Queries, name: str, wrong: Any) -> None:
    with pytest.raises(ShapeError, match="points"):
        getattr(ball, name)(wrong)

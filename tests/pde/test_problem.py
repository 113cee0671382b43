"""What a declared problem gives the trainer, and the last layer that is solved for."""

import math

import pytest
import torch
from tensors import assert_close
from torch import Tensor

from recon.errors import UsageError
from recon.field.derivatives import jet
from recon.field.jet import GRADIENT, VALUE, Jet, hessian_order, laplacian_order
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.pde.last_layer import solve_last_layer
from recon.pde.problem import Equation, Problem, Units, at_points, inside
from recon.training.constraints import Draw

BOX = ((2.0, 8.0), (-1.0, 0.5))


def draw(step: int = 0, progress: float = 0.0) -> Draw:
    return Draw(step, progress, torch.Generator().manual_seed(step))


def poisson(equation: Equation | None = None, linear: bool = True) -> Problem:
    """Δu = 2 on BOX, u = x² at its sides: u = x² solves it."""
    sides = inside(BOX, 64)

    def rim(draw: Draw) -> Tensor:
        points = sides(draw)
        points[::2, 0] = torch.where(points[::2, 0] > 5, 8.0, 2.0)
        points[1::2, 1] = torch.where(points[1::2, 1] > -0.25, 0.5, -1.0)
        return points

    inner = Equation(inside(BOX, 256), lambda u, at: u.second[0, :, 0] - 2, 1.0, laplacian_order(2))
    outer = Equation(rim, lambda u, at: u.value[:, 0] - at[:, 0] ** 2, 10.0)
    return Problem(BOX, 1, {"inside": equation or inner, "rim": outer}, 30.0, linear)


def test_derivatives_come_in_the_problems_coordinates_and_units() -> None:
    """Against differences of the values, in a box that is not the unit one."""
    units = Units(BOX, (5.0, 0.1))
    config = FieldConfig(width=16, hidden=1, omega_first=3.0, omega_hidden=3.0, spread=1.0)
    field = Siren(config, 2, 2).double()
    at = torch.tensor([[3.0, 0.2], [7.5, -0.9]], dtype=torch.float64)

    def value(points: Tensor) -> Tensor:
        return torch.tensor([5.0, 0.1]).double() * field(units.to_unit(points)).detach()

    found = units.jet(jet(field, units.to_unit(at), hessian_order(2)))
    step = 1e-4
    ahead = [step * torch.eye(2).double()[axis] for axis in range(2)]
    slopes = torch.stack([(value(at + s) - value(at - s)) / (2 * step) for s in ahead])
    bend = (value(at + ahead[0]) - 2 * value(at) + value(at - ahead[0])) / step**2
    assert_close(found.value, value(at))
    assert_close(found.gradient, slopes, rtol=1e-6, atol=1e-8)
    assert_close(found.second[0], bend, rtol=1e-4, atol=1e-5)


def test_the_longest_side_fills_the_unit_frame_and_shapes_stay() -> None:
    corners = torch.tensor([[2.0, -1.0], [8.0, 0.5]])
    assert_close(Units(BOX).to_unit(corners), torch.tensor([[-1.0, -0.25], [1.0, 0.25]]))


def test_the_loss_is_the_mean_square_of_the_residual() -> None:
    problem = poisson()
    task = problem.task()
    field = Siren(FieldConfig(width=8, hidden=1, spread=1.0), 2, 1)
    batch = task.sample(3, 0.5)
    unit, points = batch["inside"]
    with torch.no_grad():
        residual = problem.residual("inside", jet(field, unit, laplacian_order(2)), points)
    assert residual.shape == (256, 1)
    found = task.terms(field, batch)["inside"].detach()
    assert_close(found, residual.square().mean(), rtol=1e-4, atol=0)
    assert task.weights["rim"](0.3) == 10.0


def test_lattice_points_average_better_than_independent_ones() -> None:
    """Of a smooth function over a box: the error of the mean, over many draws."""
    box = ((0.0, 1.0), (0.0, 2.0), (-1.0, 0.0))

    def spread(points: list[Tensor]) -> float:
        means = [(p[:, 0] * p[:, 1] ** 2 + torch.sin(3 * p[:, 2])).mean() for p in points]
        return float(torch.stack(means).std())

    sample = inside(box, 500)
    lattice = [sample(draw(step)) for step in range(100)]
    low, high = (torch.tensor(side) for side in zip(*box, strict=True))
    generator = torch.Generator().manual_seed(1)
    random = [low + (high - low) * torch.rand(500, 3, generator=generator) for _ in range(100)]
    assert spread(lattice) < spread(random) / 3
    every = torch.cat(lattice)
    assert (every >= low).all() and (every <= high).all()
    assert_close(every.mean(0), (low + high) / 2, atol=5e-3, rtol=0)


def test_the_box_can_grow_with_the_progress() -> None:
    sample = inside(BOX, 400, lambda progress: ((2.0, 2.0 + 6 * progress), BOX[1]))
    assert float(sample(draw(0, 0.5))[:, 0].max()) == pytest.approx(5.0, abs=0.05)
    assert float(sample(draw(0, 1.0))[:, 0].max()) == pytest.approx(8.0, abs=0.05)


def test_known_points_come_with_their_data() -> None:
    points, data = torch.rand(5, 2), torch.rand(5, 3)
    drawn = at_points(points, data)(draw())
    assert all(a is b for a, b in zip(drawn, (points, data), strict=True))


def exact(problem: Problem, field: Siren) -> float:
    """The relative error of u = x², over the box."""
    points = inside(BOX, 2000)(draw(9))
    found = 30.0 * field.values(problem.units.to_unit(points))[:, 0]
    return float((found - points[:, 0] ** 2).norm() / (points[:, 0] ** 2).norm())


def test_a_linear_problem_ends_with_the_best_last_layer() -> None:
    """A field of random features that was never trained."""
    problem = poisson()
    field = Siren(FieldConfig(width=100, hidden=0, omega_first=3.0, spread=1.0), 2, 1)
    before = field.flat.detach().clone()
    assert solve_last_layer(field, problem)
    assert exact(problem, field) < 1e-3
    first = field.weights[0].detach()
    assert_close(first, field.split(before)[0][0], rtol=0, atol=0)
    assert not solve_last_layer(field, problem) or exact(problem, field) < 1e-3


def test_where_that_is_no_better_the_field_stays_as_it_was() -> None:
    """An equation that is far from linear: one step of Newton from afar makes it worse."""
    steep = Equation(inside(BOX, 256), lambda u, at: torch.atan(50 * u.value[:, 0] / 30 - 25), 1.0, VALUE)
    problem = Problem(BOX, 1, {"steep": steep}, 30.0, linear=True)
    field = Siren(FieldConfig(width=20, hidden=1, spread=1.0), 2, 1)
    before = field.flat.detach().clone()
    assert not solve_last_layer(field, problem)
    assert_close(field.flat.detach(), before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("box", "outputs", "size", "says"),
    [
        (((0.0, 0.0),), 1, 1.0, "low < high"),
        (((0.0, math.inf),), 1, 1.0, "low < high"),
        ((), 1, 1.0, "at least one coordinate"),
        (BOX, 0, 1.0, "at least one coordinate"),
        (BOX, 2, (1.0, 1.0, 1.0), "expected one or as many"),
        (BOX, 1, 0.0, "above 0"),
    ],
)
def test_what_makes_no_sense_is_said(box: tuple, outputs: int, size: float, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Problem(box, outputs, {"a": Equation(inside(BOX, 4), lambda u, at: u.value)}, size)


def test_a_residual_of_another_shape_is_said() -> None:
    def residual(u: Jet, at: Tensor) -> Tensor:
        return u.gradient[:, :, 0]  # axes before points

    problem = poisson(Equation(inside(BOX, 16), residual, order=GRADIENT))
    field = Siren(FieldConfig(width=8, hidden=1, spread=1.0), 2, 1)
    with pytest.raises(UsageError, match="expected a real row a point"):
        problem.task().terms(field, problem.task().sample(0))

"""A picture from some of its pixels, with an image prior (Sitzmann et al. 2020, supplement, section 3).

data   ‖Φ - f‖² at the known pixels; for s > 1, Φ is replaced by h*Φ ≈ 1/s Σ Φ(x + x_i), x_i drawn from the
       triangular density max(0, 1 - |u|) max(0, 1 - |v|) in pixels: as a camera sees it, without aliasing
prior  at random points: total variation, mean |∇Φ|_1; or the Hessian's norm, mean ‖∇²Φ‖_F
"""

import torch
from torch import Tensor

from recon.base.settings import Schedule
from recon.field.jet import GRADIENT, Jet, hessian_order
from recon.signals.tasks.grid import Grid, Shuffled
from recon.training.constraints import Constraint, ConstraintTask, Draw

PRIORS = ("none", "tv", "hessian")


def inpainting_task(
    grid: Grid,
    values: Tensor,
    known: Tensor,
    batch: int,
    *,
    prior: str = "tv",
    prior_points: int = 2048,
    prior_weight: float = 1.0,
    footprint: int = 1,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> ConstraintTask:
    """Φ = f at the `known` pixels, flat indices (n,) of `grid`, with f = `values` (n, k).

    `prior` is one of PRIORS, at `prior_points` a step, its derivatives by pixel. `footprint` is s above.
    """
    pixel = grid.spacing
    shuffled = Shuffled(len(known), batch, seed)

    def sample_data(draw: Draw) -> tuple[Tensor, Tensor]:
        place, generator = shuffled(draw), draw.generator
        points = grid.points(known[place]).to(device)
        if footprint > 1:
            drawn = torch.rand(2, len(place), footprint, 2, generator=generator, device=generator.device)
            points = points[:, None] + pixel * (
                drawn[0] - drawn[1]
            )  # difference of two uniform ones: triangular
        return points, values[place].to(device)

    def data(jet: Jet, target: Tensor) -> Tensor:
        value = jet.value if footprint == 1 else jet.value.mean(1)
        return (value - target).square().sum(1)

    constraints = {"data": Constraint(sample_data, data, Schedule.constant(1.0))}
    box = torch.tensor(grid.halves[::-1], device=device)

    def sample_box(draw: Draw) -> tuple[Tensor]:
        generator = draw.generator
        drawn = torch.rand(prior_points, 2, generator=generator, device=generator.device)
        return ((2 * drawn - 1) * box,)

    def variation(jet: Jet) -> Tensor:
        return pixel * jet.gradient.abs().sum((0, 2))

    def curvature(jet: Jet) -> Tensor:
        xx, xy, yy = jet.second
        return pixel**2 * torch.sqrt((xx.square() + 2 * xy.square() + yy.square()).sum(1) + 1e-12)

    weight = Schedule.constant(prior_weight)
    if prior == "tv":
        constraints["prior"] = Constraint(sample_box, variation, weight, GRADIENT)
    elif prior == "hessian":
        constraints["prior"] = Constraint(sample_box, curvature, weight, hessian_order(2))
    return ConstraintTask(constraints, seed, device)

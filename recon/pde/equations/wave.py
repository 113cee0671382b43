"""The wave equation in (t, x, y) over a square (Sitzmann et al. 2020, section 4.3 and supplement).

    ∂²u/∂t² = c² Δu,   u(0) = f,   ∂u/∂t(0) = g,   at the sides u = 0, or ∂u/∂t + c ∂u/∂n = 0: waves leave

The sampled time grows during the first part of the training.
"""

import torch
from torch import Tensor

from recon.field.jet import GRADIENT, VALUE, Jet, Order
from recon.pde.media import Map
from recon.pde.problem import Box, Equation, Problem, inside
from recon.training.constraints import Draw, Samples

BOUNDARIES = ("open", "fixed")
WAVE_ORDER = Order(True, (((0, 0),), ((1, 1), (2, 2))))  # ∂²/∂t², and the Laplacian in space
FULL_TIME_PROGRESS = 0.5  # of the training, from which all of the time is sampled
INITIAL_TIME_FRACTION = 0.1  # of the time, sampled at first
WEIGHTS = {"wave": 1.0, "initial value": 100.0, "initial velocity": 10.0, "sides": 1.0}
RESIDUAL_FRACTION = 0.05  # unit of the residual, as a fraction of c² Δu at time 0: waves fade as they spread


def wave_problem(
    value: Map,
    velocity: Map,
    slowness: Map,
    until: float,
    sides: str,
    size: float,
    curvature: float,
    points: int,
    start: int,
    around: int,
) -> Problem:
    """The problem of u, of magnitude `size`, where c² Δu at time 0 has the magnitude `curvature`.

    Each step draws `points` in space and time, `start` at time 0, `around` at the sides.
    """
    half = value.half
    square: Box = ((-half, half), (-half, half))

    def reach(progress: float) -> Box:
        seen = INITIAL_TIME_FRACTION + (1 - INITIAL_TIME_FRACTION) * progress / FULL_TIME_PROGRESS
        return ((0.0, until * min(1.0, seen)), *square)

    def at_start(draw: Draw) -> Tensor:
        places = plane(draw)
        return torch.cat((torch.zeros_like(places[:, :1]), places), 1)

    def at_sides(draw: Draw) -> Samples:
        return _sides(line(draw), half)

    def wave(u: Jet, at: Tensor) -> Tensor:
        in_time, in_space = u.second[..., 0]
        return (slowness(at[:, 1], at[:, 2]) ** 2 * in_time - in_space) / (RESIDUAL_FRACTION * curvature)

    def initial_value(u: Jet, at: Tensor) -> Tensor:
        return (u.value[:, 0] - value(at[:, 1], at[:, 2])) / size

    def initial_velocity(u: Jet, at: Tensor) -> Tensor:
        return (u.gradient[0, :, 0] - velocity(at[:, 1], at[:, 2])) / (size / half)

    def absorbing(u: Jet, at: Tensor, normal: Tensor) -> Tensor:
        outwards = (normal * u.gradient[1:, :, 0].T).sum(1)
        return (slowness(at[:, 1], at[:, 2]) * u.gradient[0, :, 0] + outwards) / (size / half)

    def fixed(u: Jet, at: Tensor, normal: Tensor) -> Tensor:
        return u.value[:, 0] / (size / 10)

    plane = inside(square, start)
    line = inside(((0.0, until), square[0]), around, lambda progress: reach(progress)[:2])
    side = Equation(at_sides, fixed, WEIGHTS["sides"], VALUE)
    if sides == "open":
        side = Equation(at_sides, absorbing, WEIGHTS["sides"], GRADIENT)
    return Problem(
        ((0.0, until), *square),
        1,
        {
            "wave": Equation(inside(reach(1.0), points, reach), wave, WEIGHTS["wave"], WAVE_ORDER),
            "initial value": Equation(at_start, initial_value, WEIGHTS["initial value"], VALUE),
            "initial velocity": Equation(at_start, initial_velocity, WEIGHTS["initial velocity"], GRADIENT),
            "sides": side,
        },
        size,
        linear=True,
    )


def _sides(drawn: Tensor, half: float) -> Samples:
    """Points (n, 3) on the square's four sides in turn, at times and places (n, 2), and normals (n, 2)."""
    time, along = drawn.T
    side = torch.arange(len(time), device=time.device) % 4
    outwards = torch.where(side < 2, half, -half)
    upright = side % 2 == 0
    x, y = torch.where(upright, outwards, along), torch.where(upright, along, outwards)
    normal = torch.stack((upright * outwards, ~upright * outwards), 1) / half
    return torch.stack((time, x, y), 1), normal

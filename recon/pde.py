"""What a boundary-value problem is declared and solved with: docs/pde.md shows one.

from recon import pde
solution = pde.solve(pde.Problem(box, outputs, {"name": pde.Equation(...), ...}), seconds=30)
solution.at(points)
"""

from recon.field.orders import GRADIENT, VALUE, Jet, Order, hessian_order, laplacian_order
from recon.modes.solve import solve
from recon.solution import Solution, load_solution
from recon.solve_config import SolveConfig
from recon.stages import Schedule
from recon.tasks.constraints import Draw
from recon.tasks.problem import Equation, Problem, at_points, inside

__all__ = [
    "GRADIENT",
    "VALUE",
    "Draw",
    "Equation",
    "Jet",
    "Order",
    "Problem",
    "Schedule",
    "Solution",
    "SolveConfig",
    "at_points",
    "hessian_order",
    "inside",
    "laplacian_order",
    "load_solution",
    "solve",
]

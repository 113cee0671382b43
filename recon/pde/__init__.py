"""Boundary-value problems, declared and solved; docs/pde.md shows one.

    from recon import pde
    solution = pde.solve(pde.Problem(box, outputs, {"name": pde.Equation(...), ...}), seconds=30)
    solution.at(points)

Names load what they need when they are first used: importing the settings is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recon.base.settings import Schedule
    from recon.field.jet import GRADIENT, VALUE, Jet, Order, hessian_order, laplacian_order
    from recon.pde.problem import Equation, Problem, at_points, inside
    from recon.pde.settings import SolveConfig
    from recon.pde.solution import Solution, load_solution
    from recon.pde.solver import solve
    from recon.training.constraints import Draw

_HOME = {
    "GRADIENT": "recon.field.jet",
    "VALUE": "recon.field.jet",
    "Draw": "recon.training.constraints",
    "Equation": "recon.pde.problem",
    "Jet": "recon.field.jet",
    "Order": "recon.field.jet",
    "Problem": "recon.pde.problem",
    "Schedule": "recon.base.settings",
    "Solution": "recon.pde.solution",
    "SolveConfig": "recon.pde.settings",
    "at_points": "recon.pde.problem",
    "hessian_order": "recon.field.jet",
    "inside": "recon.pde.problem",
    "laplacian_order": "recon.field.jet",
    "load_solution": "recon.pde.solution",
    "solve": "recon.pde.solver",
}
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


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'recon.pde' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)

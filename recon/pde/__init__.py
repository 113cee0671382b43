"""Boundary-value problems, declared and solved; docs/pde.md shows one.

    from recon import pde
    solution = pde.solve(pde.Problem(box, outputs, {"name": pde.Equation(...), ...}), seconds=30)
    solution.at(points)

Names load what they need when they are first used: importing the settings is quick.
"""

import importlib
from typing import Any

_MODULE_OF = {
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
__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'recon.pde' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)

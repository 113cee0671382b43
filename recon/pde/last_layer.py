"""The last layer of a field on a linear problem, solved for by linear least squares (variable projection).

Golub, Pereyra 1973, "The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate", doi:10.1137/0710036.
"""

import torch
from torch import Tensor

from recon.field.jet import Jet
from recon.field.kernels.jets import forward_rows
from recon.field.siren import Siren
from recon.pde.problem import Problem

SAMPLE_STEPS = 16  # training steps whose samples the solution is for
RELATIVE_DAMPING = 1e-10  # of the mean diagonal of the normal equations
FIRST_UNSEEN_STEP = 1 << 20  # number of the first of them: samples that no training has seen


@torch.no_grad()
def solve_last_layer(field: Siren, problem: Problem, seed: int = 0) -> bool:
    """Replace the last layer by the one with the least loss at the weights of the training's end.

    Returns False, with the field unchanged, if that is no better on other samples: if the problem is not
    linear, or was solved before.
    """
    task = problem.task(seed, field.flat.device)
    weight, bias = field.weights[-1], field.biases[-1]
    unknowns = weight.numel() + bias.numel()
    matrix = torch.zeros(unknowns, unknowns, dtype=torch.float64, device=weight.device)
    right = torch.zeros(unknowns, dtype=torch.float64, device=weight.device)
    for step in range(FIRST_UNSEEN_STEP, FIRST_UNSEEN_STEP + SAMPLE_STEPS):
        for name, batch in task.sample(step, 1.0).items():
            rows, wanted = _linear(field, problem, name, batch)
            share = task.weights[name](1.0) / len(batch[0])
            matrix.addmm_(rows.T, rows, alpha=share)
            right.addmv_(rows.T, wanted, alpha=-share)
    matrix.diagonal().add_(RELATIVE_DAMPING * matrix.diagonal().mean())
    change = torch.linalg.solve(matrix, right).to(field.flat.dtype)
    before, loss = field.flat.clone(), _loss(field, problem, seed)
    weight += change[: weight.numel()].view_as(weight)
    bias += change[weight.numel() :]
    if _loss(field, problem, seed) < loss:
        return True
    field.flat.copy_(before)
    return False


def _linear(field: Siren, problem: Problem, name: str, batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """The residuals (rows,) of an equation and their derivatives (rows, weights and biases), float64."""
    unit, points, *data = batch
    order = problem.equations[name].order
    stack, cache = forward_rows(unit, field, field.flat * field.factors, order, back=True)
    below = cache[-1].below  # (blocks, n, width): what the last layer meets
    with torch.enable_grad():
        stack.requires_grad_()
        found = problem.residual(name, Jet.of(stack, order, unit.shape[1]), points, *data)
        slopes = [torch.autograd.grad(part.sum(), [stack], retain_graph=True)[0] for part in found.T]
    rows = [
        torch.cat((torch.einsum("bnk,bnw->nkw", slope, below).flatten(1), slope[0]), 1) for slope in slopes
    ]
    return torch.cat(rows).double(), found.detach().T.reshape(-1).double()


def _loss(field: Siren, problem: Problem, seed: int) -> float:
    """The loss on samples of its own."""
    task = problem.task(seed, field.flat.device)
    total = 0.0
    for step in range(FIRST_UNSEEN_STEP + SAMPLE_STEPS, FIRST_UNSEEN_STEP + SAMPLE_STEPS + 4):
        terms = task.terms(field, task.sample(step, 1.0))
        total += sum(task.weights[name](1.0) * float(term) for name, term in terms.items())
    return total

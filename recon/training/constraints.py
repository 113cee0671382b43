"""A problem `F(x, Φ, ∇Φ, ∇²Φ, …) = 0` declared as named constraints, each a mean over samples of its domain.

    loss = Σ_m w_m · mean over Ω_m of C_m(a(x), Φ(x), ∇Φ(x), …)      (Sitzmann et al. 2020, equations 1 and 2)

Derivatives come in closed form; the gradient of the loss goes forward and back through field and integrand in
one pass for each share of the samples.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon.base.settings import Schedule
from recon.field.derivatives import jet_plain
from recon.field.jet import VALUE, Jet, Order
from recon.field.kernels.jets import jet_loss_gradient
from recon.field.siren import Siren

# Points (n, m), or n groups (n, s, m); then further arguments of the integrand, n rows each.
Samples = tuple[Tensor, ...]


@dataclass(frozen=True)
class Draw:
    """What samples are drawn by: the step, the progress of the training, 0..1, a generator seeded for it."""

    step: int
    progress: float
    generator: torch.Generator


@dataclass(frozen=True)
class Constraint:
    """One term of a loss.

    Attributes:
        sample: its samples of a step, the same number every time.
        integrand: (jet at the points, the rest of the samples) → (n,), differentiable in the jet. The jet's
            tensors are (n, k) and (·, n, k), of groups (n, s, k) and (·, n, s, k).
        weight: of the term, by progress.
        order: the derivatives that the integrand reads.
    """

    sample: Callable[[Draw], Samples]
    integrand: Callable[..., Tensor]
    weight: Schedule
    order: Order = VALUE


class ConstraintTask:
    """The task of these constraints, by name, on `device`."""

    def __init__(
        self, constraints: Mapping[str, Constraint], seed: int = 0, device: torch.device | str = "cpu"
    ) -> None:
        self.constraints = dict(constraints)
        self.weights = {name: constraint.weight for name, constraint in constraints.items()}
        self.seed = seed
        self._generator = torch.Generator(device)

    def sample(self, step: int, progress: float = 0.0) -> dict[str, Samples]:
        """The samples of every constraint; a function of seed, step and progress alone."""
        drawn = {}
        for place, (name, constraint) in enumerate(self.constraints.items()):
            mixed = np.random.SeedSequence((self.seed, step, place)).generate_state(1)
            self._generator.manual_seed(int(mixed[0]))
            drawn[name] = constraint.sample(Draw(step, progress, self._generator))
        return drawn

    def terms(self, field: Siren, batch: Mapping[str, Samples]) -> dict[str, Tensor]:
        """The terms, unweighted, by autograd: the plain version."""
        terms = {}
        for name, constraint in self.constraints.items():
            points, *rest = batch[name]
            flat = jet_plain(field, points.reshape(-1, points.shape[-1]), constraint.order)
            terms[name] = constraint.integrand(_grouped(flat, points), *rest).mean()
        return terms

    def gradient(
        self, field: Siren, batch: Mapping[str, Samples], weights: Mapping[str, float | Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The terms, and the gradient (p,) in `field.flat` of their sum with `weights`."""
        terms, total = {}, None
        for name, constraint in self.constraints.items():
            points, *rest = batch[name]
            share = weights[name] / len(points)

            def loss_of_rows(
                part: slice,
                flat: Jet,
                constraint: Constraint = constraint,
                points: Tensor = points,
                rest: list[Tensor] = rest,
                share: float | Tensor = share,
            ) -> tuple[Tensor, Tensor]:
                grouped = _grouped(flat, points[part])
                added = constraint.integrand(grouped, *(data[part] for data in rest)).sum()
                return share * added, added

            gradient, added = jet_loss_gradient(field, points, constraint.order, loss_of_rows)
            terms[name] = added / len(points)
            total = gradient if total is None else total.add_(gradient)
        assert total is not None
        return terms, total


def _grouped(flat: Jet, points: Tensor) -> Jet:
    """The jet of points (n, s, m), reshaped to their groups."""
    if points.dim() == 2:
        return flat
    shape = points.shape[:-1]
    fields = (flat.value, flat.gradient, flat.second)
    return Jet(*(field.view(*field.shape[:-2], *shape, field.shape[-1]) for field in fields))

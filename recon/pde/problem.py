"""A boundary-value problem as it is declared: a box, the unknowns, and equations on parts of it.

    F_m(x, Φ, ∇Φ, ∇²Φ) = 0 on Ω_m,     loss = Σ_m w_m · mean over Ω_m of |F_m|²

(Sitzmann et al. 2020, equations 1 and 2, with squares: their optimum does not move with the noise of samples,
and a linear problem stays a least-squares problem.)
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.base.settings import Schedule
from recon.errors import UsageError
from recon.field.derivatives import jet
from recon.field.jet import VALUE, Jet, Order
from recon.field.siren import Siren
from recon.training.adaptive_sampling import AdaptiveSampler
from recon.training.constraints import Constraint, ConstraintTask, Draw, Samples

Box = tuple[tuple[float, float], ...]  # (low, high) of each coordinate


@dataclass(frozen=True)
class Units:
    """Between a problem's coordinates and unknowns and the unit frame and outputs of a field.

    The longest side of `box` becomes -1 to 1, by one scale for all coordinates; `size`, of all unknowns or
    one for each, makes the field's outputs about one.
    """

    box: Box
    size: float | tuple[float, ...] = 1.0

    @property
    def half(self) -> float:
        """Half the longest side of the box."""
        return max(high - low for low, high in self.box) / 2

    def to_unit(self, points: Tensor) -> Tensor:
        """Coordinates (…, m) → the field's."""
        centre = torch.tensor([(low + high) / 2 for low, high in self.box]).to(points)
        return (points - centre) / self.half

    def jet(self, unit: Jet) -> Jet:
        """Outputs of the field and their derivatives → the unknowns and theirs."""
        size = torch.tensor(self.size).to(unit.value)
        value, gradient, second = size * unit.value, size / self.half * unit.gradient, size * unit.second
        return Jet(value, gradient, second / self.half**2)


@dataclass(frozen=True)
class Equation:
    """F = 0 on a part of the box, its boundary or some points.

    Attributes:
        sample: draws points (n, m), and data of n rows each, if any, always as many: `inside`, `at_points`,
            or a function of one's own.
        residual: (jet, points, *data) → F, (n,) or (n, r) real; the jet's tensors are (n, k) and (·, n, k),
            in the problem's coordinates and units.
        weight: of |F|², a number or a schedule.
        order: the derivatives the residual reads: VALUE, GRADIENT, laplacian_order(m), hessian_order(m) or
            another `Order`.
        adaptive: draw half of a step's points where |F| is large.
    """

    sample: Callable[[Draw], Tensor | Samples]
    residual: Callable[..., Tensor]
    weight: Schedule | float = 1.0
    order: Order = VALUE
    adaptive: bool = False


@dataclass(frozen=True)
class Problem:
    """What is to be solved.

    Attributes:
        box: (low, high) of each of the m coordinates.
        outputs: k, the number of real unknowns; a complex one is two.
        equations: by name.
        size: magnitude of the unknowns, one for all or one for each.
        linear: whether the equations are linear in the unknowns; the last layer is then solved for exactly.

    Raises:
        UsageError: if it makes no sense.
    """

    box: Box
    outputs: int
    equations: Mapping[str, Equation]
    size: float | tuple[float, ...] = 1.0
    linear: bool = False

    def __post_init__(self) -> None:
        for low, high in self.box:
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise UsageError(f"the box has a side from {low:g} to {high:g}, expected low < high")
        if not self.box or self.outputs < 1 or not self.equations:
            raise UsageError("a problem needs at least one coordinate, one unknown and one equation")
        sizes = self.size if isinstance(self.size, tuple) else (self.size,)
        if len(sizes) not in (1, self.outputs) or not all(0 < size < math.inf for size in sizes):
            raise UsageError(
                f"sizes {self.size} of {self.outputs} unknowns, expected one or as many, above 0"
            )

    @property
    def units(self) -> Units:
        """The units of box and unknowns."""
        return Units(self.box, self.size)

    def task(
        self, seed: int = 0, device: torch.device | str = "cpu", field: Siren | None = None
    ) -> ConstraintTask:
        """The trainer's task; adaptive equations look at the residuals of `field`."""
        constraints = {name: self._constraint(name, field) for name in self.equations}
        return ConstraintTask(constraints, seed, device)

    def residual(self, name: str, unit: Jet, points: Tensor, *data: Tensor) -> Tensor:
        """F (n, r) of an equation, from the field's jet. Raises UsageError for another shape."""
        found = self.equations[name].residual(self.units.jet(unit), points, *data)
        if found.shape[:1] != points.shape[:1] or found.dim() > 2 or found.is_complex():
            raise UsageError(
                f"the residual of '{name}' is {tuple(found.shape)} {found.dtype} at {len(points)} points, "
                "expected a real row a point; torch.view_as_real makes two of a complex one"
            )
        return found.reshape(len(points), -1)

    def _constraint(self, name: str, field: Siren | None) -> Constraint:
        equation, units = self.equations[name], self.units

        def drawn(draw: Draw) -> Samples:
            found = equation.sample(draw)
            points, *data = found if isinstance(found, tuple) else (found,)
            return units.to_unit(points), points, *data

        def sizes(samples: Samples) -> Tensor:
            unit, *rest = samples
            with torch.no_grad():
                return self.residual(name, jet(known, unit, equation.order), *rest).norm(dim=1)

        sample = drawn
        if equation.adaptive and field is not None:
            known, sample = field, AdaptiveSampler(drawn, sizes)

        def squared(unit: Jet, points: Tensor, *data: Tensor) -> Tensor:
            return self.residual(name, unit, points, *data).square().sum(1)

        weight = equation.weight
        schedule = weight if isinstance(weight, Schedule) else Schedule.constant(float(weight))
        return Constraint(sample, squared, schedule, equation.order)


def inside(box: Box, count: int, reach: Callable[[float], Box] | None = None) -> Callable[[Draw], Tensor]:
    """Draws `count` points uniformly from a box, or from the box that `reach` gives for the progress, 0..1.

    They are a randomly shifted lattice with irrational steps, whose means are better than those of
    independent points (Cranley, Patterson 1976, doi:10.1137/0713071; steps by Roberts 2018, "The unreasonable
    effectiveness of quasirandom sequences").
    """
    axes = len(box)
    root = 2.0
    for _ in range(64):
        root = (1 + root) ** (1 / (axes + 1))  # of x^(axes + 1) = x + 1
    steps = root ** -torch.arange(1, axes + 1, dtype=torch.float64)
    lattice = torch.arange(count, dtype=torch.float64)[:, None] * steps % 1.0

    def sample(draw: Draw) -> Tensor:
        where = draw.generator.device
        low, high = torch.tensor(reach(draw.progress) if reach else box, dtype=torch.float64).to(where).T
        moved = torch.rand(axes, generator=draw.generator, device=where, dtype=torch.float64)
        return (low + (lattice.to(where) + moved) % 1.0 * (high - low)).float()

    return sample


def at_points(points: Tensor, *data: Tensor) -> Callable[[Draw], Samples]:
    """Draws these points (n, m), with the data known there, n rows each."""
    return lambda draw: tuple(part.to(draw.generator.device) for part in (points, *data))

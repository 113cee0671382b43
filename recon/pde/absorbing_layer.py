"""The Helmholtz equation in two dimensions, with a perfectly matched layer around a square region.

    ∂x(e_y/e_x ∂xΦ) + ∂y(e_x/e_y ∂yΦ) + e_x e_y (k² s² Φ + f) = 0,   e = 1 - i a₀ (d/L)²

s is the slowness, d the depth in the layer, L its width (Sitzmann et al. 2020, section 4.3 and supplement;
Berenger 1994, doi:10.1006/jcph.1994.1159). The time dependence is exp(iωt), so that in a uniform medium a
unit point source radiates -(i/4) H₀⁽²⁾(k r). The equation is divided by e_x e_y here, so that it weighs the
layer no more than the region.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from recon.field.jet import Jet, Order

PURE_SECOND_DERIVATIVES = Order(True, (((0, 0),), ((1, 1),)))  # ∂²/∂x² and ∂²/∂y², separately


@dataclass(frozen=True)
class Layer:
    """The square of half-width `half` around zero with a layer of this `width` inside; `strength` is a₀."""

    half: float = 1.0
    width: float = 0.5
    strength: float = 5.0

    @property
    def region(self) -> float:
        """Half the width of the region without the layer."""
        return self.half - self.width

    @property
    def box(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The square, (low, high) of x and y."""
        return ((-self.half, self.half), (-self.half, self.half))

    def stretch(self, at: Tensor) -> tuple[Tensor, Tensor]:
        """The factor e and its derivative (n,) complex at coordinates (n,) of one axis."""
        depth = (at.abs() - self.region).clamp_min(0) / self.width
        slope = -2 * self.strength / self.width * depth * at.sign()
        return torch.complex(torch.ones_like(at), -self.strength * depth**2), torch.complex(0 * at, slope)

    def laplacian(self, gradient: Tensor, second: Tensor, points: Tensor) -> Tensor:
        """ΔΦ (n, …) in the stretched coordinates at points (n, 2).

        `gradient` and `second` (2, n, …) complex are the first and second derivatives along x and y.
        """
        total = torch.zeros_like(second[0])
        for axis in range(2):
            e, slope = self.stretch(points[:, axis])
            inverse = (1 / e).view(-1, *[1] * (total.dim() - 1))
            total += inverse**2 * (second[axis] - slope.view_as(inverse) * inverse * gradient[axis])
        return total


def as_complex(jet: Jet, count: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Value (n, c), first and second derivatives (·, n, c) of the first 2c = `count` outputs, complex."""
    parts = (jet.value, jet.gradient, jet.second)
    value, gradient, second = (
        torch.view_as_complex(part[..., :count].unflatten(-1, (-1, 2)).contiguous()) for part in parts
    )
    return value, gradient, second

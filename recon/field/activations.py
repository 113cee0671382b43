"""Nonlinearities of a field, with their first three derivatives and the initialisation each needs.

A layer computes f(z) of z = ω(Wh + b); ω is 1 where it has no meaning. Initial weights are uniform,
`U(±bound)`: the sine's as in Sitzmann et al. 2020, section 3.2 (arXiv:2006.09661), the others' as in He et
al. 2015 (arXiv:1502.01852) and Glorot and Bengio 2010 (PMLR 9:249). The Gaussian's are twice a SIREN's: they
keep differences between points through 8 layers, where a SIREN's lose nine tenths in four.

    sine            sin z
    finer           sin((|Wh + b| + 1) z)      Liu et al. 2024, "FINER", arXiv:2312.02434
    truncated-sine  sin z within ±π/2, ±1 beyond: not periodic, as in Parascandolo et al. 2017
    gauss           exp(-z²/2), of width 1/ω   Ramasinghe and Lucey 2022, arXiv:2111.15135
    exponential     exp(-|z|), likewise; its slope jumps at 0
    spline          the cubic B-spline with knots at 0, ±1 and ±2, over its value at 0: zero beyond
    relu, tanh, softplus
    relu-pe         relu of positional encodings: Mildenhall et al. 2020, arXiv:2003.08934
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from recon.field.kernels.sines import sine_, sine_cosine_

HALF_PI = math.pi / 2
SQRT_2 = math.sqrt(2)

Plain = Callable[[Tensor, float], Tensor]
# (z, ω, highest order) → f(z) and its derivatives in z up to that order, 3 at most; z may be used up
Derivatives = Callable[[Tensor, float, int], list[Tensor]]


@dataclass(frozen=True)
class Activation:
    """A nonlinearity and its initialisation.

    Attributes:
        derivatives: see `Derivatives`.
        plain: (z, ω) → f(z), followed by autograd.
        periodic: whether weights are initialised as a SIREN's, and ω applies.
        gain: of the weights of all but a SIREN's first layer: relative to a SIREN's; of those that are not
            periodic, their standard deviation times sqrt(fan-in).
        encoded: whether coordinates are encoded as sines and cosines.
        bias: half the initial range of the first layer's; 1/sqrt(fan-in) by default.
    """

    derivatives: Derivatives
    plain: Plain
    periodic: bool = False
    gain: float = 1.0
    encoded: bool = False
    bias: float | None = None

    def omega(self, wanted: float) -> float:
        """The frequency factor ω of a layer."""
        return wanted if self.periodic else 1.0

    def bound(self, fan_in: int, omega: float, first: bool) -> float:
        """Half the range of a layer's initial weights."""
        if not self.periodic:
            return self.gain * math.sqrt(3 / fan_in)
        return 1 / fan_in if first else self.gain * math.sqrt(6 / fan_in) / omega


def _sine(z: Tensor, omega: float, order: int) -> list[Tensor]:
    if order < 1:
        return [sine_(z)]
    sine, cosine = sine_cosine_(z)
    return [sine, cosine, *(() if order < 2 else (-sine, -cosine))]


def _finer(z: Tensor, omega: float, order: int) -> list[Tensor]:
    d2u = 2 / omega * z.sign()
    du = 1 + d2u * z  # derivative of u = z + z|z|/ω, the sine's argument
    sine, cosine = sine_cosine_(z * (1 + du) / 2)
    found = [sine, du * cosine]
    if order > 1:
        found.append(d2u * cosine - du.square() * sine)
        found.append(-3 * du * d2u * sine - du**3 * cosine)
    return found


def _truncated_sine(z: Tensor, omega: float, order: int) -> list[Tensor]:
    within = (z.abs() < HALF_PI).to(z.dtype)
    sine, cosine = sine_cosine_(z.clamp(-HALF_PI, HALF_PI))
    found = [sine, cosine.mul_(within)]
    return found if order < 2 else [*found, -sine * within, -cosine]


def _gauss(z: Tensor, omega: float, order: int) -> list[Tensor]:
    value = torch.exp(-z.square() / 2)
    found = [value, -z * value]
    return found if order < 2 else [*found, (z.square() - 1) * value, (3 - z.square()) * z * value]


def _exponential(z: Tensor, omega: float, order: int) -> list[Tensor]:
    value, sign = torch.exp(-z.abs()), z.sign()
    return [value, -sign * value] if order < 2 else [value, -sign * value, value, -sign * value]


def _spline(z: Tensor, omega: float, order: int) -> list[Tensor]:
    s, sign = z.abs(), z.sign()
    within, tail = s < 1, (2 - s).clamp_min(0)
    found = [torch.where(within, 1 + s.square() * (0.75 * s - 1.5), tail**3 / 4)]
    found.append(sign * torch.where(within, s * (2.25 * s - 3), -0.75 * tail.square()))
    if order > 1:
        found.append(torch.where(within, 4.5 * s - 3, 1.5 * tail))
        found.append(sign * torch.where(within, 4.5, torch.where(s < 2, -1.5, 0.0)))
    return found


def _plain_spline(z: Tensor, omega: float) -> Tensor:
    s = z.abs()
    return torch.where(s < 1, 1 - 1.5 * s.square() + 0.75 * s**3, (2 - s).clamp_min(0) ** 3 / 4)


def _relu(z: Tensor, omega: float, order: int) -> list[Tensor]:
    value = z.clamp_min(0)
    return [value, (z > 0).to(z.dtype), *(torch.zeros_like(z) for _ in range(order - 1))]


def _tanh(z: Tensor, omega: float, order: int) -> list[Tensor]:
    value = torch.tanh(z)
    first = 1 - value.square()
    return (
        [value, first] if order < 2 else [value, first, -2 * value * first, (6 * value.square() - 2) * first]
    )


def _softplus(z: Tensor, omega: float, order: int) -> list[Tensor]:
    first = torch.sigmoid(z)
    value = functional.softplus(z)
    if order < 2:
        return [value, first]
    second = first * (1 - first)
    return [value, first, second, second * (1 - 2 * first)]


ACTIVATIONS = {
    "sine": Activation(_sine, lambda z, _: z.sin(), periodic=True),
    "finer": Activation(
        _finer, lambda z, omega: torch.sin(z + z.square() * z.sign() / omega), periodic=True, bias=1.0
    ),
    "truncated-sine": Activation(
        _truncated_sine, lambda z, _: z.clamp(-HALF_PI, HALF_PI).sin(), periodic=True
    ),
    "gauss": Activation(_gauss, lambda z, _: torch.exp(-z.square() / 2), periodic=True, gain=2.0),
    "exponential": Activation(_exponential, lambda z, _: torch.exp(-z.abs()), periodic=True, gain=3.0),
    "spline": Activation(_spline, _plain_spline, periodic=True, gain=3.0),
    "relu": Activation(_relu, lambda z, _: z.relu(), gain=SQRT_2),
    "relu-pe": Activation(_relu, lambda z, _: z.relu(), gain=SQRT_2, encoded=True),
    "tanh": Activation(_tanh, lambda z, _: z.tanh()),
    "softplus": Activation(_softplus, lambda z, _: functional.softplus(z), gain=SQRT_2),
}

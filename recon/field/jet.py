"""Which derivatives of a field are wanted, and the derivatives."""

from dataclasses import dataclass

from torch import Tensor

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Order:
    """Which derivatives to compute: all first ones or none, and sums of second ones over pairs of axes."""

    first: bool = False
    second: tuple[Pairs, ...] = ()

    @property
    def highest(self) -> int:
        """The highest order among them, 0 to 2."""
        return 2 if self.second else int(self.first)

    def blocks(self, axes: int) -> int:
        """The number of values and derivatives for this many `axes`."""
        return 1 + (axes if self.first else 0) + len(self.second)


VALUE, GRADIENT = Order(), Order(first=True)


def laplacian_order(axes: int) -> Order:
    """Value, gradient and Laplacian."""
    return Order(True, (tuple((a, a) for a in range(axes)),))


def hessian_order(axes: int) -> Order:
    """Value, gradient and the second derivatives with a ≤ b, row by row of the Hessian."""
    return Order(True, tuple(((a, b),) for a in range(axes) for b in range(a, axes)))


@dataclass(frozen=True)
class Jet:
    """Φ and derivatives at n points: k outputs, m axes, c sums of second derivatives.

    `value` is (n, k), `gradient` (m, n, k) and `second` (c, n, k); empty if not in the order.
    """

    value: Tensor
    gradient: Tensor
    second: Tensor

    @classmethod
    def of(cls, stack: Tensor, order: Order, axes: int) -> "Jet":
        """The jet stacked in one tensor (blocks, n, k)."""
        first = 1 + (axes if order.first else 0)
        return cls(stack[0], stack[1:first], stack[first:])


def product(a: Tensor, b: Tensor, order: Order, axes: int) -> Tensor:
    """The stack of the product of two functions, of their stacks (blocks, …), which broadcast."""
    found = a[:1] * b
    found[1:] += a[1:] * b[:1]
    for place, pairs in enumerate(order.second, 1 + axes):
        for i, j in pairs:
            found[place] += a[1 + i] * b[1 + j] + a[1 + j] * b[1 + i]
    return found

"""Samples where they are needed: half of them as they come, half drawn in proportion to the residual's size
there, plus its mean (Wu, Zhu, Tan, Kartha, Lu 2023, "A comprehensive study of non-adaptive and residual-based
adaptive sampling for physics-informed neural networks", doi:10.1016/j.cma.2022.115671).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from recon.training.constraints import Draw, Samples

REFRESHED = 50  # steps for which residuals are used: no more than from one snapshot of a training to the next
POOL = 4  # draws that are looked at, and chosen from


class Adaptive:
    """Draws of `sample`, made so. `sizes` gives the residual's size (n,) at samples of n rows, by the field
    as it is then: every REFRESHED steps, so that a training that goes on from a snapshot sees the same.
    """

    def __init__(self, sample: Callable[[Draw], Samples], sizes: Callable[[Samples], Tensor]) -> None:
        self.sample, self.sizes = sample, sizes
        self._seen = -1
        self._pool: Samples = ()
        self._shares = torch.empty(0)

    def __call__(self, draw: Draw) -> Samples:
        plain = self.sample(draw)
        if draw.step // REFRESHED != self._seen:
            self._seen = draw.step // REFRESHED
            draws = [self.sample(draw) for _ in range(POOL)]
            self._pool = tuple(torch.cat(parts) for parts in zip(*draws, strict=True))
            sizes = self.sizes(self._pool)
            self._shares = sizes + sizes.mean() + torch.finfo(sizes.dtype).tiny
        count = len(plain[0]) // 2
        chosen = torch.multinomial(self._shares, count, generator=draw.generator)
        return tuple(
            torch.cat((part[count:], pool[chosen])) for part, pool in zip(plain, self._pool, strict=True)
        )

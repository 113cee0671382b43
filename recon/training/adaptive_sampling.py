"""Residual-based adaptive sampling.

Half the samples are plain, half drawn with probability proportional to |residual| plus its mean (Wu, Zhu,
Tan, Kartha, Lu 2023, "A comprehensive study of non-adaptive and residual-based adaptive sampling for
physics-informed neural networks", doi:10.1016/j.cma.2022.115671).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from recon.training.constraints import Draw, Samples

REFRESH_STEPS = 50  # for which residuals are used: at most the steps between two snapshots
POOL_DRAWS = 4  # draws to choose from


class AdaptiveSampler:
    """Draws of `sample`, half of them by residual.

    `norms` gives the residual's norm (n,) at samples of n rows. It is called every REFRESH_STEPS steps, so
    that a training resumed from a snapshot draws the same.
    """

    def __init__(self, sample: Callable[[Draw], Samples], norms: Callable[[Samples], Tensor]) -> None:
        self.sample, self.norms = sample, norms
        self._refresh = -1
        self._pool: Samples = ()
        self._probabilities = torch.empty(0)

    def __call__(self, draw: Draw) -> Samples:
        """The samples of a step."""
        plain = self.sample(draw)
        if draw.step // REFRESH_STEPS != self._refresh:
            self._refresh = draw.step // REFRESH_STEPS
            draws = [self.sample(draw) for _ in range(POOL_DRAWS)]
            self._pool = tuple(torch.cat(parts) for parts in zip(*draws, strict=True))
            norms = self.norms(self._pool)
            self._probabilities = norms + norms.mean() + torch.finfo(norms.dtype).tiny
        count = len(plain[0]) // 2
        chosen = torch.multinomial(self._probabilities, count, generator=draw.generator)
        return tuple(
            torch.cat((part[count:], pool[chosen])) for part, pool in zip(plain, self._pool, strict=True)
        )

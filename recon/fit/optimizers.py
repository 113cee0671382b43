"""The optimisers: Adam, and orthogonalised momentum for the hidden matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from recon.config import FitConfig
from recon.field.kernels.rows import in_parallel


def make_optimizer(parameters: list[nn.Parameter], config: FitConfig) -> torch.optim.Optimizer:
    """The optimiser that `config` names."""
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=config.rate, betas=(0.9, config.beta2), fused=True)
    return Muon(parameters, config.rate, beta2=config.beta2)


class Muon(torch.optim.Optimizer):
    """Momentum whose singular values are all made one, for matrices; Adam for everything else.

    K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the factor
    0.2 sqrt(largest side) that gives the update the size of Adam's is Liu et al. 2025,
    arXiv:2502.16982. Matrices with a side below `SMALLEST`, the first and the last layer of a field,
    are Adam's.
    """

    SMALLEST = 8

    def __init__(
        self,
        parameters: list[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        beta1: float = 0.9,
        beta2: float = 0.98,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "beta1": beta1, "beta2": beta2})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            hidden = []
            for parameter in group["params"]:
                if (gradient := parameter.grad) is None:
                    continue
                state = self.state[parameter]
                state.setdefault("first", torch.zeros_like(parameter))
                if parameter.ndim == 2 and min(parameter.shape) >= self.SMALLEST:
                    hidden.append((parameter, gradient, state))
                else:
                    self._adam_step(parameter, gradient, state, group)
            in_parallel(partial(self._orthogonal_step, group), hidden)

    @staticmethod
    def _orthogonal_step(group: dict[str, Any], hidden: tuple[Tensor, Tensor, dict[str, Any]]) -> None:
        parameter, gradient, state = hidden
        state["first"].lerp_(gradient, 1 - group["momentum"])
        ahead = torch.lerp(gradient, state["first"], group["momentum"])
        size = 0.2 * math.sqrt(max(parameter.shape))
        parameter.add_(orthogonalised(ahead), alpha=-group["lr"] * size)

    @staticmethod
    def _adam_step(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state.setdefault("second", torch.zeros_like(parameter))
        state["count"] = count = state.get("count", 0) + 1
        state["first"].lerp_(gradient, 1 - group["beta1"])
        state["second"].lerp_(gradient.square(), 1 - group["beta2"])
        scale = (state["second"] / (1 - group["beta2"] ** count)).sqrt_().add_(1e-8)
        parameter.addcdiv_(state["first"], scale, value=-group["lr"] / (1 - group["beta1"] ** count))


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """U Vᵀ of the matrix's singular value decomposition U S Vᵀ, roughly: singular values end in
    0.7..1.2, which is as good, by `steps` of the quintic Newton-Schulz iteration with Jordan's
    coefficients. Shape and dtype stay; a zero matrix stays zero."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.t() if tall else matrix
    x = x / x.norm().clamp_min(1e-30)
    for _ in range(steps):
        gram = x @ x.t()
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.t() if tall else x

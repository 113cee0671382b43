"""The optimisers: Adam, and orthogonalised momentum for the hidden matrices."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from recon.config import FitConfig
from recon.field.kernels.rows import in_shares
from recon.fit.task import Trainable


def make_optimizer(field: Trainable, config: FitConfig) -> Muon | torch.optim.Adam:
    """The optimiser that `config` names, for `field.flat`."""
    if config.optimizer == "adam":
        return torch.optim.Adam(
            [field.flat],
            lr=config.rate,
            betas=(0.9, config.beta2),
            fused=True,
            capturable=field.flat.is_cuda,
        )
    return Muon(field.flat, field.hidden_shape, config.rate, beta2=config.beta2)


class Muon:
    """Momentum whose singular values are all made one, for matrices; Adam for everything else.

    K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the factor
    0.2 sqrt(largest side) that gives the update the size of Adam's is Liu et al. 2025,
    arXiv:2502.16982.

    The group's "lr" may be a tensor on the parameters' device, the state's "count" is one: a step asks
    nothing of the host.

    It has what is used here of `torch.optim.Optimizer`, and is none: the first of these in a process loads
    PyTorch's compiler, which takes about as long as all else that a command loads.

    flat    (p,) the parameters, which begin with the matrices
    shape   number, rows and columns of the matrices
    """

    def __init__(
        self,
        flat: nn.Parameter,
        shape: tuple[int, int, int],
        lr: float | Tensor,
        momentum: float = 0.95,
        beta1: float = 0.9,
        beta2: float = 0.98,
    ) -> None:
        self.flat, self.shape, self.split = flat, shape, math.prod(shape)
        self.param_groups = [{"lr": lr, "momentum": momentum, "beta1": beta1, "beta2": beta2}]
        self.state: dict[str, Tensor] = {}

    def state_dict(self) -> dict[str, Any]:
        """Not copied."""
        return {"state": self.state, "param_groups": self.param_groups}

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """What `state_dict` gave, of this optimiser or another one of the same parameters; not copied either,
        where it is on the parameters' device."""
        self.state = {name: value.to(self.flat.device) for name, value in values["state"].items()}
        self.param_groups = [dict(group) for group in values["param_groups"]]

    @torch.no_grad()
    def step(self) -> None:
        """One step along `flat.grad`."""
        (group,), flat, state = self.param_groups, self.flat, self.state
        assert flat.grad is not None
        if not state:
            state["first"] = torch.zeros_like(flat)
            state["second"] = torch.zeros_like(flat[self.split :])
            state["count"] = torch.zeros((), device=flat.device)
        state["count"] += 1
        if self.split:
            self._orthogonal_step(
                flat[: self.split], flat.grad[: self.split], state["first"][: self.split], group
            )
        self._adam_step(
            flat[self.split :], flat.grad[self.split :], state["first"][self.split :], state, group
        )

    def _orthogonal_step(self, flat: Tensor, gradient: Tensor, first: Tensor, group: dict[str, Any]) -> None:
        first.lerp_(gradient, 1 - group["momentum"])
        ahead = torch.lerp(gradient, first, group["momentum"]).view(self.shape)
        size = 0.2 * math.sqrt(max(self.shape[1:]))
        flat.view(self.shape).sub_(in_shares(orthogonalised, ahead).mul_(group["lr"] * size))

    @staticmethod
    def _adam_step(
        flat: Tensor, gradient: Tensor, first: Tensor, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        second, count = state["second"], state["count"]
        first.lerp_(gradient, 1 - group["beta1"])
        second.lerp_(gradient.square(), 1 - group["beta2"])
        scale = (second / (1 - group["beta2"] ** count)).sqrt_().add_(1e-8)
        flat.sub_((first / scale).mul_(group["lr"] / (1 - group["beta1"] ** count)))


# Of the odd quintics the one that brings [0.003, 1] nearest to 1, then what it leaves, and so on.
_QUINTICS = (
    (8.3837, -24.7659, 18.3571),
    (4.0434, -3.0114, 0.5695),
    (3.5056, -2.6267, 0.5257),
    (2.4901, -1.8343, 0.4368),
)


def orthogonalised(matrices: Tensor) -> Tensor:
    """U Vᵀ of each matrix's singular value decomposition U S Vᵀ, roughly: singular values above
    0.003 of the matrix's norm end in 0.8..1.2, which is as good, smaller ones grow 290-fold.
    (k, rows, columns), any dtype; a zero matrix stays zero.

    A Newton-Schulz iteration with the best polynomial for each step (Amsel et al. 2025,
    "The Polar Express", arXiv:2505.16932)."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-30)
    for a, b, c in _QUINTICS:
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x

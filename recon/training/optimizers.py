"""The optimisers: Adam, and Muon (orthogonalised momentum) for the hidden matrices."""

import math
from typing import Any

import torch
from torch import Tensor

from recon.field.kernels.parallel_rows import in_shares
from recon.field.kernels.products import tf32_products
from recon.training.settings import FitConfig
from recon.training.task import Trainable


def make_optimizer(field: Trainable, config: FitConfig) -> "Muon":
    """The optimiser that `config` names, for `field.flat`."""
    if config.optimizer == "adam":
        return Muon(field.flat, beta2=config.beta2)
    return Muon(field.flat, field.hidden_shape, beta2=config.beta2)


class Muon:
    """Momentum with all singular values made one, for matrices; Adam for everything else.

    K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the factor 0.2
    sqrt(largest side), which gives the update the size of Adam's, is Liu et al. 2025, arXiv:2502.16982.
    Without matrices it is Adam (Kingma, Ba 2015, arXiv:1412.6980). The parameters `flat` (p,) begin with the
    matrices, whose number, rows and columns are `shape`.

    It is none of PyTorch's optimisers, whose first use loads PyTorch's compiler, 800 modules. A step does not
    synchronise with the host, and its state stays in the same memory.
    """

    def __init__(
        self,
        flat: Tensor,
        shape: tuple[int, int, int] = (0, 1, 1),
        *,
        momentum: float = 0.95,
        beta1: float = 0.9,
        beta2: float = 0.98,
    ) -> None:
        self.flat, self.shape, self.split = flat, shape, math.prod(shape)
        self.momentum, self.beta1, self.beta2 = momentum, beta1, beta2
        self.betas = torch.tensor((beta1, beta2), device=flat.device)
        self.first = torch.zeros_like(flat)
        self.second = torch.zeros_like(flat[self.split :])
        self.count = torch.zeros((), device=flat.device)

    def state_dict(self) -> dict[str, Any]:
        """The state, by reference: later steps change its tensors."""
        return {"state": {0: {name: getattr(self, name) for name in _ADAM_NAMES}}}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Copy the state of `state_dict`, or of PyTorch's Adam, on any device; an empty one resets it."""
        state = state_dict["state"].get(0)
        for name, other in _ADAM_NAMES.items():
            held = getattr(self, name)
            if state is None:
                held.zero_()
            else:
                held.copy_(state[name] if name in state else state[other])

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float | Tensor) -> None:
        """Move the parameters against `gradient` (p,); `rate` is a number or a tensor of one."""
        rate = torch.as_tensor(rate, device=self.flat.device)
        self.count += 1
        if self.split:
            self._orthogonal_step(gradient[: self.split], rate)
        self._adam_step(gradient[self.split :], rate)

    def _orthogonal_step(self, gradient: Tensor, rate: Tensor) -> None:
        flat, first = self.flat[: self.split].view(self.shape), self.first[: self.split]
        first.lerp_(gradient, 1 - self.momentum)
        ahead = torch.lerp(gradient, first, self.momentum).view(self.shape)
        size = 0.2 * math.sqrt(max(self.shape[1:]))
        with tf32_products(flat.device):
            flat.addcmul_(in_shares(orthogonalised, ahead), rate, value=-size)

    def _adam_step(self, gradient: Tensor, rate: Tensor) -> None:
        flat, first, second = self.flat[self.split :], self.first[self.split :], self.second
        first.lerp_(gradient, 1 - self.beta1)
        second.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        first_share, second_share = (1 - self.betas**self.count).unbind()
        scale = (second / second_share).sqrt_().add_(1e-8)
        flat.addcdiv_(first, scale.div_(rate / first_share), value=-1)


# Momentum, mean square and number of steps, and their names in PyTorch's Adam.
_ADAM_NAMES = {"first": "exp_avg", "second": "exp_avg_sq", "count": "step"}

# The odd quintic that maps [0.003, 1] nearest to 1, then that for its image, and so on.
_POLAR_EXPRESS_COEFFICIENTS = (
    (8.3837, -24.7659, 18.3571),
    (4.0434, -3.0114, 0.5695),
    (3.5056, -2.6267, 0.5257),
    (2.4901, -1.8343, 0.4368),
)


def orthogonalised(matrices: Tensor) -> Tensor:
    """U Vᵀ of each matrix's singular value decomposition U S Vᵀ, roughly; (k, rows, columns), any dtype.

    Singular values above 0.003 of the matrix's norm end in 0.8..1.2, which is as good; smaller ones grow
    290-fold; a zero matrix stays zero. A Newton-Schulz iteration with the best polynomial for each step
    (Amsel et al. 2025, "The Polar Express", arXiv:2505.16932).
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-30)
    for a, b, c in _POLAR_EXPRESS_COEFFICIENTS:
        gram = torch.bmm(x, x.transpose(1, 2))
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.transpose(1, 2) if tall else x

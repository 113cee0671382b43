"""What the trainer requires of anything that can be fitted."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn

from recon.base.settings import Schedule


class Trainable(Protocol):
    """What is fitted: a field, or a space of them. All parameters are one vector, `flat` (p,)."""

    flat: nn.Parameter

    @property
    def hidden_shape(self) -> tuple[int, int, int]:
        """Number, rows and columns of the hidden layers' matrices with which `flat` begins; 0 for none."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """As of `torch.nn.Module`."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """As of `torch.nn.Module`."""


Fitted = TypeVar("Fitted", bound=Trainable)
Seen = TypeVar("Seen", bound=Trainable, contravariant=True)


class Task(Protocol[Seen]):
    """A problem `F(x, Φ, ∇Φ, …) = 0`, as samples and named, weighted terms; any class of this shape."""

    @property
    def weights(self) -> Mapping[str, Schedule]:
        """Of every term, as functions of progress in 0..1."""

    def sample(self, step: int, progress: float = 0.0) -> Any:
        """Samples of a step, a function of step and progress (0..1) alone.

        To train on a GPU: tensors in a dataclass, dict or tuple, whose shapes are the same in every step.
        """
        ...

    def terms(self, field: Seen, batch: Any) -> dict[str, Tensor]:
        """Unweighted terms, one scalar each, named as in `weights`."""
        ...


@runtime_checkable
class DerivedTask(Task[Seen], Protocol[Seen]):
    """A task with a derivative of its loss in closed form."""

    def gradient(
        self, field: Seen, batch: Any, weights: Mapping[str, float | Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The terms, and the gradient (p,) in `field.flat` of their sum with `weights`."""
        ...


def gradient_by_autograd(
    task: Task[Fitted], field: Fitted, batch: Any, weights: Mapping[str, float | Tensor]
) -> tuple[dict[str, Tensor], Tensor]:
    """The same as `DerivedTask.gradient`, for any task."""
    terms = task.terms(field, batch)
    loss = torch.stack([weight * terms[name] for name, weight in weights.items()]).sum()
    (flat,) = torch.autograd.grad(loss, [field.flat])
    return {name: term.detach() for name, term in terms.items()}, flat

"""What the trainer asks of anything that can be fitted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from recon.config import Schedule
from recon.field.siren import Siren


class Task(Protocol):
    """A problem `F(x, Φ, ∇Φ, …) = 0`, as samples and named constraint terms with weights.

    A task is any class of this shape; it does not import the trainer.
    weights  of every term, as functions of progress in 0..1
    """

    @property
    def weights(self) -> Mapping[str, Schedule]: ...

    def sample(self, step: int) -> Any:
        """Fresh samples, the same ones whenever the same step is asked for."""
        ...

    def terms(self, field: Siren, batch: Any) -> dict[str, Tensor]:
        """Unweighted terms, one scalar each, named as in `weights`."""
        ...

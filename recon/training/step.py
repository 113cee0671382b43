"""Steps of training: samples, the gradient of the weighted terms, clipping, the optimiser.

The trainer asks for a window of them and gets the mean terms. On a GPU the first step is captured and then
replayed (`cuda_graph.py`), and the host reads nothing before the window's end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from recon.training.cuda_graph import CudaGraph, Work, copy_into, static_copy
from recon.training.optimizers import make_optimizer
from recon.training.settings import FitConfig
from recon.training.task import DerivedTask, Fitted, Task, gradient_by_autograd

Number = float | Tensor  # on a GPU a scalar tensor, which a captured graph reads anew


@dataclass(frozen=True)
class StepInputs:
    """What one step needs: its number, learning rate, weights of the terms, and the progress, 0..1."""

    step: int
    rate: float
    weights: Sequence[float]
    progress: float = 0.0


class Step:
    """One step: the gradient, clipped, and the optimiser's update; `sums` (k,) adds up the terms `names`."""

    def __init__(self, field: Fitted, task: Task[Fitted], config: FitConfig) -> None:
        self.field, self.clip = field, config.clip
        self.gradient = (
            task.gradient if isinstance(task, DerivedTask) else partial(gradient_by_autograd, task)
        )
        self.optimizer = make_optimizer(field, config)
        self.names = list(task.weights)
        self.sums = torch.zeros(len(self.names), device=field.flat.device)

    def take(self, batch: Any, numbers: Sequence[Number]) -> None:
        """Take a step; `numbers` are the rate and the weights of the terms."""
        rate, *weights = numbers
        terms, gradient = self.gradient(self.field, batch, dict(zip(self.names, weights, strict=True)))
        over = torch.linalg.vector_norm(gradient).div_(self.clip).clamp_min_(1.0)
        self.optimizer.step(gradient.div_(over), rate)
        self.sums.add_(torch.stack([terms[name] for name in self.names]))

    def take_static(self, batch: Any, numbers: Tensor) -> None:
        """The same for `numbers` in one tensor."""
        self.take(batch, numbers.unbind())


class Steps:
    """The steps that train `field` on `task`, and the optimiser with its state.

    `record` turns a step into one that is faster to repeat; a `CudaGraph` by default on a GPU.
    """

    def __init__(
        self,
        field: Fitted,
        task: Task[Fitted],
        config: FitConfig,
        record: Callable[[Work], Work] | None = None,
    ) -> None:
        self.task = task
        self.step = Step(field, task, config)  # no reference to its capture, so that both are freed
        self.optimizer = self.step.optimizer
        if record is None and field.flat.is_cuda:
            record = partial(CudaGraph, device=field.flat.device)
        self.record = record
        self._recorded: tuple[Work, Any, Tensor] | None = None

    def window(self, inputs: Sequence[StepInputs]) -> dict[str, float]:
        """Take these steps and return the mean terms."""
        self.step.sums.zero_()
        if self.record:
            self._repeat(inputs, self.record)
        else:
            for now in inputs:
                self.step.take(self.task.sample(now.step, now.progress), (now.rate, *now.weights))
        means = (self.step.sums / len(inputs)).tolist()
        return dict(zip(self.step.names, means, strict=True))

    def _repeat(self, inputs: Sequence[StepInputs], record: Callable[[Work], Work]) -> None:
        table = torch.tensor([(now.rate, *now.weights) for now in inputs], device=self.step.sums.device)
        for now, row in zip(inputs, table, strict=True):
            batch = self.task.sample(now.step, now.progress)
            if self._recorded is None:
                static, numbers = static_copy(batch), row.clone()
                self._recorded = record(partial(self.step.take_static, static, numbers)), static, numbers
            work, static, numbers = self._recorded
            copy_into(static, batch)
            numbers.copy_(row)
            work()

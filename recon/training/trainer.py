"""One training loop for every task.

The loop works in windows of `WINDOW_STEPS` steps. After each it reads the mean terms, which costs a GPU one
synchronisation, and either takes a snapshot or, if the loss is not finite, has jumped or has never come down,
returns to the last good snapshot with half the learning rate. A snapshot holds everything the rest of the run
depends on: a resumed run ends as the uninterrupted one, on a CPU bit for bit.
"""

import copy
import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from recon.errors import FitError
from recon.field.kernels import fast_kernels
from recon.training.settings import FitConfig
from recon.training.step import StepInputs, Steps
from recon.training.task import Fitted, Task, Trainable

WINDOW_STEPS = 50  # steps between two looks at the loss
DIVERGENCE_RATIO = 4.0  # of a window's loss to the best one's, at the same weights, that counts as diverging
STALL_CHECK_PROGRESS, STALL_LOSS_RATIO = 0.1, 0.9  # from this progress on, the loss over the first window's
MAX_RECOVERIES = 6

log = logging.getLogger("recon")


@dataclass(frozen=True)
class Snapshot:
    """A state of the run between two windows.

    Attributes:
        rate_scale: factor of the learning rate, halved by every recovery.
        field: a copy of its state dict; likewise `optimizer`.
        first: mean terms of the first window.
        best: mean terms of the window with the lowest loss.
        history: one row a window: step, seconds, rate, loss and terms.
    """

    step: int
    seconds: float
    rate_scale: float
    field: dict[str, Any]
    optimizer: dict[str, Any]
    recoveries: int = 0
    first: dict[str, float] = dataclasses.field(default_factory=dict)
    best: dict[str, float] = dataclasses.field(default_factory=dict)
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class Progress:
    """What callbacks see after each window and, with `is_last`, once more when the run stops."""

    share: float
    snapshot: Snapshot
    field: Trainable
    is_last: bool = False


Callback = Callable[[Progress], None]


def fit(
    field: Fitted,
    task: Task[Fitted],
    config: FitConfig,
    *,
    callbacks: Iterable[Callback] = (),
    resume: Snapshot | None = None,
) -> Snapshot:
    """Train `field`, freshly initialised, in place on `task`.

    Learning rate and weights are functions of progress: the fraction done of the steps or, if `config` sets a
    time budget, of its seconds. KeyboardInterrupt passes through after a last call of the callbacks.

    Args:
        field: what is trained.
        task: its samples and terms.
        config: steps, learning rate and optimiser.
        callbacks: called after every window.
        resume: a snapshot of a run with the same settings, to continue from.

    Returns:
        The last snapshot, with the history.

    Raises:
        FitError: if the run diverges however low the rate.
    """
    run = _Run(field, task, config, list(callbacks), resume)
    with fast_kernels():
        try:
            run.loop()
        finally:
            run.notify(is_last=True)
    return run.last_good


def rate_at(progress: float, step: int, config: FitConfig) -> float:
    """The learning rate: a linear warm-up, then a cosine to a hundredth, or constant."""
    rate = config.rate * min(1.0, (step + 1) / (config.warmup + 1))
    if config.decay == "constant":
        return rate
    return rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


class _Run:
    def __init__(
        self,
        field: Fitted,
        task: Task[Fitted],
        config: FitConfig,
        callbacks: list[Callback],
        resume: Snapshot | None,
    ) -> None:
        self.field, self.task, self.config, self.callbacks = field, task, config, callbacks
        self.steps = Steps(field, task, config)
        self.initial = self.snapshot(Snapshot(0, 0.0, 1.0, {}, {}))
        self.last_good = self.initial
        if resume:
            self.restore(resume)
        self.began = time.monotonic() - self.last_good.seconds

    def snapshot(self, values: Snapshot) -> Snapshot:
        """`values` with the present state of field and optimiser."""
        states = copy.deepcopy((self.field.state_dict(), self.steps.optimizer.state_dict()))
        return replace(values, field=states[0], optimizer=states[1])

    def restore(self, snapshot: Snapshot) -> None:
        self.last_good = snapshot
        try:
            self.field.load_state_dict(snapshot.field)
            self.steps.optimizer.load_state_dict(snapshot.optimizer)
        except (AttributeError, KeyError, RuntimeError, TypeError):
            raise FitError("the checkpoint is not of this field: remove it to start over") from None

    def share(self, step: int) -> float:
        """Progress, 0..1, at a step; with a time budget, by the clock now and the pace so far."""
        if self.config.seconds is None:
            return min(1.0, step / self.config.total)
        done = time.monotonic() - self.began
        ahead = (step - self.last_good.step) * self.last_good.seconds / max(1, self.last_good.step)
        return min(1.0, (done + ahead) / self.config.seconds)

    def notify(self, is_last: bool = False) -> None:
        for callback in self.callbacks:
            callback(Progress(self.share(self.last_good.step), self.last_good, self.field, is_last))

    def loop(self) -> None:
        while (share := self.share(self.last_good.step)) < 1:
            first = self.last_good.step
            last = first + WINDOW_STEPS
            if self.config.seconds is None:
                last = min(last, self.config.total)
            terms = self.steps.window([self.step_inputs(step) for step in range(first, last)])
            failure = self.failure(terms, share)
            if failure:
                self.recover(*failure)
            else:
                self.accept(last, terms, share)
            self.notify()

    def step_inputs(self, step: int) -> StepInputs:
        progress = self.share(step)
        rate = rate_at(progress, step, self.config) * self.last_good.rate_scale
        return StepInputs(step, rate, [weight(progress) for weight in self.task.weights.values()], progress)

    def loss(self, terms: dict[str, float], share: float) -> float:
        """The weighted sum of `terms` at progress `share`: windows are compared at the same weights."""
        return sum(weight(share) * terms[name] for name, weight in self.task.weights.items())

    def accept(self, step: int, terms: dict[str, float], share: float) -> None:
        seconds = time.monotonic() - self.began
        loss = self.loss(terms, share)
        rate = rate_at(share, step, self.config) * self.last_good.rate_scale
        row = {"step": step, "seconds": seconds, "rate": rate, "loss": loss, **terms}
        best = self.last_good.best
        if not best or loss < self.loss(best, share):
            best = terms
        self.last_good = self.snapshot(
            replace(
                self.last_good,
                step=step,
                seconds=seconds,
                first=self.last_good.first or terms,
                best=best,
                history=[*self.last_good.history, row],
            )
        )

    def failure(self, terms: dict[str, float], share: float) -> tuple[str, Snapshot] | None:
        """What is wrong with a window, and the state to return to; None if nothing is."""
        for name, value in terms.items():
            if not math.isfinite(value):
                return f"the term '{name}' became {value}", self.last_good
        if not self.last_good.best or not self.config.watch:
            return None
        loss = self.loss(terms, share)
        best, first = self.loss(self.last_good.best, share), self.loss(self.last_good.first, share)
        if loss > DIVERGENCE_RATIO * best:
            return f"the loss jumped to {loss / best:.1f} times its best", self.last_good
        if share > STALL_CHECK_PROGRESS and loss > STALL_LOSS_RATIO * first:
            return f"the loss has not come down from its start ({loss / first:.0%} of it)", self.initial
        return None

    def recover(self, failure: str, state: Snapshot) -> None:
        scale, count = self.last_good.rate_scale / 2, self.last_good.recoveries + 1
        if count > MAX_RECOVERIES:
            raise FitError(
                f"training failed {count} times, the last time at {2 * scale:g} times the learning rate "
                f"{self.config.rate:g}: {failure}; see what `recon info` says about the input"
            )
        log.warning("%s: returning to step %d with %g times the learning rate", failure, state.step, scale)
        self.restore(replace(state, rate_scale=scale, recoveries=count))

"""Work on a GPU captured once as a CUDA graph and replayed by one call.

A step of training is so many small operations that the GPU waits for the host that launches them. A CUDA
graph holds them all. It reads and writes the same memory every time, so what changes from step to step is
copied into static tensors.
"""

import dataclasses
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

WARM_UP_CALLS = 3  # not recorded: libraries choose their kernels and allocate their memory in them

Work = Callable[[], object]


class CudaGraph:
    """`work` on `device`, captured at the first call after the warm-up and replayed by every later one.

    It must not read a number back to the host nor, apart from what it frees again, touch memory other than
    the tensors it started with.
    """

    def __init__(self, work: Work, device: torch.device) -> None:
        self.work, self.device = work, device
        self.calls = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        with torch.cuda.device(device):  # streams are those of the current device
            self.side = torch.cuda.Stream()

    def __call__(self) -> None:
        """Run the work: directly, captured or replayed."""
        self.calls += 1
        with torch.cuda.device(self.device):
            if self.calls <= WARM_UP_CALLS:
                self._on_the_side_stream()
                return
            if self.graph is None:
                self.graph = self._recorded()
            self.graph.replay()

    def _on_the_side_stream(self) -> None:
        """Run on the stream of the capture, so that what is set up once is set up for that stream."""
        self.side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.side):
            self.work()
        torch.cuda.current_stream().wait_stream(self.side)

    def _recorded(self) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        with (
            no_garbage_collection(),
            torch.cuda.graph(graph, stream=self.side, capture_error_mode="thread_local"),
        ):
            self.work()
        return graph


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Within it Python's garbage collector is off: freeing another graph during a capture is an error."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def static_copy(batch: Any) -> Any:
    """A copy of a batch in its own memory: a tensor, or a dataclass, dict or tuple of such."""
    if isinstance(batch, Tensor):
        return batch.clone()
    if isinstance(batch, dict):
        return {name: static_copy(part) for name, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(static_copy(part) for part in batch)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        return dataclasses.replace(batch, **{name: static_copy(part) for name, part in vars(batch).items()})
    return batch


def copy_into(batch: Any, fresh: Any) -> None:
    """Copy the tensors of `fresh` into those of `batch`."""
    for static, new in zip(_tensors(batch), _tensors(fresh), strict=True):
        static.copy_(new)


def _tensors(batch: Any) -> Iterator[Tensor]:
    """All tensors of a batch, in order."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, dict):
        for part in batch.values():
            yield from _tensors(part)
    elif isinstance(batch, tuple):
        for part in batch:
            yield from _tensors(part)
    elif dataclasses.is_dataclass(batch):
        yield from _tensors(vars(batch))

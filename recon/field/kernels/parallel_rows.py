"""Work on the rows of a batch in parallel: each CPU thread takes a share through the whole pass.

PyTorch splits every single operation among its threads, a hundred times a step, and each time waits for the
slowest: a program that takes a core makes such a step ten times as long. Here threads meet once a pass.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import TypeVar, cast

import torch
from torch import Tensor

Item = TypeVar("Item")
Result = TypeVar("Result")
MIN_ROWS_PER_THREAD = 128  # below it a thread costs more than it gains
MAX_ROWS_PER_SLICE = 1024  # above it a pass does not fit the second-level cache

_pool: ThreadPoolExecutor | None = None
_workers = 1
_shared = False  # whether threads have been started


def _alone() -> None:
    """Uses one thread in a forked process: it would wait for those of its parent, which are not there."""
    global _pool, _workers
    if _shared:
        _pool, _workers = None, 1
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone)


@contextmanager
def row_workers() -> Iterator[None]:
    """Within it, `over_rows` uses as many threads as PyTorch did, and PyTorch one in each."""
    global _pool, _workers, _shared
    threads = torch.get_num_threads()
    if _pool is not None or threads == 1:  # already within, or nothing to share
        yield
        return
    torch.set_num_threads(1)
    _shared = True
    with ThreadPoolExecutor(threads - 1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        _pool, _workers = pool, threads
        try:
            yield
        finally:
            _pool, _workers = None, 1
            torch.set_num_threads(threads)


def over_rows(work: Callable[[slice], Result], like: Tensor, depth: int = 1) -> list[Result]:
    """`work(part)` for slices that cover the rows of `like` in order, without gradients.

    On a CPU the slices fit the caches and are shared among the workers; on other devices there is one. A row
    counts as `depth` rows. Slices depend on the rows and the number of workers alone, so sums are
    reproducible.
    """
    rows = len(like)
    if like.device.type != "cpu":
        return in_parallel(work, [slice(0, rows)])
    shares = max(1, min(_workers, rows * depth // MIN_ROWS_PER_THREAD, rows))
    each = math.ceil(rows * depth / shares / MAX_ROWS_PER_SLICE)
    each = max(1, min(each, rows // shares))  # slices a share
    cuts = [rows * k // (shares * each) for k in range(shares * each + 1)]
    slices = [slice(a, b) for a, b in pairwise(cuts)]
    done = in_parallel(
        lambda share: [work(part) for part in share],
        [slices[k : k + each] for k in range(0, len(slices), each)],
    )
    return [result for share in done for result in share]


def in_shares(work: Callable[[Tensor], Tensor], whole: Tensor) -> Tensor:
    """`work` of each worker's share of `whole` along its first dimension, concatenated."""
    count = min(_workers, len(whole)) if whole.device.type == "cpu" else 1
    done = in_parallel(work, whole.tensor_split(count))
    return done[0] if count == 1 else torch.cat(done)


def in_parallel(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """`work(item)` for each of `items`, in order, without gradients, shared among the workers."""

    def quietly(item: Item) -> Result:
        with torch.no_grad():
            return work(item)

    if _pool is None or len(items) < 2:
        return [quietly(item) for item in items]
    results: list[Result | None] = [None] * len(items)
    waiting = iter(range(len(items)))  # shared by all: each takes the next one that nobody has

    def take() -> None:
        for number in waiting:
            results[number] = quietly(items[number])

    others = [_pool.submit(take) for _ in range(min(_workers, len(items)) - 1)]
    try:
        take()
    finally:
        for _ in waiting:  # after an error nobody goes on
            pass
    for other in others:
        if not other.cancel():  # nothing is left for one that has not begun: within an item it never would
            other.result()
    return cast("list[Result]", results)

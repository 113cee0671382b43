"""Work on points a chunk at a time: memory stays bounded, and each thread takes a chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def over_chunks(work: Callable[[slice], Result], count: int, size: int, threads: int) -> Iterator[Result]:
    """Yields `work(part)` for slices of `size` that cover `count` rows, in order."""
    parts = [slice(start, min(start + size, count)) for start in range(0, count, size)]
    if threads == 1 or len(parts) < 2:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(min(threads, len(parts))) as pool:
        yield from pool.map(work, parts)

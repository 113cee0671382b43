"""The scans of a batch on this machine: a few processes at a time."""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType

import psutil
import torch

from recon.base.device import choose_device
from recon.batching.job import Job
from recon.batching.process import FINAL_MESSAGES, Limits, Message, run_job
from recon.errors import UsageError

MEMORY_PER_SCAN = 2 << 30  # bytes: limits the default number of jobs


def cores() -> int:
    """Of this machine, that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def places(device: str, jobs: int | None, threads: int | None) -> tuple[list[str], int]:
    """The device of each scan that runs at a time, and the threads each of them gets.

    On GPUs, one scan on each and the cores shared out; "auto" and "cuda" mean all there are. On the CPU, one
    thread and as many scans as there are cores, and memory for: two threads are not twice as fast. How many
    threads a scan has does not depend on how many run. Raises UsageError for a device that is not there.
    """
    if (jobs is not None and jobs < 1) or (threads is not None and threads < 1):
        raise UsageError("--jobs and --threads are numbers from 1")
    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if device in ("auto", "cuda") else []
    devices = gpus or [str(choose_device(device))]
    if devices[0].startswith("cuda"):
        count = jobs or len(devices)
        threads = threads or max(1, cores() // len(devices))
    else:
        threads = threads or 1
        room = psutil.virtual_memory().available // MEMORY_PER_SCAN
        count = jobs or max(1, min(cores() // threads, room))
    return [devices[i % len(devices)] for i in range(count)], threads


class LocalPool:
    """Iterate over it for what the jobs say, until all have ended; leave its block, and they are stopped."""

    def __init__(self, jobs: Sequence[Job], devices: Sequence[str], limits: Limits) -> None:
        self.waiting, self.left, self.limits = deque(jobs), len(jobs), limits
        self.said: queue.Queue[tuple[Job, Message] | BaseException] = queue.Queue()
        self.stop = threading.Event()
        self.threads = [
            threading.Thread(target=self._work, args=(device,), daemon=True)
            for device in devices[: len(jobs)]
        ]

    def _work(self, device: str) -> None:
        while not self.stop.is_set():
            try:
                job = self.waiting.popleft()
            except IndexError:
                return
            try:
                job = replace(job, device=device)
                self.said.put((job, run_job(job, self.limits, self.stop.is_set, partial(self._say, job))))
            except BaseException as error:  # noqa: BLE001 a bug is raised where the batch is, not lost in a thread
                self.said.put(error)

    def _say(self, job: Job, message: Message) -> None:
        self.said.put((job, message))

    def __iter__(self) -> Iterator[tuple[Job, Message]]:
        while self.left:
            said = self.said.get()
            if isinstance(said, BaseException):
                raise said
            self.left -= any(end in said[1] for end in FINAL_MESSAGES)
            yield said

    def __enter__(self) -> LocalPool:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()

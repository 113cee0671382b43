"""The scans of a batch on this machine: a few processes at a time."""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil

from recon.base.system import cores
from recon.batching.job import Job
from recon.batching.process import FINAL_MESSAGES, Limits, Message, run_job, worker_server
from recon.errors import MAX_THREADS, check_number

DEVICES = Path("/dev")
GPU_DEVICES = ("nvidia*", "nvhost*", "kfd", "dxg")  # NVIDIA's, on a Jetson, AMD's, and under Windows
MEMORY_PER_SCAN = 2 << 30  # bytes: limits the default number of jobs


def scan_slots(device: str, jobs: int | None, threads: int | None) -> tuple[list[str], int]:
    """The device of each scan that runs at a time, and the threads per scan.

    On GPUs, one scan each and the cores shared out. On the CPU, one thread per scan and as many scans as
    cores and memory allow: two threads are not twice as fast.

    Raises:
        UsageError: `jobs` or `threads` below 1, or no such device.
    """
    for name, value in {"jobs": jobs, "threads": threads}.items():
        if value is not None:
            check_number(name, value, 1, MAX_THREADS, whole=True)
    devices = _devices(device)
    if devices[0].startswith("cuda"):
        count = jobs or len(devices)
        threads = threads or max(1, cores() // len(devices))
    else:
        threads = threads or 1
        room = psutil.virtual_memory().available // MEMORY_PER_SCAN
        count = jobs or max(1, min(cores() // threads, room))
    return [devices[i % len(devices)] for i in range(count)], threads


def _devices(device: str) -> list[str]:
    if device == "cpu" or (device == "auto" and not may_have_gpu()):
        return ["cpu"]  # without PyTorch, which takes seconds to load
    import torch

    from recon.base.device import choose_device

    gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())] if device in ("auto", "cuda") else []
    return gpus or [str(choose_device(device))]


def may_have_gpu() -> bool:
    """Whether this may be a machine with a GPU: on Linux, whether the driver of one has made its devices."""
    return sys.platform != "linux" or any(next(DEVICES.glob(name), None) for name in GPU_DEVICES)


class LocalPool:
    """Iterates over the messages of the jobs until all have ended; leaving its block stops them."""

    def __init__(self, jobs: Sequence[Job], devices: Sequence[str], threads: int, limits: Limits) -> None:
        self.waiting, self.unfinished, self.limits = deque(jobs), len(jobs), limits
        self.server = worker_server(threads)
        self.messages: queue.Queue[tuple[Job, Message] | BaseException] = queue.Queue()
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
                send = partial(self._send, job)
                send(run_job(job, self.limits, self.stop.is_set, send, self.server.start))
            except BaseException as error:  # noqa: BLE001 a bug is raised in the main thread, not lost here
                self.messages.put(error)

    def _send(self, job: Job, message: Message) -> None:
        self.messages.put((job, message))

    def __iter__(self) -> Iterator[tuple[Job, Message]]:
        while self.unfinished:
            item = self.messages.get()
            if isinstance(item, BaseException):
                raise item
            self.unfinished -= any(end in item[1] for end in FINAL_MESSAGES)
            yield item

    def __enter__(self) -> LocalPool:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()
        self.server.close()

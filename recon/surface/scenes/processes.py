"""Processes that work on the blocks of a scene, several at a time, each block by one thread.

So the mesh is the same whatever the number of processes; and a process that is killed takes no more with it
than its block, which another one does again.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

from recon import errors
from recon.base.children import python_command
from recon.base.system import apart
from recon.errors import FitError

MAX_ATTEMPTS = 3  # of a block, if processes die with it
THREADS_OF = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")

log = logging.getLogger("recon")


class Died(Exception):
    """A process ended before its task was done."""


class BlockProcess:
    """A process that works on one block after another."""

    def __init__(self, folder: Path, threads: int, device: str) -> None:
        command = python_command("recon.surface.scenes.worker", str(folder), str(threads), device)
        numbers = {f"{name}_NUM_THREADS": str(threads) for name in THREADS_OF}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=os.environ | numbers,
            **apart(),  # Ctrl-C is for this process, which closes the other's input
        )

    def do(self, stage: str, number: int) -> None:
        """Works on a block.

        Raises:
            ReconError: as what is done to a block.
            RuntimeError: a bug, with its traceback.
            Died: the process ended.
        """
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(f"{stage} {number}\n")
            self.process.stdin.flush()
        except OSError:
            raise Died from None
        for line in self.process.stdout:
            message: dict[str, Any] = json.loads(line)
            if "warning" in message:
                log.warning("block %d: %s", number, message["warning"])
            elif "done" in message:
                return
            elif "failed" in message:
                raise getattr(errors, message["kind"])(f"block {number}: {message['failed']}")
            else:
                raise RuntimeError(f"block {number}: {message['bug']}")
        raise Died

    def close(self) -> None:
        """Ends the process."""
        with suppress(OSError):
            if self.process.stdin:
                self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class LocalBlocks:
    """Works on blocks in processes of this machine, which start when they are needed."""

    def __init__(self, folder: Path, count: int, device: str) -> None:
        self.folder, self.count, self.device = folder, count, device
        self._idle: list[BlockProcess] = []
        self._all: list[BlockProcess] = []
        self._lock, self._ended = Lock(), False

    def run(self, stage: str, numbers: Iterable[int], done: Callable[[], None]) -> None:
        """Works on all blocks of `numbers`; `done` is called after each. Raises what the first one raises."""
        waiting = deque(numbers)
        with ThreadPoolExecutor(self.count) as pool:
            futures = [pool.submit(self._work, stage, waiting, done) for _ in range(self.count)]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                waiting.clear()
                self.close()
                raise

    def _work(self, stage: str, waiting: deque[int], done: Callable[[], None]) -> None:
        while True:
            try:
                number = waiting.popleft()
            except IndexError:
                return
            self.do(stage, number)
            done()

    def do(self, stage: str, number: int) -> None:
        """Works on a block. Raises FitError."""
        for _ in range(MAX_ATTEMPTS):
            process = self._process()
            try:
                process.do(stage, number)
            except Died:
                process.close()
                continue
            with self._lock:
                self._idle.append(process)
            return
        raise FitError(
            f"the process of block {number} was killed {MAX_ATTEMPTS} times, probably for lack of memory: "
            "try fewer --threads, or --memory; what is done is kept if --run names a folder"
        )

    def _process(self) -> BlockProcess:
        """One that is idle, or a new one. Raises FitError once all have been ended."""
        with self._lock:
            if self._ended:
                raise FitError("the work on the scene was ended")
            if self._idle:
                return self._idle.pop()
            process = BlockProcess(self.folder, 1, self.device)
            self._all.append(process)
            return process

    def close(self) -> None:
        """Ends all processes; none is started any more."""
        with self._lock:
            self._ended = True
        for process in self._all:
            process.close()

"""The process for one scan, seen to its end: its messages, its limits, and the error if it dies."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

import psutil

from recon.base.children import python_command
from recon.base.system import apart, interrupt
from recon.batching.fork_server import ForkedProcess, ForkServer
from recon.batching.job import Job, read_manifest

POLL_SECONDS = 0.25  # between two looks at limits
GRACE_SECONDS = 60.0  # for saving a checkpoint
MAX_ERROR_LINES = 60  # of a process's last standard error
FINAL_MESSAGES = ("done", "failed", "stopped")

Message = dict[str, Any]
Process: TypeAlias = "ForkedProcess | subprocess.Popen[str]"


@dataclass(frozen=True)
class Limits:
    """Limits of one scan, wall time and resident memory; None is no limit."""

    seconds: float | None = None
    bytes: int | None = None


def run_job(
    job: Job,
    limits: Limits,
    unwanted: Callable[[], bool],
    on_message: Callable[[Message], None],
    start: Callable[[], Process],
) -> Message:
    """Runs `job` in a process of its own.

    Args:
        job: what to convert.
        limits: the process is killed beyond them.
        unwanted: polled; once true, the process is told to save its state and stop.
        on_message: called with each message but the last.
        start: starts the process, as `worker_server(…).start` does.

    Returns:
        The last message: {"done"}, {"failed"} or {"stopped"}, made up if the process died without one.
    """
    process = start()
    assert process.stdin and process.stdout and process.stderr
    messages: queue.Queue[Message | None] = queue.Queue()
    error_lines: deque[str] = deque(maxlen=MAX_ERROR_LINES)
    readers = [
        threading.Thread(target=_read_messages, args=(process.stdout, messages), daemon=True),
        threading.Thread(target=error_lines.extend, args=(process.stderr,), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        last = _last_message(process, job, limits, messages, unwanted, on_message)
    finally:
        if process.poll() is None:
            process.kill()
        code = process.wait()
        for reader in readers:
            reader.join()
        for stream in (process.stdout, process.stderr):
            stream.close()
        _close(process.stdin)
    last = last or _crash(code, list(error_lines))
    if "failed" in last and (manifest := read_manifest(job.mesh)) and not job.reason_to_run(manifest):
        return {"done": manifest}  # its process was ended when all was done, but for saying so
    return last


def worker_server(threads: int) -> ForkServer | _Spawner:
    """What starts the processes of scans, with this many threads each, until it is closed."""
    numbers = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    server = ForkServer if sys.platform == "linux" else _Spawner
    return server("recon.batching.worker", os.environ | numbers)


@dataclass
class _Spawner:
    """A `ForkServer` for systems on which a fork is not safe: each process loads everything itself."""

    module: str
    environment: dict[str, str]

    def start(self) -> Process:
        return subprocess.Popen(
            python_command(self.module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=self.environment,
            **apart(),  # Ctrl-C is for us: we pass it on
        )

    def close(self) -> None:
        pass


def _last_message(
    process: Process,
    job: Job,
    limits: Limits,
    messages: queue.Queue[Message | None],
    unwanted: Callable[[], bool],
    on_message: Callable[[Message], None],
) -> Message | None:
    """The last message of the process, or what replaces it; None if it died without one."""
    start, stop_time = time.monotonic(), None
    assert process.stdin
    try:
        process.stdin.write(json.dumps(job.as_dict()) + "\n")
        process.stdin.flush()
    except BrokenPipeError:
        return None
    while True:
        try:
            message = messages.get(timeout=POLL_SECONDS)
        except queue.Empty:
            message = {}
        now = time.monotonic()
        if message is None:
            return None if stop_time is None else {"stopped": True}
        if any(end in message for end in FINAL_MESSAGES):
            return message
        if message:
            on_message(message)
        if stop_time is None and unwanted():
            stop_time = now
            interrupt(process)
        if stop_time is not None and now - stop_time > GRACE_SECONDS:
            return {"stopped": True}
        if limits.seconds and now - start > limits.seconds:
            return failed(
                "TimeLimit", f"exceeded the limit of {limits.seconds:g} s; it will be resumed next time"
            )
        if limits.bytes and (used := _memory(process.pid)) > limits.bytes:
            return failed(
                "MemoryLimit", f"uses {used / 1e9:.3g} GB, over the limit of {limits.bytes / 1e9:.3g} GB"
            )


def _read_messages(stream: IO[str], messages: queue.Queue[Message | None]) -> None:
    for line in stream:
        with suppress(ValueError):  # the half line of a process that died
            messages.put(json.loads(line))
    messages.put(None)


def _memory(pid: int) -> int:
    """Resident memory of the process, bytes."""
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:  # it has just ended
        return 0


def _crash(code: int, error_lines: list[str]) -> Message:
    details = "".join(error_lines)
    if code == -getattr(signal, "SIGKILL", signal.SIGTERM):
        message = "its process was killed, probably for lack of memory: try fewer --jobs, or a --memory-limit"
    elif code < 0:
        message = f"its process crashed ({signal.Signals(-code).name}); the manifest has the details"
    else:
        words = error_lines[-1].strip() if error_lines else "it printed nothing"
        message = f"its process ended with code {code}: {words}"
    return failed("Crash", message, details or None)


def failed(kind: str, message: str, details: str | None = None) -> Message:
    """The last message of a failed job: the error's kind, one line, and details that help to find it."""
    return {"failed": {"kind": kind, "message": message, "details": details}}


def _close(stream: IO[str]) -> None:
    with suppress(BrokenPipeError):  # what was still to be written to a process that is gone
        stream.close()

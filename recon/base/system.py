"""What Linux, macOS and Windows do differently, each in one place.

What a system lacks is told by what its Python lacks, so that the other way can be tested anywhere.
"""

from __future__ import annotations

import errno
import importlib
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

# Of os.open: a link or pipe that was laid there is not used.
ONLY_ITSELF = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
LOCKED_BYTE = 1 << 30  # on Windows nobody else may read what is locked: a byte behind the end
HELD_ERRORS = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


def _module(name: str) -> Any:
    """A module of the standard library, None on systems without it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def system_name() -> str:
    """System, release and kind of machine. `platform.platform()` would start `uname` to tell them."""
    return f"{sys.platform} {platform.release()} {platform.machine()}"


def peak_memory() -> int:
    """Peak resident memory of this process, bytes."""
    if resource := _module("resource"):
        peak = int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return peak if sys.platform == "darwin" else 1024 * peak
    found = psutil.Process().memory_info()
    return int(getattr(found, "peak_wset", found.rss))


def lock(descriptor: int) -> None:
    """Lock an open file for as long as it is open.

    Raises BlockingIOError if another process holds it, OSError if the file system has no locks.
    """
    if fcntl := _module("fcntl"):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    msvcrt = importlib.import_module("msvcrt")
    os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    except OSError as error:
        raise BlockingIOError(error.errno, error.strerror) if error.errno in HELD_ERRORS else error from None
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)


def remove_and_close(path: Path, descriptor: int) -> None:
    """Remove an open file and close it, in this order where that may be: so nobody finds it unlocked."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:  # Windows keeps what is open
        os.close(descriptor)
        with suppress(OSError):  # another process has taken it
            path.unlink(missing_ok=True)
    else:
        os.close(descriptor)


def flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk; Windows flushes the latter by itself."""
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    except PermissionError:
        if path.is_dir():  # Windows opens none
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def apart() -> dict[str, Any]:
    """For `subprocess.Popen`: a process that Ctrl-C does not reach, but `interrupt` does."""
    group = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", None)
    return {"start_new_session": True} if group is None else {"creationflags": group}


def interrupt(process: Any) -> None:
    """Tell a process that is `apart` to stop, as Ctrl-C does."""
    process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))


def on_interrupt(handler: Callable[..., object]) -> None:
    """Have `handler` called at Ctrl-C and at `interrupt`."""
    for name in ("SIGINT", "SIGBREAK"):
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, handler)


def end_tree(pid: int) -> None:
    """Ask a process and those that it has started to end."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:  # all listed before the first ends
            with suppress(psutil.NoSuchProcess):
                one.terminate()

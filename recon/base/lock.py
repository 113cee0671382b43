"""Files that one process at a time holds, and that are released however it ends."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recon.base.system import ONLY_ITSELF, lock, remove_and_close
from recon.errors import OutputError

UNSUPPORTED_ERRORS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP}
RETRY_SECONDS = 0.2
MAX_HOLDER = 100  # characters

log = logging.getLogger("recon")


@contextmanager
def locked(
    path: Path, what: str, wait: float = 0.0, keep: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Holds the lock file `path`, which exists only meanwhile, and follows no link.

    The kernel, or on NFS its server, releases it when the process ends, even if killed. On a file system
    without locks, a warning is logged and the work goes on.

    Args:
        path: the lock file.
        what: what is locked, for messages.
        wait: seconds to wait for it.
        keep: whether the file, then nobody's, stays as a mark.

    Raises:
        OutputError: another process holds it, or it cannot be written.
    """
    deadline = time.monotonic() + wait
    while (descriptor := _attempt(path, what)) is None:
        if time.monotonic() >= deadline:
            holder = _holder(path)
            raise OutputError(f"{what} is in use by {holder}: wait for it to end, or stop it")
        time.sleep(RETRY_SECONDS)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        if keep():
            os.close(descriptor)
        else:
            remove_and_close(path, descriptor)


def _attempt(path: Path, what: str) -> int | None:
    """The descriptor of the locked file; None if another process holds it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | ONLY_ITSELF, 0o666)
    except OSError as error:
        reason = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise OutputError(f"cannot write {path}: {reason}") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
            raise OutputError(f"cannot write {path}: it is no file of recon's; remove it")
        lock(descriptor)
        if os.path.samestat(found, path.lstat()):
            return descriptor
    except FileNotFoundError:  # its last holder has just removed it: what we hold is no longer there
        pass
    except OutputError:
        os.close(descriptor)
        raise
    except OSError as error:
        if error.errno in UNSUPPORTED_ERRORS:
            log.warning("%s: this file system has no locks; see to it that only one batch works here", what)
            return descriptor
        if not isinstance(error, BlockingIOError):
            raise
    os.close(descriptor)
    return None


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")[:MAX_HOLDER] or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"

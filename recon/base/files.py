"""Outputs that are whole or not there, after a power loss too: written under a temporary name, flushed to the
disk and renamed.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recon.errors import OutputError


def check_writable(path: str | Path, overwrite: bool = False) -> None:
    """Raises OutputError where `path` could not be written, so that a command can refuse before
    hours of work rather than after: it is there and `overwrite` is False, it is a folder, or its
    folder is missing or closed to writing.
    """
    path = Path(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder, wanted a file to write")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists: give another name, or --overwrite")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: no permission to write in {path.parent}")


@contextmanager
def atomic_path(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """A temporary path beside `path`, with its ending, that becomes `path` when the block ends well
    and is removed when it does not. Raises OutputError as `check_writable`, and where the disk
    refuses.
    """
    path = Path(path)
    check_writable(path, overwrite)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        check_writable(path, overwrite)
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files beside `path` that killed processes left; nobody may be writing it now."""
    name = re.compile(rf"\.{re.escape(path.stem)}\.[0-9a-f]{{8}}{re.escape(path.suffix)}")
    for other in path.parent.glob(".*"):
        if name.fullmatch(other.name):
            other.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the disk hold what was written to a file, or which files a folder has."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Atomic writes: a file is written under a temporary name, flushed to disk and renamed."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recon.base.system import flush
from recon.errors import OutputError, reason

OnWritten = Callable[[Path], None]  # called with a file that is on the disk, before it is renamed
TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{8}(\.[^.]*)?")  # of any file, see `atomic_path`


def check_writable(path: str | Path, overwrite: bool = False) -> None:
    """Raises OutputError if `path` is a folder, exists without `overwrite`, or its folder is not writable."""
    path = Path(path)
    try:
        path.parent.joinpath(f".{path.name}.00000000").lstat()  # as long a name as any that will be needed
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise OutputError(f"cannot write {path}: {reason(error)}") from None
    if path.is_dir():
        raise OutputError(f"{path} is a folder, not a file")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists: choose another name, or give --overwrite")
    if not path.parent.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: no permission to write in {path.parent}")


def nothing_more(temporary: Path) -> None:
    """The default of what is done with a file before it is renamed."""


@contextmanager
def atomic_path(
    path: str | Path, overwrite: bool = False, on_written: OnWritten = nothing_more
) -> Iterator[Path]:
    """Yields a temporary path that is renamed to `path` when the block succeeds. Raises OutputError."""
    path = Path(path)
    check_writable(path, overwrite)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield temporary
        check_writable(path, overwrite)
        flush(temporary)
        on_written(temporary)
        temporary.replace(path)
        flush(path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, values: object) -> None:
    """Writes `values` as indented JSON, replacing `path`. Raises OutputError if the disk refuses."""
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def remove_leftovers(path: Path) -> None:
    """Removes the temporary files that killed processes left beside `path`; nobody may be writing it now."""
    name = re.compile(rf"\.{re.escape(path.stem)}\.[0-9a-f]{{8}}{re.escape(path.suffix)}")
    for other in path.parent.glob(".*"):
        if name.fullmatch(other.name):
            other.unlink(missing_ok=True)


def walk(
    folder: Path,
    skip: Iterable[Path] = (),
    is_whole: Callable[[Path], bool] = lambda folder: False,
    on_error: Callable[[OSError], None] | None = None,
) -> Iterator[Path]:
    """Yields the files below a folder, without hidden ones; each real folder is seen once.

    Links are followed last, so what they lead to keeps its own path if it is below `folder`, too.

    Args:
        folder: where to begin.
        skip: folders that are left out.
        is_whole: tells folders that are themselves yielded, and not entered.
        on_error: called for a folder that cannot be read; None raises its OSError.
    """
    seen = {path.resolve() for path in skip}
    own, links = deque([folder]), deque[Path]()
    while own or links:
        place = (own or links).popleft()
        if (real := place.resolve()) in seen:
            continue
        seen.add(real)
        if place != folder and is_whole(place):
            yield place
            continue
        try:
            with os.scandir(place) as entries:
                paths = [place / entry.name for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            if on_error is None:
                raise
            on_error(error)
            continue
        for path in sorted(paths):
            if path.is_dir():
                (links if path.is_symlink() else own).append(path)
            else:
                yield path

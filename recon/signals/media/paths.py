"""What a path names, before a library is asked to open it."""

import os
from collections.abc import Iterable
from pathlib import Path

from recon.errors import OutputError, SignalError, reason


def check_readable(path: str | Path, wanted: str) -> None:
    """Raise SignalError unless `path` is a readable file that is not empty; messages say `wanted`."""
    path = Path(path)
    try:
        path.lstat()
    except FileNotFoundError:
        raise SignalError(f"there is no file {path}, expected {wanted}") from None
    except (OSError, ValueError) as error:  # a name too long, or with a zero byte
        raise SignalError(f"cannot read {path}: {reason(error)}") from None
    if path.is_dir():
        raise SignalError(f"{path} is a folder, expected {wanted}")
    if not path.exists():
        raise SignalError(f"there is no file {path}, expected {wanted}")
    if not path.is_file():
        raise SignalError(f"{path} is a device or pipe, expected {wanted}")
    if path.stat().st_size == 0:
        raise SignalError(f"{path} is empty, expected {wanted}")
    if not os.access(path, os.R_OK):
        raise SignalError(f"no permission to read {path}")


def check_extension(path: str | Path, known: Iterable[str]) -> None:
    """Raise OutputError unless the extension of `path`, in lower case, is one of those `known`."""
    extension = Path(path).suffix
    if extension.lower() not in known:
        raise OutputError(f"cannot write {path}: its extension '{extension}' is not one of {' '.join(known)}")

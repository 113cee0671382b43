"""Errors that a user can cause: one line that says what was given, what was expected and what to do.

The command line prints a `ReconError` and exits with its `exit_code`; any other exception that escapes is a
bug and keeps its traceback.
"""

import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any

MAX_THREADS = 1024  # that can be asked for
MAX_REASON, MAX_LINE, MAX_SHOWN = 200, 1000, 60  # characters


class ReconError(Exception):
    """Base of all errors that a user can cause or fix."""

    exit_code = 1


class UsageError(ReconError):
    """An invalid option or argument (exit code 2)."""

    exit_code = 2


class ShapeError(UsageError, ValueError):
    """Arrays that are no points, faces or colours: of another shape, of other than numbers, out of range."""


class OtherRunError(UsageError):
    """A run folder that holds another run than the requested one."""


class ScanError(ReconError):
    """A file that cannot be read, or points that no surface can be fitted to."""


class SignalError(ReconError):
    """A file that cannot be read as an image, sound or film."""


class OutputError(ReconError):
    """A result that cannot be written: it exists, the folder does not, or the format is unknown."""


class FitError(ReconError):
    """A training that diverged."""


class ExtractError(ReconError):
    """A field without the requested surface."""


class MissingLibraryError(ReconError):
    """A missing optional package or system library that a command needs."""


def check_number(name: str, value: object, low: float, high: float, whole: bool = False) -> None:
    """Raises UsageError unless the argument `name` is a number in this range, both ends included."""
    kind = Integral if whole else Real
    if not isinstance(value, kind) or isinstance(value, bool) or not low <= float(value) <= high:
        what = "a whole number" if whole else "a number"
        raise UsageError(f"{name} is {shown(value)}, expected {what} from {low:g} to {high:g}")


def check_path(name: str, value: object) -> Path:
    """The argument `name` as a path. Raises UsageError if it is none, or one that no file can have."""
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise UsageError(f"{name} is {shown(value)}, expected a path")
    try:
        os.lstat(value)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        pass  # for others to say
    except (OSError, ValueError) as error:  # too long, or with a zero byte
        raise UsageError(f"{name} is {shown(value)}: {reason(error)}") from None
    return Path(value)


def check_kind(name: str, value: object, kind: Any, wanted: str) -> None:
    """Raises UsageError unless the argument `name` is of this type, or union of types: `wanted` in words."""
    if not isinstance(value, kind):
        raise UsageError(f"{name} is {shown(value)}, expected {wanted}")


def check_callable(name: str, value: object) -> None:
    """Raises UsageError unless the argument `name` can be called."""
    if not callable(value):
        raise UsageError(f"{name} is {shown(value)}, expected a function")


def shown(value: object) -> str:
    """A wrong value for a message: itself if it is short and plain, else its type."""
    plain = value is None or isinstance(value, bool | int | float | str | bytes)
    return printable(repr(value), MAX_SHOWN) if plain else f"of type {type(value).__name__}"


def printable(text: str, most: int = MAX_LINE) -> str:
    """One line for terminals: control characters, line ends and bytes that are no text are escaped.

    What is longer than `most` characters loses its middle. Names and contents of files can hold all of that.
    """
    if len(text) > most:
        text = f"{text[: most // 2]} … {text[-most // 2 :]}"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def reason(error: BaseException) -> str:
    """What an error of a library or the system says, one line of limited length."""
    said = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), "")
    return said[:MAX_REASON] or type(error).__name__

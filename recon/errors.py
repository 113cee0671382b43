"""Errors that a user can cause: one line that says what was given, what was expected and what to do.

The command line prints a `ReconError` and exits with its `exit_code`; any other exception that escapes is a
bug and keeps its traceback.
"""

from numbers import Integral, Real

MAX_REASON, MAX_LINE = 200, 1000  # characters


class ReconError(Exception):
    """Base of all errors that a user can cause or fix."""

    exit_code = 1


class UsageError(ReconError):
    """An invalid option or argument (exit code 2)."""

    exit_code = 2


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
        raise UsageError(f"{name} is {str(value)[:60]}, expected {what} from {low:g} to {high:g}")


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

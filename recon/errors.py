"""Errors that a user can cause: one line that says what was given, what was expected and what to do.

The command line prints a `ReconError` and exits with its `exit_code`; any other exception that escapes is a
bug and keeps its traceback.
"""


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

"""What a person sees instead of a traceback.

Every error a user can cause is a `ReconError`: one line that says what came, what was wanted and
what to do. The command line prints it and exits with `exit_code`; anything else that escapes is a
bug of ours and keeps its traceback.
"""


class ReconError(Exception):
    """Base of all errors a user can cause or mend."""

    exit_code = 1


class UsageError(ReconError):
    """An option or argument that makes no sense (exit code 2)."""

    exit_code = 2


class OtherRunError(UsageError):
    """A run folder that holds another run than the one that was asked for."""


class ScanError(ReconError):
    """A file that cannot be read, or points that no surface can be fitted to."""


class SignalError(ReconError):
    """A file that cannot be read as the image, sound or film it was given for."""


class OutputError(ReconError):
    """A result that cannot be written: it exists, the folder does not, the format is unknown."""


class FitError(ReconError):
    """A training that could not be brought to a finite end."""


class ExtractError(ReconError):
    """A field without the surface that was asked for."""


class MissingLibraryError(ReconError):
    """An optional package or system library that a command needs and the machine lacks."""

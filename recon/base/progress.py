"""The look of all progress bars, on standard error, and log lines that do not disturb them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from tqdm import tqdm

from recon.errors import printable

BAR_FORMAT = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
ProgressCallback = Callable[[float, str], None]  # as `Bar.to`: what tells how far a piece of work is
TERMINAL_INTERVAL, LOG_INTERVAL = 0.1, 10.0  # seconds between two states of a bar


class Bar:
    """A progress bar with elapsed and remaining time and a text, shown from the first call of `to` on.

    Args:
        title: what stands before the bar.
        show: False shows nothing.
        ends: close the bar once all is done.
    """

    def __init__(self, title: str, show: bool = True, ends: bool = False) -> None:
        self.title, self.show, self.ends = title, show, ends
        self._bar: tqdm | None = None

    def to(self, share: float, text: str = "") -> None:
        """Sets the share done, 0..1, which may be less than before."""
        if self._bar is None:
            every = TERMINAL_INTERVAL if sys.stderr.isatty() else LOG_INTERVAL
            self._bar = tqdm(
                total=1.0,
                desc=self.title,
                bar_format=BAR_FORMAT,
                disable=not self.show,
                mininterval=every,
                miniters=0,
            )
        self._bar.set_postfix_str(printable(text), refresh=False)
        self._bar.update(share - self._bar.n)
        if self.ends and share >= 1:
            self.close()

    def close(self) -> None:
        """Leaves the last state on the screen; `to` would begin another bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def no_progress(share: float, text: str = "") -> None:
    """A `ProgressCallback` that does nothing."""


def progress_within(progress: ProgressCallback, begin: float, end: float) -> ProgressCallback:
    """A callback for a part of the work that runs from the share `begin` to `end` of the whole."""
    return lambda share, text: progress(begin + share * (end - begin), text)


class LinesBesideBars(logging.Handler):
    """Writes each log record on a line of its own, above the bar if one is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        tqdm.write(printable(self.format(record)), file=sys.stderr)

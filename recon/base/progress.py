"""How far it is: bars on a terminal and in notebooks, lines elsewhere; and logs that do not disturb them.

All of it goes to standard error, and to the file of `--log`, which has lines always.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from tqdm import tqdm

from recon.errors import printable

BAR_FORMAT = "{desc} {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
ProgressCallback = Callable[[float, str], None]  # as `Bar.to`: what tells how far a piece of work is
TERMINAL_INTERVAL = 0.1  # seconds between two states of a bar
LINES = 10  # of a stage, where there is no terminal
LINE_INTERVAL = 1.0  # seconds between two of them
MAX_TEXT = 200  # characters of such a line
RECORD = logging.getLogger("recon.record")  # what a command shows that is no log, for the file of --log
RECORD.propagate = False
RECORD.setLevel(logging.INFO)
RECORD.addHandler(logging.NullHandler())


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


class Bar:
    """A progress bar with elapsed and remaining time and a text, shown from the first call of `to` on.

    Where standard error is neither a terminal nor a notebook's, it is a line a tenth, at most one a second,
    and one at the end.

    Args:
        title: what stands before the bar.
        show: False shows nothing.
        ends: close the bar once all is done.
    """

    def __init__(self, title: str, show: bool = True, ends: bool = False) -> None:
        self.title, self.show, self.ends = title, show, ends
        self._bar: tqdm | None = None
        self._began: float | None = None

    def to(self, share: float, text: str = "") -> None:
        """Sets the share done, 0..1, which may be less than before."""
        if self._began is None:
            self._began = self._said = time.monotonic()
            self._tenth = 0
            if self.show and (sys.stderr.isatty() or in_notebook()):
                self._bar = tqdm(
                    total=1.0,
                    desc=self.title,
                    bar_format=BAR_FORMAT,
                    mininterval=TERMINAL_INTERVAL,
                    miniters=0,
                )
        self._share, self._text = share, printable(text, MAX_TEXT)
        if self._bar is not None:
            self._bar.set_postfix_str(printable(text), refresh=False)
            self._bar.update(share - self._bar.n)
        now = time.monotonic()
        if int(LINES * share) > self._tenth and share < 1 and now - self._said >= LINE_INTERVAL:
            self._tenth, self._said = int(LINES * share), now
            left = (now - self._began) * (1 - share) / share
            self._line(f"{share:.0%} after {now - self._began:.0f} s, about {left:.0f} s left")
        if self.ends and share >= 1:
            self.close()

    def _line(self, what: str) -> None:
        line = f"{self.title}: {what}{f'; {self._text}' if self._text else ''}"
        RECORD.info("%s", line)
        if self.show and self._bar is None:
            tqdm.write(f"recon: {line}", file=sys.stderr)

    def close(self) -> None:
        """Leaves the last state on the screen; `to` would begin another bar."""
        if self._began is not None:
            how = "done" if self._share >= 1 else f"{self._share:.0%}"
            self._line(f"{how} after {time.monotonic() - self._began:.1f} s")
            self._began = None
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

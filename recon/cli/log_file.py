"""The file of `--log`: all that a command tells, with the time of each line."""

from __future__ import annotations

import logging
import platform
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from recon.base.progress import RECORD
from recon.base.system import system_name
from recon.errors import OutputError, ReconError, printable, reason
from recon.version import VERSION

FORMAT, DATES = "%(asctime)s.%(msecs)03d %(levelname)-7s %(message)s", "%Y-%m-%dT%H:%M:%S"

log = logging.getLogger("recon")


@contextmanager
def logged_to(path: str | None, arguments: Sequence[str]) -> Iterator[None]:
    """Appends to the file `path`, if there is one, what is told in the block, and how it ends.

    Raises OutputError if it cannot be written.
    """
    if path is None:
        yield
        return
    try:
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {reason(error)}") from None
    handler.setFormatter(_OneLine(FORMAT, DATES))
    loggers, level = (log, RECORD), log.level
    for logger in loggers:
        logger.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        RECORD.info("recon %s, Python %s, %s", VERSION, platform.python_version(), system_name())
        RECORD.info("%s", shlex.join(["recon", *arguments]))
        yield
        RECORD.info("done")
    except KeyboardInterrupt:
        RECORD.warning("stopped")
        raise
    except ReconError as error:
        RECORD.error("%s", error)
        raise
    except Exception:
        RECORD.exception("unexpected")
        raise
    finally:
        log.setLevel(level)
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


class _OneLine(logging.Formatter):
    """What a file's name or content brings into a message stays on its line; only tracebacks have several."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message)
        return super().formatMessage(record)

"""Files of run folders, read without trust: of the right kind and size, with values of the right types.

Whatever a file holds, reading it runs no code, opens no other file, and takes memory by its size.
"""

from __future__ import annotations

import json
import pickle
import stat
import tokenize
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.base.archives import check_arrays, check_stored
from recon.errors import ReconError, ScanError, reason

RUN_FILE, CHECKPOINT_FILE, RESULT_FILE = "run.json", "checkpoint.pt", "result.json"
# What is said of where a run comes from, see `provenance`; all of it may be missing.
ORIGIN = {
    **dict.fromkeys(("command", "folder", "preset", "date", "system", "device", "batch"), str),
    "threads": int,
    "inputs": [{"path": str, "bytes": int, "sha256": str}],
    "versions": {"recon": str},
}
SUBJECTS = ("scan", "signal", "problem")  # the entry that says what a run is on
MAX_JSON_BYTES = 1 << 24
FOREIGN_VALUE_ERRORS = (
    *(AttributeError, EOFError, IndexError, KeyError, NotImplementedError, OSError, OverflowError),
    *(RecursionError, RuntimeError, SyntaxError, TypeError, ValueError, tokenize.TokenError),
    *(zipfile.BadZipFile, pickle.PickleError),
)


def regular(path: Path, most: int | None = None) -> Path:
    """Returns `path` if it is a regular file of at most `most` bytes. Raises OSError otherwise."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path.name} is not a regular file")
    if most is not None and found.st_size > most:
        raise OSError(f"{path.name} has {found.st_size:,} bytes, expected at most {most:,}")
    return path


def read_json(path: Path) -> dict[str, Any]:
    """Reads an object of plain values. Raises OSError if there is none, ScanError for any other content."""
    text = regular(path, MAX_JSON_BYTES).read_bytes()
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScanError(f"cannot read {path} ({reason(error)}); remove the folder to start over") from None
    if not isinstance(values, dict):
        raise ScanError(f"{path} was not written by recon: remove the folder to start over")
    return values


def read_description(folder: Path) -> dict[str, Any]:
    """Reads run.json. Raises ScanError if it is missing, damaged or not of a run."""
    try:
        description = read_json(folder / RUN_FILE)
    except (FileNotFoundError, NotADirectoryError):
        raise ScanError(
            f"{folder} is not a run folder: it has no {RUN_FILE}; `recon mesh SCAN --run DIR` makes one"
        ) from None
    except OSError as error:
        raise ScanError(
            f"cannot read {folder / RUN_FILE} ({error.strerror or error}); remove the folder to start over"
        ) from None
    subject = any(isinstance(description.get(name), str | dict) for name in SUBJECTS)
    origin = description.get("origin", {})
    if not (subject and isinstance(description.get("config"), dict) and matches(origin, ORIGIN, partly=True)):
        raise ScanError(f"{folder / RUN_FILE} was not written by recon: remove the folder to start over")
    return description


def matches(value: Any, wanted: Any, partly: bool = False) -> bool:
    """Whether a value has a type, or is a table or list whose values match; `partly`: as far as given."""
    if isinstance(wanted, dict):
        known = isinstance(value, dict) and (partly or value.keys() >= wanted.keys())
        return known and all(matches(value[name], kind) for name, kind in wanted.items() if name in value)
    if isinstance(wanted, list):
        return isinstance(value, list) and all(matches(part, wanted[0]) for part in value)
    return type(value) in (int, float) if wanted is float else type(value) is wanted


def read_result(folder: Path) -> dict[str, Any]:
    """Reads what result.json says of the files written and the time taken; empty if there is none."""
    try:
        result = read_json(folder / RESULT_FILE)
    except (OSError, ScanError):
        return {}
    seconds = result.get("seconds")
    times = [result.get("seconds_all"), *seconds.values()] if isinstance(seconds, dict) else [None]
    known = all(isinstance(value, int | float) for value in times) and isinstance(result.get("mesh", ""), str)
    return result if known else {}


@contextmanager
def reading(path: Path, error: type[ReconError] = ScanError) -> Iterator[None]:
    """Turns what wrong types, ranges and shapes of values raise in its block into `error`, naming `path`."""
    try:
        with np.errstate(all="ignore"):  # at values that are looked at later
            yield
    except ReconError as inner:
        if type(inner) is error and str(path) in str(inner):
            raise
        raise error(f"{path} is not as recon writes it ({inner}): remove the folder to start over") from None
    except FOREIGN_VALUE_ERRORS as inner:
        raise error(
            f"{path} is not as recon writes it ({reason(inner)}): remove the folder to start over"
        ) from None


def parameter_file(folder: Path, error: type[ReconError], name: str = CHECKPOINT_FILE) -> Path:
    """The file with the trained parameters. Raises `error` if it does not exist yet."""
    if not (folder / name).exists():
        what = "its first checkpoint" if name == CHECKPOINT_FILE else "its end"
        raise error(f"{folder} holds a run that was stopped before {what}: start it again")
    return folder / name


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Reads the arrays of a file that `numpy.savez` wrote. Raises `FOREIGN_VALUE_ERRORS` for any other."""
    check_stored(path)
    check_arrays(path)
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
        return dict(archive)

"""Run folders of every command: opened, checked, held and described here and nowhere else.

run.json describes the run and its origin, checkpoint.pt holds the state of the training and history.csv its
loss terms, preview.ply is the latest preview, output.json tells the result's file from others, and
result.json is its summary. A folder is a run's if it holds run.json, or the lock of a command that was
killed before it could write that.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from recon.base.files import TEMPORARY_NAME, write_json
from recon.base.lock import locked
from recon.base.provenance import fingerprint
from recon.base.run_files import CHECKPOINT_FILE, RESULT_FILE, RUN_FILE, read_description, read_json
from recon.base.system import ONLY_ITSELF
from recon.errors import OtherRunError, OutputError, ScanError

HISTORY_FILE, PREVIEW_FILE = "history.csv", "preview.ply"
OUTPUT_FILE = "output.json"
LOCK_FILE, RUN_ENDING = ".recon-lock", ".recon-run"


def default_run_folder(out: Path) -> Path:
    """The run folder of a result at `out` if none was given."""
    return out.with_name(f".{out.name}{RUN_ENDING}")


def lock_path(out: Path) -> Path:
    """The lock that the process making `out` holds."""
    return out.with_name(f".{out.name}.recon-lock")


@contextmanager
def held_run(folder: Path) -> Iterator[Path]:
    """Yields a run folder that no other command works in meanwhile; one that stays empty is removed.

    Raises OutputError if it is in use, cannot be written, or holds files that are not of a run.
    """
    check_run_folder(folder)
    existed = folder.exists()
    make_folder(folder)
    try:
        with locked(folder / LOCK_FILE, str(folder), keep=lambda: not (folder / RUN_FILE).exists()):
            yield folder
    finally:
        if not existed:
            _remove_if_unused(folder)


def _remove_if_unused(folder: Path) -> None:
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK_FILE]:
            (folder / LOCK_FILE).unlink()
        folder.rmdir()


@contextmanager
def run_folder(named: str | Path | None, out: Path) -> Iterator[Path]:
    """The run folder `named`, or a temporary one beside `out`.

    Processes that are interrupted, or cannot write, leave that one, for the same command to go on from.
    """
    if named:
        with held_run(Path(named)) as folder:
            yield folder
        return
    temporary = default_run_folder(out)
    check_run_folder(temporary)
    try:
        yield temporary
    except KeyboardInterrupt:
        raise
    except OutputError as error:
        if not temporary.exists():
            raise
        raise OutputError(
            f"{error} (what was trained is kept: the same command goes on from there)"
        ) from error
    except BaseException:
        remove_run(temporary)
        raise
    remove_run(temporary)


def begin_run(folder: Path) -> None:
    """Creates a run folder and marks it as one, for what is written before its description.

    Raises OutputError if the disk refuses, or the folder holds files that are not of a run.
    """
    check_run_folder(folder)
    make_folder(folder)
    os.close(os.open(folder / LOCK_FILE, os.O_CREAT | os.O_WRONLY | ONLY_ITSELF, 0o666))


def check_run_folder(folder: Path) -> None:
    """Raises OutputError unless the folder is new, empty or a run's."""
    if folder.name.endswith(RUN_ENDING) and folder.is_symlink():
        raise OutputError(f"{folder} is a link where a run's own folder should be: remove it")
    try:
        names = {path.name for path in folder.iterdir()}
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"cannot use the run folder {folder}: {error.strerror}") from None
    others = sorted(name for name in names if not TEMPORARY_NAME.fullmatch(name))
    marks = {RUN_FILE, LOCK_FILE, *([OUTPUT_FILE] if folder.name.endswith(RUN_ENDING) else [])}
    if others and not names & marks:
        raise OutputError(
            f"{folder} holds files that are not of a run, as {others[0]}: give a new folder, or an empty one"
        )
    if RUN_FILE in names:
        read_description(folder)


def clear_run(folder: Path) -> None:
    """Empties a run folder, last of all what tells that it is one: the rest is known to be a run's.

    In an unnamed run's that is output.json: until then, the result is known to be the run's, too.
    """
    check_run_folder(folder)
    last = OUTPUT_FILE if folder.name.endswith(RUN_ENDING) else RUN_FILE
    for path in sorted(folder.iterdir(), key=lambda path: path.name == last):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != LOCK_FILE:
            path.unlink()


def remove_run(folder: Path) -> None:
    """Removes a run folder, if it is one."""
    with suppress(OSError, OutputError, ScanError):
        clear_run(folder)
        (folder / LOCK_FILE).unlink(missing_ok=True)
        folder.rmdir()


def open_run(
    folder: Path,
    description: dict[str, Any],
    subject: str,
    default_folder: Path | None = None,
    on_create: Callable[[], None] = lambda: None,
) -> bool:
    """Creates the run folder, or checks that an existing one is of the same run, and writes the description.

    Args:
        folder: the run folder.
        description: of the run, plain values.
        subject: "scan", "signal" or "problem": the entry of `description` that says what the run is on.
        default_folder: another run in this one is replaced.
        on_create: writes what a new folder holds beside its description.

    Returns:
        Whether the run already existed.

    Raises:
        OtherRunError: the folder holds another run.
        OutputError: the disk refuses, or the folder holds files that are not of a run.
    """
    check_run_folder(folder)
    if (folder / RUN_FILE).exists():
        try:
            check_same_run(folder, description, subject)
        except OtherRunError:
            if folder != default_folder:
                raise
            clear_run(folder)
    existed = (folder / RUN_FILE).exists()
    make_folder(folder)
    for path in folder.iterdir():
        if TEMPORARY_NAME.fullmatch(path.name):  # of a killed process
            path.unlink()
    save_description(folder, description)
    if not (folder / CHECKPOINT_FILE).exists():
        on_create()
    return existed


def make_folder(folder: Path) -> None:
    """Creates the run folder. Raises OutputError if the disk refuses."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the run folder {folder}: {error.strerror}") from None


def check_same_run(folder: Path, description: dict[str, Any], subject: str) -> None:
    """Raises OtherRunError if the folder holds a run on another `subject` or with other training settings."""
    existing = read_description(folder)
    if existing.get(subject) != description[subject]:
        raise OtherRunError(f"{folder} holds a run on another {subject}: give another folder, or remove it")
    for stage, settings in description["config"].items():
        before = existing["config"].get(stage)
        if stage != "mesh" and before != settings:
            raise OtherRunError(
                f"{folder} holds a run with other settings ({_difference(stage, before, settings)}): "
                "give the same ones, another folder, or remove it"
            )


def _difference(stage: str, before: object, now: object) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(key for key in {**now, **before} if before.get(key) != now.get(key) or key not in now)
        return f"{stage}.{name} was {before.get(name)}, now {now.get(name, 'not a setting')}"
    return f"{stage} was {before}, now {now}"


def save_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Writes run.json."""
    write_json(folder / RUN_FILE, description)


def save_result(folder: Path, summary: Mapping[str, Any]) -> None:
    """Writes result.json."""
    write_json(folder / RESULT_FILE, summary)


def claim(folder: Path, out: Path, written: Path) -> None:
    """Notes in the run folder that the file `written`, about to be renamed to `out`, is this run's."""
    write_json(folder / OUTPUT_FILE, {**_claimed(folder), out.name: _content(written)})


def claims(folder: Path, out: Path) -> bool:
    """Whether `out` is a result of the run in `folder`, which was ended before it could say so."""
    noted = _claimed(folder).get(out.name)
    return noted is not None and out.is_file() and noted == _content(out)


def _claimed(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / OUTPUT_FILE)
    except (OSError, ScanError):
        return {}


def _content(path: Path) -> dict[str, Any]:
    return {**fingerprint(path), "path": None}

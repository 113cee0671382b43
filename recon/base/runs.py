"""Run folders of every command: opened, checked, described and read here and nowhere else.

run.json says what tells the run from others, and where it comes from; checkpoint.pt holds the training so far
and history.csv its terms, preview.ply what shows meanwhile, result.json its end.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recon.base.files import atomic_path
from recon.errors import OtherRunError, OutputError, ReconError, ScanError

RUN_FILE, CHECKPOINT_FILE, HISTORY_FILE = "run.json", "checkpoint.pt", "history.csv"
PREVIEW_FILE, RESULT_FILE = "preview.ply", "result.json"


def own_run(out: Path) -> Path:
    """The run folder of a result at `out` that was given none."""
    return out.with_name(f".{out.name}.recon-run")


def open_run(
    folder: Path,
    wanted: dict[str, Any],
    subject: str,
    own: Path | None = None,
    begin: Callable[[], None] = lambda: None,
) -> bool:
    """Make the run folder of the run described by `wanted`, plain values; returns whether it was there.
    It keeps what was asked for last, as how to mesh.

    subject  "scan", "signal" or "problem": the entry of `wanted` that says what the run is on
    own      what another command left there is replaced
    begin    writes what a new folder keeps beside its description
    Raises OtherRunError, as `check_same_run`, and OutputError where the disk refuses.
    """
    if (folder / RUN_FILE).exists():
        try:
            check_same_run(folder, wanted, subject)
        except OtherRunError:
            if folder != own:
                raise
            shutil.rmtree(folder)
    before = (folder / RUN_FILE).exists()
    if not before:
        make_folder(folder)
        begin()
    save_description(folder, wanted)
    return before


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the run folder {folder}: {error.strerror}") from None


def check_same_run(folder: Path, wanted: dict[str, Any], subject: str) -> None:
    """Raises OtherRunError where the run folder is not that of the run described by `wanted`: it is on
    another `subject`, or has other settings that training depends on.
    """
    there = read_description(folder)
    if there.get(subject) != wanted[subject]:
        raise OtherRunError(f"{folder} holds a run on another {subject}: give another folder, or remove it")
    for stage, settings in wanted["config"].items():
        before = there["config"].get(stage)
        if stage != "mesh" and before != settings:
            raise OtherRunError(
                f"{folder} holds a run with other settings ({_difference(stage, before, settings)}): "
                "give the same ones, another folder, or remove it"
            )


def _difference(stage: str, before: object, now: object) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        name = next(key for key in now if before.get(key) != now[key])
        return f"{stage}.{name} was {before.get(name)}, now {now[name]}"
    return f"{stage} was {before}, now {now}"


def save_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Write run.json."""
    _write(folder / RUN_FILE, description)


def save_result(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write result.json."""
    _write(folder / RESULT_FILE, summary)


def _write(path: Path, values: Mapping[str, Any]) -> None:
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def read_description(folder: Path) -> dict[str, Any]:
    """The contents of run.json. Raises ScanError where there is none, or it is not one."""
    try:
        found = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScanError(
            f"{folder} is no run folder: it has no {RUN_FILE}; `recon mesh SCAN --run DIR` makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise ScanError(
            f"{folder / RUN_FILE} cannot be read ({error}): remove the folder to start over"
        ) from None
    if not isinstance(found, dict):
        raise ScanError(f"{folder / RUN_FILE} is not of this program: remove the folder to start over")
    return found


def kept_state(folder: Path, error: type[ReconError], name: str = CHECKPOINT_FILE) -> Path:
    """The file of the folder that holds the trained parameters. Raises `error` where it is not there yet."""
    if not (folder / name).is_file():
        what = "its first checkpoint" if name == CHECKPOINT_FILE else "its end"
        raise error(f"{folder} holds a run that was stopped before {what}: start it again")
    return folder / name

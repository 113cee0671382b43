"""Run folders of every command: opened, checked, described and read here and nowhere else.

run.json describes the run and its origin, checkpoint.pt holds the state of the training and history.csv its
loss terms, preview.ply is the latest preview and result.json the summary of the result.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recon.base.files import write_json
from recon.errors import OtherRunError, OutputError, ReconError, ScanError

RUN_FILE, CHECKPOINT_FILE, HISTORY_FILE = "run.json", "checkpoint.pt", "history.csv"
PREVIEW_FILE, RESULT_FILE = "preview.ply", "result.json"


def default_run_folder(out: Path) -> Path:
    """The run folder of a result at `out` if none was given."""
    return out.with_name(f".{out.name}.recon-run")


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
        OutputError: the disk refuses.
    """
    if (folder / RUN_FILE).exists():
        try:
            check_same_run(folder, description, subject)
        except OtherRunError:
            if folder != default_folder:
                raise
            shutil.rmtree(folder)
    existed = (folder / RUN_FILE).exists()
    if not existed:
        make_folder(folder)
        on_create()
    save_description(folder, description)
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
        name = next(key for key in now if before.get(key) != now[key])
        return f"{stage}.{name} was {before.get(name)}, now {now[name]}"
    return f"{stage} was {before}, now {now}"


def save_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Writes run.json."""
    write_json(folder / RUN_FILE, description)


def save_result(folder: Path, summary: Mapping[str, Any]) -> None:
    """Writes result.json."""
    write_json(folder / RESULT_FILE, summary)


def read_description(folder: Path) -> dict[str, Any]:
    """Reads run.json. Raises ScanError if it is missing or damaged."""
    try:
        description = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ScanError(
            f"{folder} is not a run folder: it has no {RUN_FILE}; `recon mesh SCAN --run DIR` makes one"
        ) from None
    except (OSError, ValueError) as error:
        raise ScanError(
            f"cannot read {folder / RUN_FILE} ({error}); remove the folder to start over"
        ) from None
    if not isinstance(description, dict):
        raise ScanError(f"{folder / RUN_FILE} was not written by recon: remove the folder to start over")
    return description


def parameter_file(folder: Path, error: type[ReconError], name: str = CHECKPOINT_FILE) -> Path:
    """The file with the trained parameters. Raises `error` if it does not exist yet."""
    if not (folder / name).is_file():
        what = "its first checkpoint" if name == CHECKPOINT_FILE else "its end"
        raise error(f"{folder} holds a run that was stopped before {what}: start it again")
    return folder / name

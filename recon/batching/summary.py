"""The outcome of each scan of a batch: as rows, as a table to read, as CSV and JSON."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon.base.files import atomic_path, write_json
from recon.base.provenance import SUMMARY_FILE, SUSPECT
from recon.batching.job import DONE, FAILED, Job
from recon.errors import printable

DONE_BEFORE, UNFINISHED = "done before", "unfinished"
STATES = (DONE, DONE_BEFORE, SUSPECT, FAILED, UNFINISHED)
CSV_COLUMNS = (
    *("scan", "mesh", "state", "points", "faces", "seconds"),
    *("scan_to_mesh", "scan_to_mesh_p95", "scan_to_mesh_largest", "diagonal", "unit"),
    *("watertight", "components", "genus", "area", "volume", "peak_memory", "doubts", "error"),
)
FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r")
CSV_FILE, JSON_FILE = SUMMARY_FILE, "summary.json"


@dataclass(frozen=True)
class Result:
    """One scan of a batch.

    Attributes:
        scan: its path below the folder, with slashes; with a trailing one, an unreadable folder.
        mesh: the path of its mesh, whether it exists or not.
        state: "done"; "done before"; "suspect", done with a mesh that does not look like its scan; "failed";
            or "unfinished".
        manifest: the content of the manifest, {"result": {"faces", ...}, "error", "run", ...}, if any.
        unread: what is wrong with an unreadable folder.
    """

    scan: str
    mesh: Path
    state: str
    manifest: dict[str, Any] | None
    unread: str | None = None

    @classmethod
    def of(cls, job: Job, state: str, manifest: dict[str, Any] | None) -> Result:
        """The result of `job`, done or not, whose mesh may be suspect."""
        if state in (DONE, DONE_BEFORE) and manifest and manifest["result"]["doubts"]:
            state = SUSPECT
        return cls(job.name, Path(job.mesh), state, manifest)

    @property
    def has_mesh(self) -> bool:
        """Whether the mesh exists."""
        return self.state in (DONE, DONE_BEFORE, SUSPECT)

    @property
    def error(self) -> str | None:
        """What went wrong, one line."""
        error = self.manifest["error"] if self.manifest and self.state == FAILED else None
        return error["message"] if error else self.unread

    def row(self, out: Path) -> dict[str, Any]:
        """The values of `CSV_COLUMNS`, None where there is none; the mesh's path is below `out`."""
        row: dict[str, Any] = dict.fromkeys(CSV_COLUMNS)
        if self.has_mesh and self.manifest:
            result, run = self.manifest["result"], self.manifest["run"]
            row |= {name: result[name] for name in CSV_COLUMNS if name in result}
            error = result["scan_to_mesh"]
            row |= {"scan_to_mesh": error["mean"], "scan_to_mesh_p95": error["p95"]}
            row |= {"scan_to_mesh_largest": error["largest"], "mesh": self.mesh.relative_to(out).as_posix()}
            row |= {"seconds": run["seconds"], "peak_memory": run["peak_memory"]}
            row["doubts"] = " | ".join(result["doubts"]) or None
        return row | {"scan": self.scan, "state": self.state, "error": self.error}


def counts(results: Sequence[Result]) -> dict[str, int]:
    """The number of scans in each state."""
    found = Counter(result.state for result in results)
    return {state: found[state] for state in STATES}


def report(results: Sequence[Result], folder: Path, out: Path) -> dict[str, Any]:
    """All of it, as plain values: what `--json` prints and summary.json holds."""
    rows = [result.row(out) for result in results]
    numbers = {state.replace(" ", "_"): number for state, number in counts(results).items()}
    return {"folder": str(folder), "out": str(out), **numbers, "scans": rows}


def write_summary(results: Sequence[Result], folder: Path, out: Path) -> None:
    """Writes summary.csv and summary.json to `out`. Raises OutputError if the disk refuses."""
    content = report(results, folder, out)
    write_json(out / JSON_FILE, content)
    with (
        atomic_path(out / CSV_FILE, overwrite=True) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        rows = csv.DictWriter(file, CSV_COLUMNS)
        rows.writeheader()
        rows.writerows({name: _cell(value) for name, value in row.items()} for row in content["scans"])


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA_MARKS else value


def scan_count(scans: int) -> str:
    """As "1 scan"."""
    return f"{scans} scan{'' if scans == 1 else 's'}"


TABLE_HEADER = ("scan", "points", "seconds", "faces", "scan to mesh", "watertight", "state")


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row as text, under `TABLE_HEADER`."""
    unit = f" {row['unit']}" if row["unit"] else ""
    return (
        row["scan"],
        "" if row["points"] is None else f"{row['points']:,}",
        "" if row["seconds"] is None else f"{row['seconds']:.1f}",
        "" if row["faces"] is None else f"{row['faces']:,}",
        "" if row["scan_to_mesh"] is None else f"{row['scan_to_mesh']:.3g}{unit}",
        {None: "", True: "yes", False: "no"}[row["watertight"]],
        f"{row['state']}: {why}" if (why := row["error"] or row["doubts"]) else row["state"],
    )


def table(results: Sequence[Result], out: Path) -> list[str]:
    """Lines of text: one per scan, and a last one with the counts."""
    rows = [TABLE_HEADER, *(tuple(map(printable, cells(result.row(out)))) for result in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(TABLE_HEADER))]
    lines = []
    for row in rows:
        line = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:6], widths[1:6], strict=True)),
        ]
        lines.append("  ".join([*line, row[6]]).rstrip())
    numbers = ", ".join(f"{number} {state}" for state, number in counts(results).items() if number)
    return [*lines, f"{scan_count(len(results))}: {numbers}"]

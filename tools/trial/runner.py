"""One part after the other, each in a process of its own, and what is written about them.

The processes are forked by a server that has loaded PyTorch once and has touched no GPU, as loading it anew
for each of them would take a good share of the time.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
import traceback
from datetime import datetime, timezone
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

from trial.parts import Part, Trial, read_rows

LEAST = 5.0  # seconds without which a part is not begun
TAIL = 60  # lines of what a part said before it failed
GRACE = 2.0  # seconds between being asked to end and being ended
LOADED = ["trial.loaded"]  # modules, once for all parts
Report = dict[str, Any]


def run_parts(parts: list[Part], out: Path, device: str, quick: bool, seconds: float) -> list[str]:
    """Run `parts` within `seconds` and write trial.json and trial.md to `out`, after each. The names of those
    that failed, and of those with a check that did not hold."""
    out.mkdir(parents=True, exist_ok=True)
    ends = time.monotonic() + seconds
    report: Report = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "device": device,
        "quick": quick,
        "parts": [],
    }
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    with tempfile.TemporaryDirectory(prefix="trial-") as folder:
        for part in parts:
            began = time.monotonic()
            result = _run_part(part, Path(folder), device, quick, ends, context)
            result["seconds"] = round(time.monotonic() - began, 2)
            report["parts"].append(result)
            _write(out / "trial.json", json.dumps(report, indent=1))
            _write(out / "trial.md", markdown(report))
            print(f"== {part.name}: {result['state']}, {result['seconds']:.1f} s", flush=True)
    print(markdown(report))
    return [part["name"] for part in report["parts"] if not _good(part)]


def _run_part(
    part: Part, folder: Path, device: str, quick: bool, ends: float, context: BaseContext
) -> Report:
    rows, log = folder / f"{part.name}.jsonl", folder / f"{part.name}.log"
    left = min(part.seconds, ends - time.monotonic())
    result: Report = {"name": part.name, "state": "no time left", "rows": []}
    if left < LEAST:
        return result
    trial = Trial(device, quick, folder, rows, time.monotonic() + left)
    process = context.Process(target=_inside, args=(part, trial, log))  # type: ignore[attr-defined]
    process.start()
    process.join(left)
    if process.is_alive():
        result["state"] = f"stopped after its {left:.0f} s"
        _end(process.pid)
        process.join()
    else:
        result["state"] = "done" if process.exitcode == 0 else f"failed, code {process.exitcode}"
    result["rows"] = read_rows(rows)
    if result["state"] != "done" and log.exists():
        result["log"] = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    return result


def _inside(part: Part, trial: Trial, log: Path) -> None:
    """What the part's process does: all it says goes to `log`."""
    os.setsid()  # it and what it starts are ended together
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    try:
        part.module().run(trial)
    except BaseException:  # noqa: BLE001 whatever it is, it is what there is to know of the part
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)  # a GPU with an error on it may not be left in order
    sys.stdout.flush()
    os._exit(0)


def _end(pid: int) -> None:
    """The process and all that it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        time.sleep(GRACE if number == signal.SIGTERM else 0.0)


def _good(part: Report) -> bool:
    held = all(row.get("ok", True) for row in part["rows"])
    return held and part["state"] in ("done", "no time left")


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def markdown(report: Report) -> str:
    """All of it, as it is read."""
    lines = [
        "# Trial",
        "",
        f"    {report['command']}",
        "",
        f"{report['date']}, device {report['device']}.",
        "",
    ]
    lines += ["| part | state | seconds |", "|---|---|--:|"]
    lines += [f"| {part['name']} | {_state(part)} | {part['seconds']:.1f} |" for part in report["parts"]]
    for part in report["parts"]:
        lines += ["", f"## {part['name']}", ""]
        lines += [f"- **{row['what']}**: {_figures(row)}" for row in part["rows"]]
        if "log" in part:
            lines += ["", *(f"    {line}" for line in part["log"])]
    return "\n".join(lines)


def _state(part: Report) -> str:
    wrong = [row["what"] for row in part["rows"] if not row.get("ok", True)]
    return part["state"] + (f"; not as wanted: {', '.join(wrong)}" if wrong else "")


def _figures(row: Report) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_word(v)}" for name, v in row.items() if name != "what")


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return "; ".join(map(_word, value))
    return str(value)

"""The process of one scan: `recon.batching.worker`, with a job on standard input.

It reports on standard output, one JSON object per line: {"stage", "share"}, {"warning"}, and at its end
{"done": manifest}, {"failed": error} or {"stopped"}. It ends when standard input closes: nobody wants the
result any more.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.base.system import on_interrupt, peak_memory
from recon.errors import OutputError, ReconError, ScanError

if TYPE_CHECKING:
    from recon.training.trainer import Progress

REPORT_SECONDS = 0.25  # between two messages on one stage
PICTURE_SIZE = (240, 180)  # pixels
PROCESS_NAME = "recon scan"  # for those who look at what is running
Tell = Callable[[dict[str, Any]], None]


def main() -> None:
    """Converts the scan of the job on standard input."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no message
    tell = Messages(stream)
    faulthandler.enable()
    on_interrupt(signal.default_int_handler)  # scripts have background jobs ignore it
    if sys.platform == "linux":
        Path("/proc/self/comm").write_text(PROCESS_NAME, encoding="ascii")
    job = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_when_unwanted, daemon=True).start()
    try:
        tell({"done": _done(job, tell)})
    except KeyboardInterrupt:
        tell({"stopped": True})
    except ReconError as error:
        tell({"failed": {"kind": type(error).__name__, "message": str(error), "details": None}})
    except Exception as error:  # noqa: BLE001 whatever is wrong with one scan is reported, and the others go on
        tell({"failed": unforeseen(error)})


def unforeseen(error: Exception) -> dict[str, Any]:
    """Describes an error that is no ReconError: out of memory, or a bug."""
    words = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, MemoryError) or "not enough memory" in words or "out of memory" in words:
        kind, message = "OutOfMemory", f"the scan needs more memory than there is ({words})"
    else:
        kind, message = "Bug", f"unexpected: {words}; the manifest has the details"
    return {"kind": kind, "message": message, "details": "".join(traceback.format_exception(error))}


class Messages:
    """Writes messages, one JSON object per line, and not too many about the same stage."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.stage, self.said = "", -math.inf

    def __call__(self, message: dict[str, Any]) -> None:
        """Writes one message."""
        self.stream.write(json.dumps(message) + "\n")
        self.stream.flush()

    def stage_is(self, stage: str, share: float = 0.0) -> None:
        """Reports how far a stage is."""
        now = time.monotonic()
        if stage != self.stage or now - self.said >= REPORT_SECONDS:
            self.stage, self.said = stage, now
            self({"stage": stage, "share": share})


class Records(logging.Handler):
    """Collects the log of one scan for its manifest, and reports warnings at once."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.INFO)
        self.tell, self.lines = tell, list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        """Collects one record."""
        self.lines.append(record.getMessage())
        if record.levelno >= logging.WARNING:
            self.tell({"warning": record.getMessage()})


def _end_when_unwanted() -> None:
    sys.stdin.read()
    os._exit(1)


def _done(values: dict[str, Any], tell: Messages) -> dict[str, Any]:
    """Converts the scan, unless that has been done meanwhile; returns its manifest."""
    from recon.base.lock import locked
    from recon.base.runs import lock_path
    from recon.batching.job import VERSION, Job, read_manifest

    job = Job(**values)
    if job.version != VERSION:
        raise ScanError(
            f"{socket.gethostname()} has recon {VERSION}, expected {job.version} as at the client"
        )
    mesh = Path(job.mesh)
    try:
        mesh.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {mesh.parent}: {error.strerror}") from None
    tell.stage_is("waiting")  # for a process that a killed batch has left, as long as that takes
    with locked(lock_path(mesh), job.name, wait=math.inf):
        tell.stage_is("reading")
        before = read_manifest(mesh)
        if before and not job.reason_to_run(before):
            return before
        return _convert(job, mesh, before, tell)


def _convert(job: Any, mesh: Path, before: dict[str, Any] | None, tell: Messages) -> dict[str, Any]:
    from recon.base.files import remove_leftovers
    from recon.base.runs import run_folder
    from recon.batching.job import check_replaceable, fingerprint, manifest_path, picture_path, write_manifest
    from recon.meshing.files import read_mesh
    from recon.surface.scenes.conversion import convert
    from recon.surface.settings import Config

    check_replaceable(job, before)
    for path in (mesh, picture_path(mesh), manifest_path(mesh)):
        remove_leftovers(path)
    records = Records(tell)
    log = logging.getLogger("recon")
    log.setLevel(logging.INFO)
    log.addHandler(records)

    def training(progress: Progress) -> None:
        tell.stage_is("training", progress.share)

    earlier = _identity(mesh)
    with run_folder(job.run, mesh) as run:
        scan = fingerprint(job.scan)
        try:
            surface, result = convert(
                [job.scan],
                mesh,
                Config.from_dict(job.config),
                run,
                device=job.device,
                preview=job.preview,
                tensorboard=job.tensorboard,
                overwrite=earlier is not None,
                callbacks=[training],
                preparing=lambda share, _: tell.stage_is("preparing", share),
                meshing=lambda share: tell.stage_is("meshing", share),
                origin={"batch": job.name},
            )
            tell.stage_is("drawing")
            if scan != fingerprint(job.scan):
                raise ScanError(f"{job.scan} was changed or removed meanwhile: the mesh is not kept")
            _draw(surface or read_mesh(mesh), picture_path(mesh))
            manifest = _manifest(job, scan, result, records.lines)
            write_manifest(mesh, manifest)
        except Exception:
            if _identity(mesh) != earlier:
                mesh.unlink()  # without a manifest it is no result
            raise
    return manifest


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from another that took its place; None if there is none."""
    try:
        return path.stat().st_ino, path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _manifest(job: Any, scan: Any, result: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    """All but `run` is the same whenever and wherever the scan is converted."""
    from recon.batching.job import DONE, fingerprint

    return {
        "recon": job.version,
        "state": DONE,
        "scan": job.name,
        "input": scan,
        "config": job.config,
        "mesh": fingerprint(job.mesh),
        "result": {k: v for k, v in result.items() if k not in ("scan", "mesh", "seconds", "seconds_all")},
        "error": None,
        "log": lines,
        "run": {
            "device": job.device,
            "threads": job.threads,
            "seconds": result["seconds_all"],
            "stages": result["seconds"],
            "peak_memory": peak_memory(),
            "host": socket.gethostname(),
            "finished": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        },
    }


def _draw(surface: Any, path: Path) -> None:
    from recon.render.files import write_png
    from recon.render.ray_casting import picture

    try:
        drawn = picture(surface, PICTURE_SIZE)
    except Exception:  # noqa: BLE001 a surface that cannot be drawn is a result all the same
        logging.getLogger("recon").warning("no picture could be drawn of the mesh")
        path.unlink(missing_ok=True)
    else:
        write_png(drawn, path, overwrite=True)


if __name__ == "__main__":
    main()

"""`recon.batch`: every scan of a folder to a mesh, a few at a time; what is done stays done.

folder → scans found → settings of each → those left to do → processes → manifests → table and index
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

from recon.base.files import remove_leftovers
from recon.base.lock import locked
from recon.base.runs import default_run_folder, lock_path, remove_run
from recon.batching.config_file import settings_from
from recon.batching.find import find_scans
from recon.batching.index import INDEX_FILE, write_index
from recon.batching.job import FAILED, Job, read_manifest, write_manifest
from recon.batching.local import LocalPool, scan_slots
from recon.batching.process import Limits, Message, failed
from recon.batching.progress import Progress, work
from recon.batching.summary import (
    CSV_FILE,
    DONE_BEFORE,
    JSON_FILE,
    UNFINISHED,
    Result,
    scan_count,
    write_summary,
)
from recon.errors import OutputError, ScanError, UsageError, check_kind, check_number, check_path
from recon.meshing.files import check_mesh_path
from recon.scan.files import reader_of
from recon.surface.settings import STANDARD, Config
from recon.training.callbacks import check_tensorboard

LOCK_FILE = ".recon-batch.lock"
LEAST_LIMIT, MOST_LIMIT = 1e-3, 1e18  # of a scan, seconds or bytes
HASHING_THREADS = 4
REFRESH_SECONDS = 10.0  # between two states of the index and the summary

Pool = AbstractContextManager[Iterable[tuple[Job, Message]]]

log = logging.getLogger("recon")


def batch(
    folder: str | Path,
    out: str | Path,
    config: Config | str | Path = STANDARD,
    *,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    pattern: str | None = None,
    format: str = "ply",
    device: str = "auto",
    jobs: int | None = None,
    threads: int | None = None,
    time_limit: float | None = None,
    memory_limit: int | None = None,
    cluster: str | None = None,
    gather: bool = False,
    overwrite: bool = False,
    run: str | Path | None = None,
    preview: float | None = None,
    tensorboard: str | Path | None = None,
    progress: bool = False,
) -> Iterator[Result]:
    """Converts every scan below `folder` to a mesh below `out`, in the same tree.

    The work goes on while the iterator is consumed, and stops, with what has been saved, when it is left.

    Args:
        folder: scans are searched for here and below.
        out: the folder of meshes, manifests, summary and index.
        config: settings for all scans, or a file of options (see docs/batch.md).
        overrides: options by pattern, as {"rooms/*": {"preset": "fine", "faces": 50_000}}.
        pattern: convert only scans whose name matches.
        format: of the meshes: ply, obj, stl, glb, off or 3mf.
        device: "auto" (all GPUs, else the CPU), "cpu", "cuda" (all GPUs) or "cuda:N".
        jobs: scans at a time; by default one per GPU, or as many as cores and memory allow.
        threads: per scan; 1 by default on the CPU.
        time_limit: per scan, seconds.
        memory_limit: per scan, bytes.
        cluster: "tls://HOST:PORT" or "tcp://HOST:PORT", a Dask scheduler, or "local:N", N Dask workers here.
        gather: send scans and meshes through this process: for clusters without shared storage.
        overwrite: replace meshes in `out` that no batch has made.
        run: keep the run folders here, in the same tree.
        preview: seconds between coarse meshes in the run folders.
        tensorboard: write the curves here, in the same tree.
        progress: show a bar on standard error, and log lines.

    Yields:
        The result of each scan as it is ready, those of earlier runs first.

    Raises:
        UsageError: arguments that cannot work, at once.
        ScanError: no folder or no scan, at once.
        OutputError: `out` cannot be written, or another batch is working there.
    """
    folder, out = check_path("folder", folder), check_path("out", out)
    _check_kinds(run, tensorboard, format, pattern, cluster, overrides, preview)
    ending = f".{format}"
    check_mesh_path(f"mesh{ending}")
    for name, limit in {"time_limit": time_limit, "memory_limit": memory_limit}.items():
        if limit is not None:
            check_number(name, limit, LEAST_LIMIT, MOST_LIMIT)
    limits = Limits(time_limit, memory_limit)
    found, unread = find_scans(folder, out, pattern, ending)
    settings = settings_from(config, overrides or {})
    _check_cluster(cluster, jobs, gather, bool(run or tensorboard))
    if tensorboard:
        check_tensorboard()
    start, threads = _pool(cluster, gather, device, jobs, threads, limits)
    todo = [
        Job(
            name=scan.name,
            scan=str((folder / scan.name).absolute()),
            mesh=str((out / scan.mesh).absolute()),
            config=json.loads(json.dumps(settings.of(scan.name).as_dict())),
            device=device,
            threads=threads,
            run=None if run is None else str((Path(run) / scan.mesh).absolute()),
            preview=preview,
            tensorboard=None if tensorboard is None else str((Path(tensorboard) / scan.mesh).absolute()),
            overwrite=overwrite,
        )
        for scan in found
    ]
    asked = [any(job.config["mesh"][name] for job in todo) for name in ("uncertainty", "texture")]
    check_mesh_path(f"mesh{ending}", *asked)
    out = out.absolute()
    faults = [Result(name, out / name, FAILED, None, fault) for name, fault in sorted(unread.items())]
    return _results(todo, faults, start, folder, out, progress)


def _check_kinds(
    run: object,
    tensorboard: object,
    format: object,
    pattern: object,
    cluster: object,
    overrides: object,
    preview: float | None,
) -> None:
    for name, path in {"run": run, "tensorboard": tensorboard}.items():
        if path is not None:
            check_path(name, path)
    check_kind("format", format, str, "ply, obj, stl, glb, off or 3mf")
    check_kind("pattern", pattern, str | None, "text, as rooms/*")
    check_kind("cluster", cluster, str | None, "text, as local:2")
    check_kind("overrides", {} if overrides is None else overrides, Mapping, "a dict of options by pattern")
    if preview is not None:
        check_number("preview", preview, 0, MOST_LIMIT)
    if preview and not run:
        raise UsageError("a preview needs a run folder to be written to: give one, too")


def _check_cluster(cluster: str | None, jobs: int | None, gather: bool, shared: bool) -> None:
    """Raises UsageError; `shared`: whether runs or curves are written, which needs shared storage."""
    if cluster and jobs:
        raise UsageError(
            "--jobs is for this machine; a cluster runs as many scans as its workers have threads"
        )
    if gather and not cluster:
        raise UsageError("--gather is for --cluster")
    if gather and shared:
        raise UsageError("--gather brings back meshes alone: --run and --tensorboard need shared storage")


def _pool(
    cluster: str | None, gather: bool, device: str, jobs: int | None, threads: int | None, limits: Limits
) -> tuple[Callable[[list[Job]], Pool], int]:
    """The constructor of the local or cluster pool, and the threads per scan."""
    if cluster:
        from recon.batching.cluster import ClusterPool

        return partial(ClusterPool, cluster, device=device, limits=limits, gather=gather), threads or 1
    devices, threads = scan_slots(device, jobs, threads)
    return partial(LocalPool, devices=devices, threads=threads, limits=limits), threads


def _results(
    jobs: list[Job],
    faults: list[Result],
    start: Callable[[list[Job]], Pool],
    folder: Path,
    out: Path,
    progress: bool,
) -> Iterator[Result]:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}") from None
    with locked(out / LOCK_FILE, str(out)):
        before = {job.name: read_manifest(job.mesh) for job in jobs}
        with ThreadPoolExecutor(HASHING_THREADS) as pool:
            found = pool.map(lambda job: job.reason_to_run(before[job.name]), jobs)
            reasons = dict(zip(before, found, strict=True))
        results = {
            job.name: Result.of(job, UNFINISHED if reasons[job.name] else DONE_BEFORE, before[job.name])
            for job in jobs
        }
        results = dict(sorted((results | {fault.scan: fault for fault in faults}).items()))
        _log_work([reason for reason in reasons.values() if reason], len(jobs))
        for result in faults:
            log.warning("%s failed: %s", result.scan, result.error)
            yield result
        for job in jobs:
            if not reasons[job.name]:
                # of a process that was killed when all was done
                remove_run(default_run_folder(Path(job.mesh)))
                lock_path(Path(job.mesh)).unlink(missing_ok=True)
                yield results[job.name]
        left = sorted((job for job in jobs if reasons[job.name]), key=work, reverse=True)
        written = time.monotonic()
        for job in list(left):
            refused = _refusal(job)
            if refused and (manifest := _manifest(job, refused, before[job.name])):
                left.remove(job)
                results[job.name] = result = Result.of(job, FAILED, manifest)
                log.warning("%s failed: %s", job.name, result.error)
                yield result
        try:
            with Progress(left, show=progress) as shown, start(left) as messages:
                for job, message in messages:
                    shown.heard(job, message)
                    manifest = _manifest(job, message, before[job.name])
                    if manifest:
                        results[job.name] = result = Result.of(job, manifest["state"], manifest)
                        yield result
                        if time.monotonic() - written > REFRESH_SECONDS:
                            _write(list(results.values()), folder, out)
                            written = time.monotonic()
        finally:
            _write(list(results.values()), folder, out)


def _refusal(job: Job) -> Message | None:
    """The end of a job that needs no process to fail, as its file does not start like a scan."""
    try:
        reader_of(Path(job.scan))
    except ScanError as error:
        return failed("ScanError", str(error))
    except OSError:
        pass  # its process will say what it is
    return None


def _log_work(reasons: list[str], count: int) -> None:
    why = ", ".join(f"{number} {reason}" for reason, number in Counter(reasons).items())
    done = f", {count - len(reasons)} done before" if count > len(reasons) else ""
    log.info("%s%s%s", scan_count(count), done, f"; to do: {why}" if why else "")


def _manifest(job: Job, message: Message, before: Message | None) -> Message | None:
    """The manifest of a finished job, written here if it failed; None for other messages."""
    if "done" in message:
        return message["done"]
    if "failed" not in message:
        return None
    error = message["failed"]
    error["message"] = error["message"].replace(job.scan, job.name)  # the same on every machine
    manifest = {
        "recon": job.version,
        "state": FAILED,
        "scan": job.name,
        "input": None,
        "config": job.config,
        "mesh": before and before["mesh"],  # a batch's, though not of the present scan
        "result": None,
        "error": error,
        "log": [],
        "run": {"device": job.device, "threads": job.threads},
    }
    try:
        Path(job.mesh).parent.mkdir(parents=True, exist_ok=True)
        write_manifest(job.mesh, manifest)
    except (OSError, OutputError) as error:
        log.warning("%s: that it failed could not be written down: %s", job.name, error)
    return manifest


def _write(results: Sequence[Result], folder: Path, out: Path) -> None:
    for path in (out / name for name in (INDEX_FILE, CSV_FILE, JSON_FILE)):
        remove_leftovers(path)
    try:
        write_summary(results, folder, out)
        write_index(results, folder, out)
    except OutputError as error:  # the meshes are there all the same, and the table has still to be shown
        log.error("%s", error)

"""The scans of a batch on the workers of a Dask cluster, here or elsewhere.

A worker starts a process for each scan, as on one machine, and stops it when the result is no longer wanted.
Dask gives the scans of a lost worker to others, which resume from the last checkpoint. Whoever reaches a
scheduler can run any code on its workers: docs/cluster.md says how to keep others away.
"""

from __future__ import annotations

import json
import logging
import queue
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from recon.base.files import atomic_path
from recon.base.runs import run_folder
from recon.batching.job import Job, check_replaceable, manifest_path, picture_path, read_manifest
from recon.batching.process import (
    FINAL_MESSAGES,
    GRACE_SECONDS,
    Limits,
    Message,
    failed,
    run_job,
    worker_server,
)
from recon.errors import FitError, MissingLibraryError, OutputError, UsageError

REPORT_SECONDS = 1.0  # between two messages of a worker on one stage
CONNECT_SECONDS = 30  # in which a scheduler must answer
SCANS_PER_THREAD = 2  # of the cluster, sent ahead where their contents travel
SILENCED_LOGGERS = "distributed", "distributed.client"  # lost workers' scans are done elsewhere
GPU_RESOURCE = {"GPU": 1}  # that a scan on a GPU asks for

_server = cache(worker_server)  # of a worker, for as long as it lives

Files = dict[str, bytes]  # the contents of a result, by what is added to the mesh's name, manifest last


class ClusterPool:
    """Iterates over the messages of the jobs until all have ended; leaving its block stops them."""

    def __init__(
        self, address: str, jobs: Sequence[Job], *, device: str, limits: Limits, gather: bool
    ) -> None:
        self.address, self.device, self.limits, self.gather = address, device, limits, gather
        self.jobs = {job.name: job for job in jobs}
        self.waiting, self.left = deque(jobs), len(jobs)
        self.topic = f"recon-{uuid4().hex}"
        self.running: set[str] = set()
        self.futures: dict[str, Any] = {}
        self.said: queue.Queue[tuple[str, Message]] = queue.Queue()

    def __enter__(self) -> ClusterPool:
        self.cluster, self.client = connected(self.address)
        if self.cluster is not None and self.waiting:
            _server(self.waiting[0].threads)  # one for all workers, which share this process
        gpus = self.client.run_on_scheduler(_has_gpus) if self.device == "auto" else "cuda" in self.device
        self.resources = GPU_RESOURCE if gpus else None
        if self.device == "auto":
            self.device = "cuda" if gpus else "auto"
        self.client.subscribe_topic(self.topic, self._heard)
        ahead = SCANS_PER_THREAD * max(1, sum(self.client.nthreads().values()))
        for _ in range(ahead if self.gather else len(self.waiting)):
            self._send_next()
        return self

    def _heard(self, event: tuple[Any, str]) -> None:
        self.said.put(json.loads(event[1]))

    def _send_next(self) -> None:
        if not self.waiting:
            return
        job = replace(self.waiting.popleft(), device=self.device)
        content = None
        if self.gather:
            try:
                check_replaceable(job, read_manifest(job.mesh))
                content = Path(job.scan).read_bytes()
            except OutputError as error:
                self.said.put((job.name, failed("OutputError", str(error))))
                return
            except OSError as error:
                self.said.put((job.name, failed("ScanError", f"cannot read {job.scan}: {error.strerror}")))
                return
        key = f"{self.topic}-{json.dumps(job.name)}"  # Dask takes no bytes that are not UTF-8
        future = self.client.submit(
            convert_on_worker, job, self.limits, self.topic, content, key=key, resources=self.resources
        )
        self.futures[job.name] = future
        future.add_done_callback(partial(self._ended, job))

    def _ended(self, job: Job, future: Any) -> None:
        """Runs in a thread of the client."""
        try:
            if future.cancelled():  # to ask for its result would take a client that is not being closed
                raise CancelledError
            end, files = future.result()
            if files:
                _place(job, files)
        except CancelledError:
            end = {"stopped": True}
        except OutputError as error:
            end = failed("OutputError", str(error))
        except Exception as error:  # noqa: BLE001 KilledWorker, or what a worker without recon raises
            end = failed("Cluster", f"no worker of the cluster has done it: {' '.join(str(error).split())}")
        self.said.put((job.name, end))

    def __iter__(self) -> Iterator[tuple[Job, Message]]:
        while self.left:
            name, message = self.said.get()
            self._note(name, message)
            if "left" in message:
                continue
            if any(end in message for end in FINAL_MESSAGES):
                if "stopped" in message:
                    self.futures.clear()  # nobody is there to cancel them,
                    self.running.clear()  # or to say how they end
                    raise FitError(f"the Dask scheduler at {self.address} is gone: what is done is kept")
                self.left -= 1
                self.futures.pop(name, None)
                self._send_next()
            yield self.jobs[name], message

    def _note(self, name: str, message: Message) -> None:
        if "stage" in message:
            self.running.add(name)
        elif "left" in message or any(end in message for end in FINAL_MESSAGES):
            self.running.discard(name)

    def __exit__(self, *_: object) -> None:
        try:
            self.client.cancel(list(self.futures.values()))
            deadline = time.monotonic() + GRACE_SECONDS
            while self.running and time.monotonic() < deadline:  # they are saving what they have
                try:
                    name, message = self.said.get(timeout=0.5)
                except queue.Empty:
                    continue
                if "stopped" not in message:  # of ours, cancelled: its process may still be at work
                    self._note(name, message)
        finally:
            self.client.close()
            if self.cluster is not None:
                self.cluster.close()
                for threads in {job.threads for job in self.jobs.values()}:
                    _server(threads).close()
                _server.cache_clear()


def connected(address: str) -> tuple[Any, Any]:
    """The cluster, if it is ours, and the client."""
    try:
        from distributed import Client
    except ImportError:
        raise MissingLibraryError(
            "Dask is not installed: pip install distributed (or bash tools/setup cluster)"
        ) from None
    for name in SILENCED_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if address.startswith("local:"):
        count = re.fullmatch("local:([1-9][0-9]{0,2})", address)
        if count is None:
            raise UsageError(f"--cluster {address}: expected local:N, N workers from 1 to 999")
        cluster = _local_cluster(int(count[1]))
        return cluster, Client(cluster)
    try:
        return None, Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        if address.startswith("tls:") and isinstance(error, TypeError):
            reason = "Dask's configuration names no certificates"
        else:
            reason = " ".join(str(error).split())
        raise UsageError(
            f"no Dask scheduler answers at {address} ({reason}); expected tcp://HOST:PORT, or tls://HOST:PORT"
            " with certificates as in docs/cluster.md"
        ) from None


def _local_cluster(workers: int) -> Any:
    """Workers that are threads of this process: no other process can send them work.

    Dask's pages for browsers, which it cannot be told to do without, are empty and for this machine alone.
    """
    import dask
    from distributed import LocalCluster

    pages: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    with dask.config.set(pages):
        return LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            memory_limit=None,  # a scan's process is not the worker's
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        )


def _has_gpus(dask_scheduler: Any) -> bool:
    return any("GPU" in worker.resources for worker in dask_scheduler.workers.values())


def convert_on_worker(
    job: Job, limits: Limits, topic: str, content: bytes | None
) -> tuple[Message, Files | None]:
    """Converts one scan; returns its last message, and the result's files if its `content` was sent."""
    from distributed import get_worker

    worker, server = get_worker(), _server(job.threads)
    key = worker.get_current_task()
    said: dict[str, Any] = {"stage": None, "at": 0.0}

    def unwanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state not in ("executing", "long-running")

    def tell(message: Message) -> None:
        now = time.monotonic()
        if "stage" not in message or message["stage"] != said["stage"] or now - said["at"] > REPORT_SECONDS:
            said.update(stage=message.get("stage", said["stage"]), at=now)
            worker.log_event(topic, json.dumps((job.name, message)))

    try:
        if content is None:
            return run_job(job, limits, unwanted, tell, server.start), None
        with TemporaryDirectory(prefix="recon-", dir=worker.local_directory) as folder:
            scan, mesh = Path(folder, Path(job.scan).name), Path(folder, "out", Path(job.mesh).name)
            scan.write_bytes(content)
            here = replace(job, scan=str(scan), mesh=str(mesh), run=None, preview=None, tensorboard=None)
            end = run_job(here, limits, unwanted, tell, server.start)
            if "failed" in end:
                end["failed"]["message"] = end["failed"]["message"].replace(str(scan), job.name)
            return end, _files(mesh) if "done" in end else None
    finally:
        worker.log_event(topic, json.dumps((job.name, {"left": True})))


def _files(mesh: Path) -> Files:
    paths = {"": mesh, ".png": picture_path(mesh), ".json": manifest_path(mesh)}
    return {ending: path.read_bytes() for ending, path in paths.items() if path.exists()}


def _place(job: Job, files: Files) -> None:
    """Writes a result that a worker sent, its manifest last. Raises OutputError."""
    mesh = Path(job.mesh)
    with run_folder(None, mesh) as mark:  # says that the mesh is a batch's until the manifest does
        try:
            mark.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {mark}: {error.strerror}") from None
        for ending, content in files.items():
            with atomic_path(f"{mesh}{ending}", overwrite=True) as temporary:
                temporary.write_bytes(content)

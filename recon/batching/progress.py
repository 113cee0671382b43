"""The progress of a batch: one bar over all its work, and a line for each scan that ends."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from recon.base.progress import Bar
from recon.batching.job import Job
from recon.batching.process import FINAL_MESSAGES, Message

# Roughly, on one core; products are those in the field at each sample of each step.
SECONDS_PER_SCAN, SECONDS_PER_BYTE, SECONDS_PER_PRODUCT = 8.0, 1e-6, 1e-10
# Where each stage begins and how long it is, as shares of the work on a scan.
SPANS = {"preparing": (0.0, 0.1), "training": (0.1, 0.75), "meshing": (0.85, 0.1), "drawing": (0.95, 0.0)}

log = logging.getLogger("recon")


def work(job: Job) -> float:
    """Estimated seconds of a scan, by its settings and its size: good for shares, not for promises."""
    field, surface, fit, heads = (job.config[stage] for stage in ("field", "surface", "fit", "heads"))
    width, steps = field["width"] or heads["dense_width"], fit["steps"] or heads["fewest_steps"]
    products = width**2 * (field["hidden"] + 1) * (surface["on_surface"] + surface["off_surface"])
    try:
        size = Path(job.scan).stat().st_size
    except OSError:
        size = 0
    return (
        SECONDS_PER_SCAN
        + SECONDS_PER_BYTE * size
        + (fit["seconds"] or SECONDS_PER_PRODUCT * steps * products)
    )


class Progress:
    """A bar on standard error, if `show`, that follows the messages of all jobs."""

    def __init__(self, jobs: Sequence[Job], show: bool) -> None:
        self.work = {job.name: work(job) for job in jobs}
        self.shares = dict.fromkeys(self.work, 0.0)
        self.running: dict[str, str] = {}
        self.ended = 0
        self.bar = Bar("batch", show)

    def heard(self, job: Job, message: Message) -> None:
        """Updates the bar with a message of `job`."""
        if "stage" in message:
            begin, length = SPANS.get(message["stage"], (0.0, 0.0))
            self.shares[job.name] = begin + length * message["share"]
            share = f" {message['share']:.0%}" if length else ""
            self.running[job.name] = f"{job.name} {message['stage']}{share}"
        elif "warning" in message:
            log.warning("%s: %s", job.name, message["warning"])
        elif any(end in message for end in FINAL_MESSAGES):
            self._end(job, message)
        done = sum(self.shares[name] * self.work[name] for name in self.work)
        now = f"; {', '.join(self.running.values())}" if self.running else ""
        self.bar.to(done / sum(self.work.values()), f"{self.ended} of {len(self.work)}{now}")

    def _end(self, job: Job, message: Message) -> None:
        self.shares[job.name] = 1.0
        self.running.pop(job.name, None)
        self.ended += 1
        if "failed" in message:
            log.warning("%s failed: %s", job.name, message["failed"]["message"].replace(job.scan, job.name))
        elif "done" in message:
            manifest = message["done"]
            log.info(
                "%s: %s faces in %.0f s",
                job.name,
                f"{manifest['result']['faces']:,}",
                manifest["run"]["seconds"],
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

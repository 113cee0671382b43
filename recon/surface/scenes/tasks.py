"""What is done to each block, in stages: fitted, meshed, finished. A stage needs the one before, of all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from recon.base.run_files import read_description, read_json
from recon.surface.scenes.blocks import Scene, fit_block, mesh_block
from recon.surface.scenes.field import FITTED_FILE
from recon.surface.scenes.pieces import finish_block
from recon.surface.scenes.plan import lattice, read_plan
from recon.surface.scenes.sorting import SortedPoints, read_sorted
from recon.surface.scenes.survey import read_context
from recon.surface.settings import Config

MAX_POINTS = 10**9  # of a block: none are left out
STAGES = {"fit": 0.6, "mesh": 0.28, "finish": 0.1}  # with their shares of the time; joining is what is left


class Blocks(Protocol):
    """What works on blocks, in whatever processes."""

    def run(self, stage: str, numbers: Iterable[int], done: Callable[[], None]) -> None:
        """Works on all blocks of `numbers`; `done` is called after each."""

    def close(self) -> None:
        """Ends what was started for it."""


@dataclass(frozen=True)
class Tasks:
    """A scene on the disk, and the device of its fits."""

    scene: Scene
    device: str

    @cached_property
    def points(self) -> SortedPoints:
        """Of the scene."""
        return read_sorted(self.scene.folder)

    def work(self, stage: str, number: int) -> None:
        """Works on a block."""
        if stage == "fit":
            fit_block(self.scene, self.points, number, self.device)
        elif stage == "mesh":
            mesh_block(self.scene, number)
        else:
            finish_block(self.scene, number, 1)


def read_scene(folder: Path, device: str = "cpu") -> Tasks:
    """The scene in a run folder, once it is cut. Raises ScanError for a damaged one."""
    config = Config.from_dict(read_description(folder)["config"])
    blocks, context = read_plan(folder), read_context(folder)
    scan = {"classes": None, "returns": "all", "columns": None, "open": context.open, "most": MAX_POINTS}
    return Tasks(Scene(folder, blocks, lattice(blocks, config), context, config.with_(scan=scan)), device)


def work_through(
    scene: Scene,
    blocks: Blocks,
    seconds: dict[str, float],
    progress: Callable[[float], None] = lambda share: None,
) -> tuple[int, int]:
    """Fits, meshes and finishes all blocks; returns the steps and recoveries of all trainings.

    The wall time of each stage is added to `seconds`; `progress` is called with the share of it all that is
    done.
    """
    count, share = len(scene.plan), 0.0
    for stage, part in STAGES.items():
        start, each = time.monotonic(), part / count

        def one_more(each: float = each) -> None:
            nonlocal share
            share += each
            progress(share)

        blocks.run(stage, range(count), one_more)
        seconds[stage] = seconds.get(stage, 0.0) + time.monotonic() - start
    counts = [read_json(scene.of(number) / FITTED_FILE) for number in range(count)]
    return sum(entry["steps"] for entry in counts), sum(entry["recoveries"] for entry in counts)

"""The blocks of a scene on the workers of a Dask cluster, which see its run folder at the same path.

Dask decides where a block is worked on, and gives those of a lost worker to others. A worker keeps a process
for the blocks, as `recon mesh` does on one machine. What is done is on the disk, not in Dask's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from uuid import uuid4

from recon.batching.cluster import connected
from recon.errors import FitError
from recon.surface.scenes.processes import LocalBlocks


class ClusterBlocks:
    """Works on blocks on the workers of the cluster at `address`; the run folder must be there, too."""

    def __init__(self, address: str, folder: Path, count: int, device: str) -> None:
        self.folder, self.device, self.name = folder.absolute(), device, f"recon-{uuid4().hex}"
        self.cluster, self.client = connected(address)

    def run(self, stage: str, numbers: Iterable[int], done: Callable[[], None]) -> None:
        """Works on all blocks of `numbers`; `done` is called after each. Raises what the first one raises."""
        from distributed import as_completed
        from distributed.scheduler import KilledWorker

        keys = {number: f"{self.name}-{stage}-{number}" for number in numbers}
        work = _work, self.folder, self.device, stage
        futures = [self.client.submit(*work, number, key=key) for number, key in keys.items()]
        try:
            for future in as_completed(futures):
                future.result()
                done()
        except KilledWorker as error:
            words = " ".join(str(error).split())
            raise FitError(f"no worker of the cluster has done a block: {words}") from None
        finally:
            self.client.cancel(futures)

    def close(self) -> None:
        """Ends the processes of this scene on all workers, and the connection."""
        try:
            self.client.run(_end, self.folder, self.device)
        finally:
            self.client.close()
            if self.cluster is not None:
                self.cluster.close()


@cache
def _blocks(folder: Path, device: str) -> LocalBlocks:
    """Those of a worker, for as long as it works on the scene."""
    return LocalBlocks(folder, 1, device)


def _work(folder: Path, device: str, stage: str, number: int) -> None:
    if not folder.is_dir():
        raise FitError(f"a worker of the cluster does not see {folder}: all have to share that folder")
    _blocks(folder, device).do(stage, number)


def _end(folder: Path, device: str) -> None:
    _blocks(folder, device).close()
    _blocks.cache_clear()

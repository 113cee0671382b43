"""The process that works on blocks: `recon.surface.scenes.worker FOLDER THREADS DEVICE`.

Each line of its standard input is a task, "fit 12", which it answers on standard output, one JSON object a
line: {"warning"} on the way, then {"done"}, {"failed": what a user can mend, "kind": of error} or {"bug":
traceback}. It ends when standard input closes, at once: nobody wants the result any more.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recon.errors import ReconError

Tell = Callable[[dict[str, Any]], None]


class _Warnings(logging.Handler):
    """Passes warnings on."""

    def __init__(self, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Passes one on."""
        self.tell({"warning": record.getMessage()})


def main() -> None:
    """Works on tasks until standard input closes."""
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer

    def tell(message: dict[str, Any]) -> None:
        stream.write(json.dumps(message) + "\n")
        stream.flush()

    tasks: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(tasks,), daemon=True).start()
    logging.getLogger("recon").addHandler(_Warnings(tell))
    folder, threads, device = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    import torch

    from recon.surface.scenes.tasks import read_scene

    torch.set_num_threads(threads)
    scene = None
    while True:
        stage, number = tasks.get().split()
        try:
            scene = scene or read_scene(folder, device)
            scene.work(stage, int(number))
            tell({"done": True})
        except ReconError as error:
            tell({"failed": str(error), "kind": type(error).__name__})
        except MemoryError as error:
            words = f"it needs more memory than there is ({error}): try --memory"
            tell({"failed": words, "kind": "FitError"})
        except Exception as error:  # noqa: BLE001 told to the process that asked, which raises it
            tell({"bug": "".join(traceback.format_exception(error))})


def _read(tasks: queue.Queue[str]) -> None:
    for line in sys.stdin:
        tasks.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()

"""Which parts there are, most important first, and what each of them is given."""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"


@dataclass(frozen=True)
class Part:
    """A module with `run(trial)`, and the seconds that it may take at most."""

    name: str
    seconds: float
    package: str = "trial"

    def module(self) -> Any:
        return importlib.import_module(f"{self.package}.{self.name}")


PARTS = (
    Part("machine", 60),
    Part("parity", 75),
    Part("suite", 75),
    Part("whole", 100),
    Part("kernels", 40),
    Part("steps", 60),
    Part("extraction", 60),
    Part("fine", 90),
    Part("batch", 120),
    Part("sanitizer", 120),
)


@dataclass(frozen=True)
class Trial:
    """What a part is given.

    device   "cpu", "cuda" or "cuda:N"
    quick    whether to make everything small
    work     a folder for its files, which other parts read, too
    rows     the file that its results go to, a line of JSON each, as they come
    ends     when its time is over, by `time.monotonic`
    """

    device: str
    quick: bool
    work: Path
    rows: Path
    ends: float

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    @property
    def shape(self) -> str:
        """The scan of data/ for parts that look at one: with a true surface, or small."""
        return "oni" if self.quick else "coupling"

    def left(self) -> float:
        """Seconds that this part still has."""
        return self.ends - time.monotonic()

    def note(self, what: str, **figures: Any) -> None:
        """A result: numbers, words and booleans by name."""
        line = json.dumps({"what": what, **figures})
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(line, flush=True)

    def check(self, what: str, value: float, at_most: float, **figures: Any) -> None:
        """A result that has to be small."""
        self.note(what, value=value, at_most=at_most, ok=bool(value <= at_most), **figures)

    def noted(self, part: str, what: str) -> dict[str, Any]:
        """What an earlier part noted; empty where it did not come so far."""
        return next(
            (row for row in read_rows(self.rows.with_name(f"{part}.jsonl")) if row["what"] == what), {}
        )

    def wait(self) -> None:
        """Until the device has done all it was asked for."""
        if self.on_gpu:
            import torch

            torch.cuda.synchronize(self.device)

    def command(self, *words: object) -> list[str]:
        """A command of this Python."""
        return [sys.executable, *map(str, words)]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file of results; none where it is not there."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]

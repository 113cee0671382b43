"""Callbacks of a training: progress bar and TensorBoard (checkpoints are in `checkpoint.py`)."""

from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recon.base.progress import Bar
from recon.errors import MissingLibraryError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from recon.training.trainer import Progress


class ProgressBar:
    """A bar on standard error: progress, time left, and the terms of the loss."""

    def __init__(self, title: str = "training", show: bool = True) -> None:
        self.bar = Bar(title, show)

    def __call__(self, progress: "Progress") -> None:
        """Update the bar."""
        text = ""
        if history := progress.snapshot.history:
            shown = {k: v for k, v in history[-1].items() if k not in ("step", "seconds", "rate", "loss")}
            terms = " ".join(f"{name} {value:.2g}" for name, value in shown.items())
            text = f"{terms} step {progress.snapshot.step}"
        self.bar.to(progress.share, text)
        if progress.is_last:
            self.bar.close()


def check_tensorboard() -> None:
    """Raise MissingLibraryError if TensorBoard is not installed."""
    try:
        import torch.utils.tensorboard  # noqa: F401 looked for
    except ImportError:
        raise MissingLibraryError(
            "TensorBoard is not installed: bash tools/setup tensorboard, or pip install tensorboard"
        ) from None


class TensorBoard:
    """Writes scalars, and images, for TensorBoard. Raises MissingLibraryError if that is not installed."""

    def __init__(self, folder: Path) -> None:
        check_tensorboard()
        from torch.utils.tensorboard import SummaryWriter

        self._open = partial(SummaryWriter, str(folder))
        self.written = -1.0

    @cached_property
    def writer(self) -> "SummaryWriter":
        """The writer, opened at its first use."""
        return self._open()

    def __call__(self, progress: "Progress") -> None:
        """Write the last window's row."""
        for row in progress.snapshot.history[-1:]:
            if row["step"] > self.written:
                self.written = row["step"]
                for name in row.keys() - {"step"}:
                    self.writer.add_scalar(name, row[name], int(row["step"]))
        if progress.is_last:
            self.writer.close()

    def image(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """Add a `picture` (height, width, 3)."""
        self.writer.add_image(name, picture, step, dataformats="HWC")

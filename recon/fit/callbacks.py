"""What can watch a training: the progress bar and TensorBoard (checkpoints are in `checkpoint.py`)."""

from __future__ import annotations

from pathlib import Path

from recon.bar import Bar
from recon.errors import MissingLibraryError
from recon.fit.trainer import Progress


class ProgressBar:
    """A bar on standard error: share done, time left, and the terms of the loss."""

    def __init__(self, title: str = "training", show: bool = True) -> None:
        self.bar = Bar(title, show)

    def __call__(self, progress: Progress) -> None:
        text = ""
        if history := progress.snapshot.history:
            shown = {k: v for k, v in history[-1].items() if k not in ("step", "seconds", "rate", "loss")}
            terms = " ".join(f"{name} {value:.2g}" for name, value in shown.items())
            text = f"step {progress.snapshot.step} {terms}"
        self.bar.to(progress.share, text)
        if progress.ended:
            self.bar.close()


class TensorBoard:
    """Scalars of every window, for TensorBoard. Raises MissingLibraryError where it is not installed."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingLibraryError(
                "TensorBoard is not installed: pip install tensorboard, or leave --tensorboard away"
            ) from None
        self.writer = SummaryWriter(str(folder))
        self.written = -1.0

    def __call__(self, progress: Progress) -> None:
        for row in progress.snapshot.history[-1:]:
            if row["step"] > self.written:
                self.written = row["step"]
                for name in row.keys() - {"step"}:
                    self.writer.add_scalar(name, row[name], int(row["step"]))
        if progress.ended:
            self.writer.close()

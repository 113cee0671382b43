"""The settings of a training."""

from dataclasses import dataclass

from recon.base.settings import setting


@dataclass(frozen=True)
class FitConfig:
    """The training loop."""

    steps: int | None = setting(
        12_000, "steps of the optimiser; for surfaces by default from the scan's density", within=(1, 1e9)
    )
    seconds: float | None = setting(
        None, "a time budget for training, instead of the steps", within=(1.0, 1e7), unit="s"
    )
    optimizer: str = setting(
        "muon", "the optimiser; muon orthogonalises its momentum", choices=("muon", "adam")
    )
    rate: float = setting(7e-4, "learning rate", within=(1e-9, 1.0))
    decay: str = setting("cosine", "the learning rate over the run", choices=("cosine", "constant"))
    warmup: int = setting(50, "steps in which the learning rate rises", within=(0, 1e6))
    beta2: float = setting(0.98, "averaging of squared gradients", within=(0.0, 0.99999))
    clip: float = setting(1.0, "largest norm of the gradient", within=(1e-9, 1e9))
    watch: bool = setting(True, "whether a run goes back, slower, when its loss jumps or does not fall")

    @property
    def total(self) -> int:
        """The number of steps, which is known once the scan is."""
        assert self.steps is not None
        return self.steps

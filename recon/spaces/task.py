"""The task of a space: signals from some of their samples (Sitzmann et al. 2020, section 4.4, equation 10).

data     mean ‖Φ_θ(x) - f(x)‖²       over samples of each signal, known to the encoder or not latent   mean z²
over the numbers of the latent vectors weights  mean θ²                     over the predicted parameters
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon.base.settings import Schedule
from recon.spaces.encoders import Observation
from recon.spaces.hypernetwork import Space


@dataclass(frozen=True)
class SpaceBatch:
    """What is known of b signals, and their values (b, s, k) at x, (s, m) or (b, s, m)."""

    seen: Observation
    x: Tensor
    values: Tensor


class SpaceTask:
    """The task of a space. `draw`: (step, generator) → the batch of the step, on one device."""

    def __init__(
        self,
        draw: Callable[[int, torch.Generator], SpaceBatch],
        latent_weight: float,
        weights_weight: float,
        seed: int = 0,
    ) -> None:
        self.draw, self.seed = draw, seed
        once = Schedule.constant
        self.weights = {"data": once(1.0), "latent": once(latent_weight), "weights": once(weights_weight)}

    def sample(self, step: int, progress: float = 0.0) -> SpaceBatch:
        """The batch; a function of seed and step alone."""
        mixed = np.random.SeedSequence((self.seed, step)).generate_state(1)
        return self.draw(step, torch.Generator().manual_seed(int(mixed[0])))

    def terms(self, field: Space, batch: SpaceBatch) -> dict[str, Tensor]:
        """The terms, unweighted."""
        latents = field.encode(batch.seen)
        weights = field.weights(latents)
        found = field.values(weights, batch.x)
        return {
            "data": (found - batch.values).square().mean(),
            "latent": latents.square().mean(),
            "weights": weights.square().mean(),
        }

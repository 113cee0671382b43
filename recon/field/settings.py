"""The settings of a network."""

import math
from dataclasses import dataclass, replace

from recon.base.settings import setting

ACTIVATIONS = (
    *("sine", "finer", "truncated-sine", "gauss", "exponential", "spline"),
    *("relu", "relu-pe", "tanh", "softplus"),
)
PHASE_PER_SPACING = 0.65  # rad from a point to the next, of the first layer's highest frequency
MAX_SPREAD = 3.0  # highest over lowest frequency of the first layer
NOISE_TO_SPACING = 3.0  # noise of one standard deviation blurs like a point spacing this many times larger


@dataclass(frozen=True)
class FieldConfig:
    """The network. Defaults of the paper: 256 wide, 3 hidden layers, ω = 30 in all of them."""

    width: int | None = setting(
        128, "units a layer; for surfaces by default from the scan's density", within=(1, 4096)
    )
    hidden: int = setting(3, "hidden layers, the first one not counted", within=(0, 64))
    activation: str = setting("sine", "the nonlinearity", choices=ACTIVATIONS)
    omega_first: float = setting(30.0, "frequency factor ω of the first layer", within=(1e-3, 1e4))
    omega_hidden: float = setting(30.0, "frequency factor ω of the hidden layers", within=(1e-3, 1e4))
    spread: float | None = setting(
        None,
        "highest over lowest frequency of the first layer's units; by default from the data's density",
        within=(1.0, 1e4),
    )
    octaves: int | None = setting(
        None,
        "of the coordinates of relu-pe; by default up to the frequency of the data's density",
        within=(0, 24),
    )

    @property
    def units(self) -> int:
        """The width, which is known once the scan is."""
        assert self.width is not None
        return self.width

    def resolved_for(self, spacing: float, noise: float = 0.0) -> "FieldConfig":
        """With spread and octaves for points `spacing` apart, with `noise` off their surface; unit frame.

        The highest frequency turns by at most `PHASE_PER_SPACING` rad over the root of the summed squares of
        spacing and `NOISE_TO_SPACING` times the noise. The highest octave turns by π from a point to the
        next.
        """
        spread, octaves = self.spread, self.octaves
        if spread is None:
            length = math.hypot(spacing, NOISE_TO_SPACING * noise)
            spread = min(max(PHASE_PER_SPACING / (self.omega_first * length), 1.0), MAX_SPREAD)
        if octaves is None and self.activation == "relu-pe":
            octaves = 1 + max(0, math.floor(math.log2(1 / spacing)))
        return replace(self, spread=spread, octaves=octaves)

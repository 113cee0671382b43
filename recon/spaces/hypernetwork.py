"""A space of functions: an encoder of samples, a latent vector, a hypernetwork, a SIREN for each signal.

    z = encoder(samples),   θ = s ⊙ (W relu(V z + v) + w),   Φ_θ(x)

Sitzmann, Martel, Bergman, Lindell, Wetzstein 2020, section 4.4 (arXiv:2006.09661); hypernetworks: Ha et al.
2017 (arXiv:1609.09106). To start as SIRENs, w is a SIREN's initialisation over s, W is small, and s is each
parameter's initial magnitude, so that all of them move alike.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from recon.field.siren import Siren
from recon.spaces.encoders import Observation, bare, make_encoder
from recon.spaces.settings import SpaceConfig

INITIAL_VARIATION = 0.1  # standard deviation of predicted parameters over latents, in their magnitudes


class _Parts(nn.Module):
    """The modules, whose parameters are `Space.flat`."""

    def __init__(self, encoder: nn.Module, latent: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.trunk: Any = bare(nn.Linear, latent, hidden)
        self.head: Any = bare(nn.Linear, hidden, outputs)

    def reset(self, start: Tensor, generator: torch.Generator) -> None:
        """Draw the weights."""
        self.encoder.reset(generator)  # type: ignore[operator]
        nn.init.kaiming_uniform_(self.trunk.weight, nonlinearity="relu", generator=generator)
        self.trunk.bias.zero_()
        bound = INITIAL_VARIATION * math.sqrt(3 / self.head.weight.shape[1])
        self.head.weight.uniform_(-bound, bound, generator=generator)
        self.head.bias.copy_(start)

    def forward(self, part: str, given: Observation | Tensor) -> Tensor:
        """Run one `part`: encode or predict."""
        if part == "encode":
            return self.encoder(given)
        return self.head(self.trunk(given).relu())


class Space(nn.Module):
    """Signals of m coordinates and k outputs, each a SIREN of the same shape whose parameters are predicted.

    The encoder sees `channels` values a sample and, for pictures, `size` pixels a side.

    Attributes:
        flat: (q,) the only parameter: all numbers of encoder and hypernetwork.
        siren: a field of the predicted shape, with the initial parameters.
        sizes: (p,) the initial magnitude of each of its parameters.
    """

    def __init__(
        self,
        config: SpaceConfig,
        axes: int,
        outputs: int,
        channels: int,
        size: int = 0,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        generator = generator or torch.Generator().manual_seed(0)
        wanted = config.encoder
        siren = Siren(config.field, axes, outputs, generator)
        sizes = torch.empty_like(siren.flat.detach())
        for pieces, numbers in zip(siren.split(sizes), siren.split(siren.flat.detach()), strict=True):
            for part, number in zip(pieces, numbers, strict=True):
                part.fill_(float(number.square().mean().sqrt()))
        encoder = make_encoder(wanted, axes, channels, size)
        parts = _Parts(encoder, wanted.latent, wanted.hidden, len(siren.flat))
        with torch.no_grad():
            parts.reset(siren.flat / sizes, generator)
        named = dict(parts.named_parameters())
        self._shapes = {name: parameter.shape for name, parameter in named.items()}
        self._lengths = [parameter.numel() for parameter in named.values()]
        self.flat = nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in named.values()]))
        self._parts = [parts.to("meta")]  # in a list: no module of this one, whose numbers are `flat` alone
        self._siren = [siren]
        self._of = config.field, axes, outputs
        self.sizes: Tensor
        self.register_buffer("sizes", sizes, persistent=False)

    @property
    def hidden_shape(self) -> tuple[int, int, int]:
        """No matrices for orthogonalised momentum: all of `flat` is for Adam."""
        return 0, 0, 0

    @property
    def siren(self) -> Siren:
        """A field of the predicted shape, on the device of `flat`."""
        self._siren[0] = self._siren[0].to(self.flat.device)
        return self._siren[0]

    def encode(self, seen: Observation) -> Tensor:
        """Latent vectors (b, latent)."""
        return functional_call(self._parts[0], self._named(), ("encode", seen))

    def weights(self, latents: Tensor) -> Tensor:
        """(b, latent) → the parameters (b, p) of a SIREN each."""
        return functional_call(self._parts[0], self._named(), ("predict", latents)) * self.sizes

    def values(self, weights: Tensor, x: Tensor) -> Tensor:
        """Φ (b, n, k) of SIRENs with parameters (b, p) at x, (n, m) for all or (b, n, m)."""
        siren = self.siren
        matrices, biases = siren.split(weights * siren.factors)
        h = siren.encoded(x.reshape(-1, x.shape[-1]))[0]
        h = h.view(*x.shape[:-1], h.shape[-1])
        h = h.expand(len(weights), *h.shape[-2:])
        for matrix, bias, omega in zip(matrices[:-1], biases[:-1], siren.omegas, strict=True):
            h = siren.activation.plain(torch.baddbmm(bias[:, None], h, matrix.transpose(1, 2)), omega)
        return torch.baddbmm(biases[-1][:, None], h, matrices[-1].transpose(1, 2))

    def field(self, weights: Tensor) -> Siren:
        """The SIREN with these parameters (p,), as a module."""
        field = Siren(*self._of).to(self.flat.device)
        field.load_state_dict({"flat": weights.detach()})
        return field

    def _named(self) -> dict[str, Tensor]:
        pieces = self.flat.split(self._lengths)
        return {
            name: piece.view(shape) for (name, shape), piece in zip(self._shapes.items(), pieces, strict=True)
        }

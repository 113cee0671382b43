"""Encoders: from some samples of a signal to a latent vector.

set-sine, set-relu   each sample by itself through a perceptron, then the mean over all (Garnelo et al. 2018,
                     "Conditional neural processes", arXiv:1807.01613)
cnn                  a picture with zeros for unknown pixels, and the mask of known ones, through convolutions
partial-conv         convolutions over known pixels only (Liu et al. 2018, arXiv:1804.07723)
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from recon.spaces.settings import EncoderConfig

CONV_CHANNELS = 32, 64, 128, 256, 256, 256  # of the convolutions, first to last
MIN_FEATURE_MAP_SIDE = 4  # pixels, of the last one


@dataclass(frozen=True)
class Observation:
    """What is known of b signals: `points` (b, n, m) in the unit frame and `values` (b, n, c).

    `known` (b, n) is 1, or 0 for a padding row; at least one is 1.
    """

    points: Tensor
    values: Tensor
    known: Tensor


class SetEncoder(nn.Module):
    """Samples (m + c numbers each) in any order and number → (b, latent); `omega` of sines, None: relu."""

    def __init__(self, features: int, width: int, layers: int, latent: int, omega: float | None) -> None:
        super().__init__()
        sizes = [features, *[width] * layers, latent]
        self.layers: Any = nn.ModuleList(bare(nn.Linear, a, b) for a, b in pairwise(sizes))
        self.omega = omega

    def reset(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        for place, layer in enumerate(self.layers):
            fan_in = layer.weight.shape[1]
            bound = math.sqrt(6 / fan_in)
            if self.omega and layer is not self.layers[-1]:
                bound = bound / self.omega if place else 1 / fan_in
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)

    def forward(self, seen: Observation) -> Tensor:
        """(b, latent) of what is known."""
        h = torch.cat((seen.points, seen.values), dim=-1)
        for layer in self.layers[:-1]:
            h = torch.sin(self.omega * layer(h)) if self.omega else layer(h).relu()
        share = seen.known / seen.known.sum(1, keepdim=True)
        return self.layers[-1](torch.bmm(share[:, None], h)[:, 0])


class ConvEncoder(nn.Module):
    """Pixels of pictures (size, size, c) → (b, latent).

    With `partial`, convolutions see known pixels only; else zeros for unknown ones, and the mask. The input
    of the last layer is divided by the root of its length: thousands of numbers that all move at once would
    change the latent vector too much in a step of Adam.
    """

    def __init__(self, channels: int, size: int, latent: int, partial: bool) -> None:
        super().__init__()
        self.size, self.partial = size, partial
        strided = max(1, math.ceil(math.log2(size / MIN_FEATURE_MAP_SIDE)))
        widths = [channels if partial else channels + 1, *CONV_CHANNELS[: strided + 1]]
        self.layers: Any = nn.ModuleList(
            bare(nn.Conv2d, a, b, 3, stride=min(1 + place, 2), padding=1)
            for place, (a, b) in enumerate(pairwise(widths))
        )
        side = size
        for _ in range(len(self.layers) - 1):
            side = (side + 1) // 2
        self.out: Any = bare(nn.Linear, widths[-1] * side**2, latent)
        self.share = 1 / math.sqrt(widths[-1] * side**2)

    def reset(self, generator: torch.Generator) -> None:
        """Draw the weights."""
        for layer in self.layers:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
            layer.bias.zero_()
        self.out.weight.uniform_(-1, 1, generator=generator)
        self.out.bias.zero_()

    def picture(self, seen: Observation) -> tuple[Tensor, Tensor]:
        """Values (b, c, size, size), zero where unknown, and the mask (b, 1, size, size) of known ones."""
        places = ((seen.points + 1) * (self.size / 2)).floor().long().clamp(0, self.size - 1)
        flat = places[..., 1] * self.size + places[..., 0]
        rows = torch.cat((seen.values, torch.ones_like(seen.values[..., :1])), dim=-1) * seen.known[..., None]
        canvas = rows.new_zeros(len(rows), self.size**2, rows.shape[2])
        canvas = canvas.scatter_add(1, flat[..., None].expand_as(rows), rows)
        canvas = canvas / canvas[..., -1:].clamp_min(1)
        canvas = canvas.transpose(1, 2).unflatten(2, (self.size, self.size))
        return canvas[:, :-1], canvas[:, -1:]

    def forward(self, seen: Observation) -> Tensor:
        """(b, latent) of what is known."""
        h, known = self.picture(seen)
        if not self.partial:
            h = torch.cat((h, known), dim=1)
            for layer in self.layers:
                h = layer(h).relu()
            return self.out(self.share * h.flatten(1))
        ones = known.new_ones(1, 1, 3, 3)
        for layer in self.layers:
            full = functional.conv2d(torch.ones_like(known), ones, stride=layer.stride, padding=1)
            count = functional.conv2d(known, ones, stride=layer.stride, padding=1)
            bias = layer.bias[:, None, None]
            known = (count > 0).to(h.dtype)
            h = ((layer(h) - bias) * (full / count.clamp_min(1)) + bias).relu() * known
        return self.out(self.share * h.flatten(1))


def make_encoder(config: EncoderConfig, axes: int, channels: int, size: int) -> SetEncoder | ConvEncoder:
    """The encoder of samples at points of m axes with c values, its weights not drawn yet."""
    if config.kind.startswith("set-"):
        omega = config.omega if config.kind == "set-sine" else None
        return SetEncoder(axes + channels, config.width, config.layers, config.latent, omega)
    return ConvEncoder(channels, size, config.latent, config.kind == "partial-conv")


def bare(layer: type[nn.Module], *sizes: int, **options: int) -> nn.Module:
    """A layer whose weights are still to be drawn: PyTorch's own draw leaves its generator as it was.

    (`torch.nn.utils.skip_init` draws none, but loads PyTorch's compiler.)
    """
    with torch.random.fork_rng(devices=[]):
        return layer(*sizes, **options)

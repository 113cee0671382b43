"""Colour maps of windows, pictures, reports and plots, readable with any colour blindness."""

from __future__ import annotations

import numpy as np

from recon.geometry import Bytes, Float

Colors = tuple[tuple[int, int, int], ...]  # RGB, at equal steps from the lowest to the highest


def _colors(text: str) -> Colors:
    red, green, blue = (bytes.fromhex(text)[k::3] for k in range(3))
    return tuple(zip(red, green, blue, strict=True))


# cividis of matplotlib (CC0), dark blue to yellow: Nunez et al. 2018, doi:10.1371/journal.pone.0199239.
SEQUENTIAL = _colors(
    "00224e 002e6a 1a386f 32436d 434e6c 535a6d 61656f 6f7073 7d7c78 8c8878 9b9476 aba072 bcae6c cdbb63 "
    "dec958 f0d846 fee838"
)
# PuOr of ColorBrewer, purple through white to orange, where a sign counts: Harrower and Brewer 2003.
DIVERGING = _colors("2d004b 532687 8073ac b1aad1 d8daeb f7f7f6 fee0b6 fcb761 e08214 b25706 7f3b08")


def at(colors: Colors, shares: Float) -> Bytes:
    """(n, 3): the colours at `shares` (n,) of the way from first to last; beyond, those at the ends."""
    steps, table = np.linspace(0, 1, len(colors)), np.array(colors, np.float64)
    return np.rint(np.stack([np.interp(shares, steps, part) for part in table.T], axis=1)).astype(np.uint8)


def table(colors: Colors) -> Bytes:
    """(256, 3): the colours at equal steps."""
    return at(colors, np.linspace(0, 1, 256))

"""Colour maps of windows, pictures, reports and plots, readable with any colour blindness."""

from __future__ import annotations

import numpy as np

from recon.geometry import Bytes, Float

Colors = tuple[tuple[int, int, int], ...]  # RGB, at equal steps from the lowest to the highest

# cividis of matplotlib (CC0), dark blue to yellow: Nunez et al. 2018, doi:10.1371/journal.pone.0199239.
SEQUENTIAL: Colors = (
    (0, 34, 78),
    (0, 46, 106),
    (26, 56, 111),
    (50, 67, 109),
    (67, 78, 108),
    (83, 90, 109),
    (97, 101, 111),
    (111, 112, 115),
    (125, 124, 120),
    (140, 136, 120),
    (155, 148, 118),
    (171, 160, 114),
    (188, 174, 108),
    (205, 187, 99),
    (222, 201, 88),
    (240, 216, 70),
    (254, 232, 56),
)
# PuOr of ColorBrewer, purple through white to orange, where a sign counts: Harrower and Brewer 2003.
DIVERGING: Colors = (
    (45, 0, 75),
    (83, 38, 135),
    (128, 115, 172),
    (177, 170, 209),
    (216, 218, 235),
    (247, 247, 246),
    (254, 224, 182),
    (252, 183, 97),
    (224, 130, 20),
    (178, 87, 6),
    (127, 59, 8),
)


def at(colors: Colors, shares: Float) -> Bytes:
    """(n, 3): the colours at `shares` (n,) of the way from first to last; beyond, those at the ends."""
    steps, table = np.linspace(0, 1, len(colors)), np.array(colors, np.float64)
    return np.rint(np.stack([np.interp(shares, steps, part) for part in table.T], axis=1)).astype(np.uint8)


def table(colors: Colors) -> Bytes:
    """(256, 3): the colours at equal steps."""
    return at(colors, np.linspace(0, 1, 256))

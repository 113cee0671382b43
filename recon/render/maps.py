"""Pictures of functions on a square: side by side, and as frames of a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recon.geometry import Float
from recon.render.figures import colormap, new_figure, pixels
from recon.render.files import write_png
from recon.render.palette import DIVERGING, SEQUENTIAL, table

PANEL_INCHES = 2.7  # along a side
MIN_FRAME_PIXELS = 400  # along a side


@dataclass(frozen=True, eq=False)
class Panel:
    """Values (n, n), rows along y from low to high, over the square of half-width `half` around zero.

    Attributes:
        title: above the panel.
        values: (n, n).
        half: half the square's side.
        high: the value of the darkest colour.
        low: the value of the lightest colour, if not `signed`.
        signed: colours are symmetric, white at zero.
    """

    title: str
    values: Float
    half: float
    high: float
    low: float = 0.0
    signed: bool = True


def write_panels(rows: Sequence[Sequence[Panel]], path: Path) -> None:
    """Writes a PNG of all panels, each with a colour bar. Replaces `path`."""
    columns = max(len(row) for row in rows)
    with new_figure((columns * (PANEL_INCHES + 0.7), len(rows) * PANEL_INCHES + 0.3)) as drawn:
        places = drawn.subplots(len(rows), columns, squeeze=False)
        for row, shown in zip(places, rows, strict=True):
            for axes in row[len(shown) :]:
                axes.set_axis_off()
            for axes, panel in zip(row, shown, strict=False):
                low = -panel.high if panel.signed else panel.low
                image = axes.imshow(
                    panel.values,
                    colormap(DIVERGING if panel.signed else SEQUENTIAL),
                    origin="lower",
                    extent=[side * panel.half for side in (-1, 1, -1, 1)],
                    vmin=low,
                    vmax=panel.high,
                )
                axes.set_title(panel.title)
                axes.locator_params(nbins=5)
                drawn.colorbar(image, ax=axes, shrink=0.85)
        write_png(pixels(drawn), path, overwrite=True)


def frames(films: Sequence[Float], high: float) -> Iterator[NDArray[np.uint8]]:
    """Frames (h, w, 3) uint8 of films (t, n, n) side by side, white at zero, y upwards."""
    colors = table(DIVERGING)
    larger = max(1, -(-MIN_FRAME_PIXELS // films[0].shape[1]))
    for parts in zip(*films, strict=True):
        beside = np.concatenate([part[::-1] for part in parts], 1)
        shown = colors[(127.5 + 127.5 * beside / high).round().clip(0, 255).astype(np.uint8)]
        yield shown.repeat(larger, 0).repeat(larger, 1)

"""Every plot of the program, in one style that is readable with any colour blindness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from recon.geometry import Float
from recon.render.figures import LINE_COLOR, colormap, new_figure
from recon.render.palette import DIVERGING, SEQUENTIAL, Colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008, "Color universal design", without the yellow, which is too pale for lines.
CURVE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
CURVE_DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))
PERCENTILES = (50, 95, 99)
HISTOGRAM_BINS, MAX_PERCENTILE = 80, 99.5  # the latter where axes and scales of colours end
ISOLINES_PER_SIGN = 8
SLICES_WIDTH, LABELS_WIDTH = 11.0, 3.2  # inches
SPECTROGRAM_WINDOW, SPECTROGRAM_RANGE = 0.025, 90.0  # seconds; dB below the loudest level
NORM_RANGE = (0.0, 2.0)  # of ‖∇Φ‖


@dataclass(frozen=True, eq=False)
class Slice:
    """A field on a plane perpendicular to an axis.

    Attributes:
        axis: 0, 1 or 2: x, y or z.
        place: where it cuts that axis, world.
        extent: low and high along the two other axes in their order, world.
        distance: (rows, columns) Φ, world: the first row is the lowest, the first column the leftmost.
        norm: (rows, columns) ‖∇Φ‖.
    """

    axis: int
    place: float
    extent: tuple[float, float, float, float]
    distance: Float
    norm: Float


def history(rows: Sequence[Mapping[str, float]]) -> Figure:
    """The terms of the loss over the steps, and the learning rate below."""
    with new_figure((7.4, 4.6)) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
        steps = [row["step"] for row in rows]
        terms = [name for name in rows[0] if name not in ("step", "seconds", "rate", "loss")]
        for name, color, dashes in zip(terms, cycle(CURVE_COLORS), cycle(CURVE_DASHES), strict=False):
            values = _positive([row[name] for row in rows])
            above.plot(steps, values, linestyle=dashes, color=color, label=name)
        above.set_yscale("log")
        above.set_ylabel("mean of a term, unweighted")
        above.legend(ncols=len(terms), loc="lower left", bbox_to_anchor=(0, 1), handlelength=3)
        below.plot(steps, [row["rate"] for row in rows], color=LINE_COLOR)
        below.set_ylabel("rate")
        below.set_ylim(bottom=0)
        below.set_xlabel("step")
        below.set_xlim(left=0)
        for axes in (above, below):
            axes.grid(True)
    return figure


def histogram(distances: Float, unit: str | None) -> Figure:
    """Histogram of the distances (n,), in `unit`, from the scan's points to the mesh."""
    with new_figure((7.4, 3.2)) as figure:
        axes = figure.subplots()
        top = float(np.percentile(distances, MAX_PERCENTILE)) or float(distances.max()) or 1.0
        axes.hist(
            distances.clip(max=top), bins=HISTOGRAM_BINS, range=(0.0, top), color=CURVE_COLORS[0], alpha=0.75
        )
        for percentile, dashes in zip(PERCENTILES, CURVE_DASHES[1:], strict=False):
            value = float(np.percentile(distances, percentile))
            label = f"{percentile} % below {value:.3g}"
            axes.axvline(value, color=CURVE_COLORS[1], linestyle=dashes, label=label)
        beyond = int((distances > top).sum())
        axes.set_xlabel(_with_unit("distance from a point of the scan to the mesh", unit))
        axes.set_ylabel("points")
        axes.set_xlim(0.0, top)
        axes.legend(
            title=f"largest {distances.max():.3g}" + (f"; {beyond:,} beyond the axis" if beyond else ""),
            frameon=True,
            framealpha=1.0,
            edgecolor="none",
        )
        axes.grid(True, axis="y")
    return figure


def two_way_histogram(forth: Float, back: Float, unit: str | None) -> Figure:
    """Histograms of the distances in `unit` from a mesh to its reference (n,) and back (m,), signed."""
    with new_figure((7.4, 3.2)) as figure:
        axes = figure.subplots()
        top = float(np.percentile(np.abs(np.concatenate([forth, back])), MAX_PERCENTILE)) or 1.0
        low = -top if min(forth.min(), back.min()) < 0 else 0.0
        ways = (("mesh to reference", forth), ("reference to mesh", back))
        for (name, distances), color, dashes in zip(ways, CURVE_COLORS, CURVE_DASHES, strict=False):
            share = np.full(len(distances), 1 / len(distances))
            look: dict[str, Any] = {"histtype": "step", "color": color, "linestyle": dashes, "label": name}
            axes.hist(distances.clip(low, top), HISTOGRAM_BINS, range=(low, top), weights=share, **look)
        axes.set_xlabel(_with_unit("distance, those beyond the axis at its ends", unit))
        axes.set_ylabel("share of the samples")
        axes.set_xlim(low, top)
        axes.legend(frameon=True, framealpha=1.0, edgecolor="none")
        axes.grid(True, axis="y")
    return figure


def distance_slices(slices: Sequence[Slice], unit: str | None) -> Figure:
    """Φ with its isolines, the one at zero, the surface, thick."""
    limit = max(float(np.abs(part.distance).max()) for part in slices) or 1.0
    levels = np.linspace(-limit, limit, 2 * ISOLINES_PER_SIGN + 1)
    with new_figure(_panels_size(slices)) as figure:
        for axes, part in _side_by_side(figure, slices):
            image = _image(axes, part, part.distance, DIVERGING, (-limit, limit), unit)
            low, high = part.distance.min(), part.distance.max()
            for wanted, width in ((levels, 0.4), (np.zeros(1), 1.6)):
                inside = wanted[(low < wanted) & (wanted < high)]
                if len(inside):
                    extent = image.get_extent()
                    axes.contour(part.distance, inside, extent=extent, colors=LINE_COLOR, linewidths=width)
        bar = figure.colorbar(image, ax=figure.axes, shrink=0.8)
        bar.set_label(_with_unit("Φ, negative inside", unit))
    return figure


def norm_slices(slices: Sequence[Slice], unit: str | None) -> Figure:
    """‖∇Φ‖, 1 where Φ is a distance."""
    with new_figure(_panels_size(slices)) as figure:
        for axes, part in _side_by_side(figure, slices):
            image = _image(axes, part, part.norm, SEQUENTIAL, NORM_RANGE, unit)
        bar = figure.colorbar(image, ax=figure.axes, shrink=0.8, extend="max")
        bar.set_label("‖∇Φ‖, 1 for a distance")
    return figure


def derivatives(rows: Mapping[str, Sequence[Float]]) -> Figure:
    """Pictures and their derivatives, one row each: value (h, w), 0 to 1, ∂/∂x, ∂/∂y and Laplacian."""
    titles = ("value", "∂/∂x", "∂/∂y", "Laplacian")
    height, width = next(iter(rows.values()))[0].shape
    panel = 2.4
    with new_figure(
        (len(titles) * panel + 0.9, len(rows) * panel * min(max(height / width, 0.3), 3.0) + 0.5)
    ) as figure:
        panels = figure.subplots(len(rows), len(titles), squeeze=False)
        for column, title in enumerate(titles):
            shown = [row[column] for row in rows.values()]
            limit = float(np.percentile(np.abs(shown), MAX_PERCENTILE)) or 1.0
            for axes, name, values in zip(panels[:, column], rows, shown, strict=True):
                colors, low, high = (colormap(DIVERGING), -limit, limit) if column else ("gray", 0.0, 1.0)
                image = axes.imshow(values, colors, vmin=low, vmax=high)
                axes.set(xticks=[], yticks=[])
                axes.set_title(f"{name}: {title}")
            if column:
                figure.colorbar(image, ax=list(panels[:, column]), shrink=0.8, location="bottom")
    return figure


def spectrograms(sounds: Mapping[str, Float], rate: int) -> Figure:
    """The first channel of sounds (frames, channels), one below the other: level over time and frequency."""
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    window = max(16, round(SPECTROGRAM_WINDOW * rate))
    transform = ShortTimeFFT(hann(window), max(1, window // 4), rate)
    with new_figure((7.4, 2.4 * len(sounds) + 0.4)) as figure:
        panels = figure.subplots(len(sounds), 1, sharex=True, squeeze=False)[:, 0]
        levels = [
            20 * np.log10(np.abs(transform.stft(_padded(sound[:, 0], window))) + 1e-12)
            for sound in sounds.values()
        ]
        top = max(float(level.max()) for level in levels)
        for axes, name, level, sound in zip(panels, sounds, levels, sounds.values(), strict=True):
            extent = (0, max(len(sound), window) / rate, 0, rate / 2000)
            image = axes.imshow(
                level,
                colormap(SEQUENTIAL),
                origin="lower",
                aspect="auto",
                extent=extent,
                vmin=top - SPECTROGRAM_RANGE,
                vmax=top,
            )
            axes.set_title(name)
            axes.set_ylabel("frequency [kHz]")
        panels[-1].set_xlabel("time [s]")
        figure.colorbar(image, ax=list(panels), label="level [dB]")
    return figure


def _padded(values: Float, least: int) -> Float:
    return np.pad(values, (0, max(0, least - len(values))))


def _sides(slices: Sequence[Slice]) -> tuple[list[float], list[float]]:
    """Widths and heights, world."""
    extents = [part.extent for part in slices]
    return [e[1] - e[0] for e in extents], [e[3] - e[2] for e in extents]


def _panels_size(slices: Sequence[Slice]) -> tuple[float, float]:
    """The size of a figure for slices side by side, all in one scale."""
    widths, heights = _sides(slices)
    return SLICES_WIDTH, min(max((SLICES_WIDTH - LABELS_WIDTH) * max(heights) / sum(widths), 1.5), 6.0) + 0.9


def _side_by_side(figure: Figure, slices: Sequence[Slice]) -> Iterator[tuple[Axes, Slice]]:
    panels = figure.subplots(1, len(slices), width_ratios=_sides(slices)[0], squeeze=False)
    return zip(panels[0], slices, strict=True)


def _image(
    axes: Axes, part: Slice, values: Float, colors: Colors, limits: tuple[float, float], unit: str | None
) -> Any:
    names = [name for axis, name in enumerate("xyz") if axis != part.axis]
    left, right, bottom, top = part.extent
    offsets = [_offset(left, right), _offset(bottom, top)]
    axes.set_title(f"{'xyz'[part.axis]} = {_place(part)}")
    words = [f"{name} − {off:,.0f}" if off else name for name, off in zip(names, offsets, strict=True)]
    axes.set_xlabel(_with_unit(words[0], unit))
    axes.set_ylabel(_with_unit(words[1], unit))
    axes.locator_params(nbins=5)
    extent = (left - offsets[0], right - offsets[0], bottom - offsets[1], top - offsets[1])
    low, high = limits
    return axes.imshow(
        values, colormap(colors), origin="lower", extent=extent, vmin=low, vmax=high, aspect="equal"
    )


def _offset(low: float, high: float) -> float:
    """What is taken off coordinates from `low` to `high` to make them short: 0 unless they are far away."""
    size, middle = high - low, (low + high) / 2
    if abs(middle) < 100 * size:
        return 0.0
    step = 10.0 ** np.ceil(np.log10(size))
    return float(np.floor(middle / step) * step)


def _place(part: Slice) -> str:
    """Where the slice is, to a thousandth of its size."""
    size = max(part.extent[1] - part.extent[0], part.extent[3] - part.extent[2])
    decimals = max(0, 3 - int(np.floor(np.log10(size))))
    return f"{round(part.place, decimals) + 0.0:.{decimals}f}" if decimals < 10 else f"{part.place:.4g}"


def _positive(values: Sequence[float]) -> Float:
    """Values for a logarithmic axis, which has no place for 0."""
    return np.maximum(np.array(values, np.float64), 1e-12)


def _with_unit(words: str, unit: str | None) -> str:
    return f"{words} [{unit}]" if unit else words

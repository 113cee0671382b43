"""A slice of the signed distance to draw: a coloured plane and isolines."""

import math
from dataclasses import dataclass

import numpy as np
from skimage.measure import find_contours

from recon.geometry import Float, Mesh
from recon.render.legend import Legend
from recon.render.palette import DIVERGING
from recon.render.plots import Slice

MAX_ISOLINES = 8  # on each side of zero


@dataclass(frozen=True, eq=False)
class Cut:
    """A slice in space, world.

    Attributes:
        plane: its samples as a mesh with colours, visible from both sides.
        lines: (n, 2, 3) the segments of the isolines other than zero.
        zero: (k, 2, 3) the segments of the zero isoline, where the surface is.
        step: the distance between isolines.
        legend: of the colours.
    """

    plane: Mesh
    lines: Float
    zero: Float
    step: float
    legend: Legend


def cut_of(found: Slice, unit: str | None) -> Cut:
    """What to draw of a slice; `unit` is the name of the coordinates' unit."""
    rows, columns = found.distance.shape
    number = np.arange(rows * columns).reshape(rows, columns)
    quads = (number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1])
    a, b, c, d = (corner.ravel() for corner in quads)
    faces = np.concatenate([np.column_stack([a, b, c]), np.column_stack([a, c, d])])
    limit = max(float(np.abs(found.distance).max()), np.finfo(float).tiny)
    step = round_step(limit / MAX_ISOLINES)
    unit = f"{unit or 'scan unit'}, a line every {step:g}"
    legend = Legend("signed distance", unit, -limit, limit, DIVERGING)
    grid = np.indices((rows, columns)).reshape(2, -1).T
    colors = legend.colors(found.distance.ravel())
    levels = [k * step for k in range(-math.floor(limit / step), math.floor(limit / step) + 1)]
    return Cut(
        Mesh(_placed(found, grid), faces, colors=colors),
        _lines(found, [level for level in levels if level]),
        _lines(found, [0.0]),
        step,
        legend,
    )


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is `least` or more."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9))


def _lines(found: Slice, levels: list[float]) -> Float:
    pieces = [np.empty((0, 2, 2))]
    for level in levels:
        for line in find_contours(found.distance, level):
            pieces.append(np.concatenate([line[:-1, None], line[1:, None]], axis=1))
    joined = np.concatenate(pieces)
    return _placed(found, joined.reshape(-1, 2)).reshape(-1, 2, 3)


def _placed(found: Slice, grid: Float) -> Float:
    """(n, 3) world: places (n, 2) of a slice, in rows and columns of its samples."""
    rows, columns = found.distance.shape
    left, right, bottom, top = found.extent
    across, up = (axis for axis in range(3) if axis != found.axis)
    places = np.full((len(grid), 3), found.place)
    places[:, up] = bottom + grid[:, 0] * (top - bottom) / (rows - 1)
    places[:, across] = left + grid[:, 1] * (right - left) / (columns - 1)
    return places

"""Figures of matplotlib in one style, and what becomes of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from recon.errors import MissingLibraryError
from recon.render.palette import Colors, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE_COLOR, GRID_COLOR = "#333333", "#d9d9d9"
STYLE = {
    "axes.edgecolor": LINE_COLOR,
    "axes.labelcolor": LINE_COLOR,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "font.size": 9,
    "grid.color": GRID_COLOR,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.hashsalt": "recon",  # the same plot is the same file
    "text.color": LINE_COLOR,
    "xtick.color": LINE_COLOR,
    "ytick.color": LINE_COLOR,
}


def svg(figure: Figure) -> str:
    """The figure as the data URL of an SVG."""
    out = io.BytesIO()
    with _style():
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(out.getvalue()).decode()


def pixels(figure: Figure, dots: int = 110) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The figure as a picture (height, width, 3) uint8 with `dots` per inch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dots)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def check_plots() -> None:
    """Raises MissingLibraryError if matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingLibraryError(
            "matplotlib, for the plots, is not installed: bash tools/setup report, or pip install matplotlib"
        ) from None


def _style() -> AbstractContextManager[None]:
    import matplotlib

    return matplotlib.rc_context(STYLE)


@contextmanager
def new_figure(size: tuple[float, float]) -> Iterator[Figure]:
    """Yields a figure of `size`, in inches, with the style and without global state."""
    check_plots()
    from matplotlib.figure import Figure

    with _style():
        yield Figure(figsize=size, layout="constrained", facecolor="white")


def colormap(colors: Colors) -> Any:
    """`colors` as a colour map of matplotlib."""
    from matplotlib.colors import ListedColormap

    return ListedColormap(table(colors) / 255)

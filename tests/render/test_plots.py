"""Plots that everybody can read, and that say what they are given."""

from __future__ import annotations

import base64
import itertools
import re
import sys

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from recon.errors import MissingLibraryError
from recon.render import figures, palette, plots
from recon.render.plots import Slice

# Machado, Oliveira and Fernandes 2009, doi:10.1109/TVCG.2009.113: linear RGB as those see it who lack a cone.
BLIND = {
    "all": np.eye(3),
    "no red": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def seen(rgb: NDArray[np.float64], eyes: str) -> NDArray[np.float64]:
    """Lab of sRGB colours (n, 3) in 0..1, as these `eyes` see them."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ BLIND[eyes].T
    linear = linear.clip(0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))


def tilted(axis: int = 0, offset: float = 0.0) -> Slice:
    """Φ = the distance along the columns less 0.25, over a plane of 2 by 1."""
    x, y = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-0.5, 0.5, 21))
    return Slice(axis, offset, (offset - 1, offset + 1, -0.5, 0.5), x - 0.25 + 0 * y, np.ones_like(x))


@pytest.mark.parametrize("eyes", BLIND)
def test_curves_are_told_apart_by_everybody(eyes: str) -> None:
    rgb = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in plots.CURVE_COLORS]) / 255
    lab = seen(rgb, eyes)
    nearest = min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(lab, 2))
    assert nearest > 5  # twice what is just seen side by side; and no two have the same dashes
    assert len(set(plots.CURVE_DASHES)) == len(plots.CURVE_DASHES) >= len(plots.CURVE_COLORS)


@pytest.mark.parametrize("eyes", BLIND)
def test_the_palette_grows_lighter_for_everybody(eyes: str) -> None:
    lightness = seen(palette.at(palette.SEQUENTIAL, np.linspace(0, 1, 33)) / 255, eyes)[:, 0]
    assert (np.diff(lightness) > 0).all() and np.ptp(lightness) > 60


@pytest.mark.parametrize("eyes", BLIND)
def test_signs_are_told_apart_by_everybody(eyes: str) -> None:
    lab = seen(palette.at(palette.DIVERGING, np.linspace(0, 1, 33)) / 255, eyes)
    assert (np.diff(lab[:17, 0]) > 0).all() and (np.diff(lab[16:, 0]) < 0).all()  # white at zero
    apart = [deltaE_ciede2000(a, b) for a, b in zip(lab[:13], lab[:-14:-1], strict=True)]
    assert min(apart) > 10  # as far from zero on either side


def test_slices_are_white_at_zero_dark_to_both_sides_and_lie_as_they_should() -> None:
    figure = plots.distance_slices([tilted()], "metre")
    image = figures.pixels(figure)
    axes = figure.axes[0]
    height = len(image)

    def colour(x: float, y: float) -> NDArray[np.int64]:
        column, row = axes.transData.transform((x, y))
        return image[height - 1 - int(row), int(column)].astype(int)

    inside, outside = colour(-0.9, 0.1), colour(0.9, 0.1)
    assert inside[2] > inside[0] + 20 and outside[0] > outside[2] + 20  # purple and orange
    assert colour(0.25, 0.1).max() < 90  # the line of the surface
    assert colour(0.21, 0.1).min() > 200  # white beside it
    assert axes.get_xlabel() == "y [metre]" and axes.get_title(loc="left") == "x = 0.000"


def test_far_coordinates_are_short_and_exact() -> None:
    axes = plots.norm_slices([tilted(1, 5_400_000.25)], None).axes[0]
    offset = float(axes.get_xlabel().removeprefix("x − ").replace(",", ""))
    assert np.allclose(np.array(axes.get_xlim()) + offset, [5_399_999.25, 5_400_001.25], rtol=0, atol=1e-6)
    assert max(map(abs, axes.get_xlim())) < 100


def test_the_histogram_counts_every_point() -> None:
    distances = np.random.default_rng(0).exponential(size=5000)
    figure = plots.histogram(distances, "metre")
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 5000
    words = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert words[0] == f"50 % below {np.median(distances):.3g}"


@pytest.mark.parametrize("distances", [np.zeros(10), np.ones(1), np.array([0.0] * 999 + [5.0])])
def test_odd_distances_have_a_histogram(distances: NDArray[np.float64]) -> None:
    figure = plots.histogram(distances, None)
    assert figures.pixels(figure).std() > 0
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == len(distances)


def test_terms_that_are_zero_and_more_terms_than_colours_are_drawn() -> None:
    rows = [
        {"step": float(s), "seconds": 0.0, "rate": 1e-3, "loss": 1.0} | {f"t{k}": k / s for k in range(9)}
        for s in range(50, 500, 50)
    ]
    assert len(plots.history(rows).axes[0].lines) == 9
    assert figures.pixels(plots.history(rows)).std() > 0


def test_the_same_plot_is_the_same_file_and_names_no_program() -> None:
    first, second = (figures.svg(plots.histogram(np.arange(50.0), "metre")) for _ in range(2))
    assert first == second
    text = base64.b64decode(first.partition(",")[2]).decode()
    assert not re.search(r"matplotlib\.org|<dc:date>", text)


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingLibraryError, match="bash tools/setup report"):
        plots.histogram(np.ones(3), None)

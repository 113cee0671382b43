"""The direct solver against the closed form of a uniform medium."""

import numpy as np
import pytest
import torch

from recon.pde.absorbing_layer import Layer
from recon.pde.equations.helmholtz import closed_form, source
from recon.pde.finite_differences.helmholtz import direct_helmholtz

LAYER, K, WIDTH = Layer(), 12.0, 0.06
PLACES = [(0.05, -0.1)]


def stretch(at: np.ndarray) -> np.ndarray:
    return LAYER.stretch(torch.as_tensor(at))[0].numpy()


def error(n: int) -> float:
    axis = np.linspace(-1, 1, n)
    x, y = np.meshgrid(axis, axis)
    f = source(torch.tensor(x), torch.tensor(y), PLACES, WIDTH).numpy()
    found = direct_helmholtz(np.ones_like(x), f[None], K, 1.0, stretch)[0]
    wanted = closed_form(x, y, K, PLACES, WIDTH)
    known = np.isfinite(wanted) & (np.maximum(abs(x), abs(y)) <= LAYER.region)
    return float(np.linalg.norm((found - wanted)[known]) / np.linalg.norm(wanted[known]))


def test_the_error_is_second_order_and_the_layer_reflects_nothing() -> None:
    coarse, fine = error(101), error(201)
    assert np.log2(coarse / fine) == pytest.approx(2, abs=0.2)
    assert fine < 0.01


def test_sources_add_up() -> None:
    axis = np.linspace(-1, 1, 61)
    x, y = (torch.tensor(part) for part in np.meshgrid(axis, axis))
    each = [source(x, y, [place], 0.1).numpy() for place in ((0.2, 0.0), (-0.3, 0.1))]
    slowness = 1 + 0.3 * np.exp(-(x.numpy() ** 2 + y.numpy() ** 2) / 0.02)
    found = direct_helmholtz(slowness, np.stack([*each, each[0] + each[1]]), 5.0, 1.0, stretch)
    np.testing.assert_allclose(found[2], found[0] + found[1], atol=1e-12)


def test_source_and_receiver_can_change_places() -> None:
    """Reciprocity, in any medium."""
    points = np.zeros((2, 81, 81))
    points[0, 30, 50] = points[1, 55, 35] = 1.0
    slowness = np.ones((81, 81))
    slowness[35:45, 40:60] = 0.5
    found = direct_helmholtz(slowness, points, 6.0, 1.0, stretch)
    assert found[0, 55, 35] == pytest.approx(found[1, 30, 50], rel=1e-9)

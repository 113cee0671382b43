"""Least axes in closed form are those found by iterations, for every shape of a neighbourhood."""

from __future__ import annotations

import numpy as np
import pytest

from recon.scan.preparation.planes import least_axes, least_axes_plain

SHAPES = {
    "plane": (1.0, 1.0, 0.0),
    "sheet": (1.0, 0.6, 0.02),
    "strip": (1.0, 0.05, 0.0),
    "ball": (1.0, 1.0, 1.0),
    "rod": (1.0, 1e-3, 1e-3),
    "line": (1.0, 0.0, 0.0),
    "point": (0.0, 0.0, 0.0),
}


@pytest.mark.parametrize("name", SHAPES)
def test_closed_form_and_iterations_agree(name: str) -> None:
    rng = np.random.default_rng(0)
    turns = np.linalg.qr(rng.normal(size=(500, 3, 3)))[0]
    spread = np.array(SHAPES[name]) * rng.uniform(0.9, 1.1, (500, 1, 3))
    matrices = (turns * spread**2) @ turns.transpose(0, 2, 1)
    moments = np.stack([matrices[:, i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))])
    low, middle, axes = least_axes(moments)
    plain_low, plain_middle, _ = least_axes_plain(moments)
    assert np.abs(low - plain_low).max() < 1e-9 and np.abs(middle - plain_middle).max() < 1e-7
    assert np.linalg.norm(axes, axis=0) == pytest.approx(1.0)
    left = np.einsum("nij,jn->in", matrices, axes) - low * axes
    assert np.abs(left).max() < 1e-7

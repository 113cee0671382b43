"""Derivatives of sampled pictures in closed form, composites, and fields that are found from derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recon.field.kernels import fast_kernels
from recon.field.siren import Siren
from recon.geometry import Float
from recon.signals.settings import STANDARD
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.poisson import (
    gradient_of,
    gradient_task,
    laplacian_of,
    laplacian_task,
    mixed_gradient,
)
from recon.training.trainer import fit

GRID = Grid.square(40, 64)


def coordinates(grid: Grid) -> tuple[Float, Float]:
    """x and y of the pixels (h, w)."""
    points = grid.points(torch.arange(len(grid))).double().numpy().reshape(*grid.counts, 2)
    return points[..., 0], points[..., 1]


def waves(i: int, j: int) -> tuple[Float, Float, Float]:
    """A product of cosines that fits the box, (h, w, 1), its gradient and its Laplacian in closed form."""
    (x, y), (half_y, half_x) = coordinates(GRID), GRID.halves
    a, b = i * np.pi / (2 * half_x), j * np.pi / (2 * half_y)
    u, v = a * (x + half_x), b * (y + half_y)
    value = np.cos(u) * np.cos(v)
    gradient = np.stack([-a * np.sin(u) * np.cos(v), -b * np.cos(u) * np.sin(v)])
    return value[..., None], gradient[..., None], (-(a**2 + b**2) * value)[..., None]


@pytest.mark.parametrize(("i", "j"), [(0, 0), (3, 5), (63, 39), (1, 38)])
def test_derivatives_are_exact_up_to_the_highest_frequency(i: int, j: int) -> None:
    value, gradient, laplacian = waves(i, j)
    np.testing.assert_allclose(gradient_of(value, GRID), gradient, atol=1e-10 * (1 + np.abs(gradient).max()))
    np.testing.assert_allclose(
        laplacian_of(value, GRID), laplacian, atol=1e-9 * (1 + np.abs(laplacian).max())
    )


def test_mixed_gradients_are_of_the_mask_or_of_the_stronger_picture() -> None:
    first, second = waves(3, 5)[1], waves(7, 1)[1]
    mask = np.zeros(GRID.counts, bool)
    mask[10:20, 10:30] = True
    masked = mixed_gradient(first, second, mask)
    assert (masked[:, mask] == second[:, mask]).all() and (masked[:, ~mask] == first[:, ~mask]).all()
    mixed = mixed_gradient(first, second, None)
    size = [np.square(part).sum(0) for part in (first, second, mixed)]
    np.testing.assert_allclose(size[2], np.maximum(size[0], size[1]))


# Slow: hundreds of steps through derivatives.
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "steps"), [("gradient", 200), ("laplacian", 400)])
def test_a_picture_is_found_from_its_derivatives_alone(kind: str, steps: int) -> None:
    """Up to a constant, or a linear function: those are lost, and nothing tells the field where they were."""
    value, gradient, laplacian = (
        sum(parts) for parts in zip(waves(2, 1), waves(1, 3), waves(0, 2), strict=True)
    )
    config = STANDARD[kind].with_(field={"width": 64, "omega_first": 5.0}, fit={"steps": steps, "rate": 2e-3})
    if kind == "gradient":
        task = gradient_task(GRID, gradient, 1280)
    else:
        task = laplacian_task(GRID, laplacian, 1280)
    field = Siren(config.field, 2, 1)
    fit(field, task, config.fit)
    with fast_kernels():
        found = field.values(GRID.points(torch.arange(len(GRID)))).double().numpy()
    x, y = (part.ravel() for part in coordinates(GRID))
    lost = np.column_stack([np.ones_like(x), *([x, y] if kind == "laplacian" else [])])
    missing = value.reshape(-1, 1) - found
    error = missing - lost @ np.linalg.lstsq(lost, missing, rcond=None)[0]
    assert error.std() < 0.05 * value.std()

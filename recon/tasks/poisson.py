"""Signals from their derivatives alone (Sitzmann et al. 2020, section 4.1, equations 6 to 8):

    gradient   ‖∇Φ - g‖² / mean ‖g‖²      g of an image, or mixed from two; a constant is lost
    laplacian  (ΔΦ - l)² / mean l²        an affine function is lost, and what else is harmonic is weakly held

The derivatives of a picture are those of the cosine series through its pixels, exact where its frequencies
end; a
difference of neighbours is the derivative of a smoother picture.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dct, idct, idst
from torch import Tensor

from recon.config import Schedule
from recon.field.orders import GRADIENT, Jet, laplacian_order
from recon.geometry import Float
from recon.tasks.constraints import Constraint, ConstraintTask
from recon.tasks.grid import Grid, samples_of


def gradient_of(values: Float, grid: Grid) -> Float:
    """∂/∂x and ∂/∂y (2, h, w, k) of samples (h, w, k), in the unit frame of `grid`."""
    return np.stack([_slope(values, axis) / _pixel(grid, axis) for axis in (1, 0)])


def laplacian_of(values: Float, grid: Grid) -> Float:
    """∂²/∂x² + ∂²/∂y² (h, w, k), likewise."""
    return _bend(values, 0) / _pixel(grid, 0) ** 2 + _bend(values, 1) / _pixel(grid, 1) ** 2


def _pixel(grid: Grid, axis: int) -> float:
    return 2 * grid.halves[axis] / grid.counts[axis]


def _rates(values: Float, axis: int) -> Float:
    """πk/n of the cosines k = 0, 1, … along an axis of n samples."""
    n = values.shape[axis]
    return (np.pi * np.arange(n) / n).reshape([-1 if other == axis else 1 for other in range(values.ndim)])


def _slope(values: Float, axis: int) -> Float:
    """The derivative along an axis, per sample: cosines become sines, whose series begins at k = 1."""
    sines = np.roll(-_rates(values, axis) * dct(values, axis=axis), -1, axis)
    np.moveaxis(sines, axis, 0)[-1] = 0.0
    return idst(sines, axis=axis)


def _bend(values: Float, axis: int) -> Float:
    return idct(-(_rates(values, axis) ** 2) * dct(values, axis=axis), axis=axis)


def mixed_gradient(background: Float, inserted: Float, mask: Float | None) -> Float:
    """The gradients (2, h, w, k) that a composite shall have. With a `mask` (h, w): of `inserted` within it,
    of
    `background` outside. Without one: at each pixel and output the larger one (Pérez et al. 2003, "Poisson
    image
    editing", equation 12, doi:10.1145/882262.882269)."""
    if mask is None:
        size = [np.square(gradient).sum(0) for gradient in (background, inserted)]
        return np.where(size[1] > size[0], inserted, background)
    return np.where(mask[None, :, :, None], inserted, background)


def gradient_task(
    grid: Grid, gradient: Float, batch: int, seed: int = 0, device: torch.device | str = "cpu"
) -> ConstraintTask:
    """∇Φ = g at the samples of `grid`, g (2, h, w, k)."""
    targets = torch.tensor(gradient.reshape(2, len(grid), -1).transpose(1, 0, 2).copy(), dtype=torch.float32)
    scale = 1 / max(float(targets.square().sum((1, 2)).mean()), 1e-30)

    def error(jet: Jet, target: Tensor) -> Tensor:
        return (jet.gradient.transpose(0, 1) - target).square().sum((1, 2)) * scale

    sample = samples_of(grid, targets.__getitem__, batch, seed, device)
    return ConstraintTask(
        {"gradient": Constraint(sample, error, Schedule.constant(1.0), GRADIENT)}, seed, device
    )


def laplacian_task(
    grid: Grid, laplacian: Float, batch: int, seed: int = 0, device: torch.device | str = "cpu"
) -> ConstraintTask:
    """ΔΦ = l at the samples of `grid`, l (h, w, k)."""
    targets = torch.tensor(laplacian.reshape(len(grid), -1), dtype=torch.float32)
    scale = 1 / max(float(targets.square().sum(1).mean()), 1e-30)

    def error(jet: Jet, target: Tensor) -> Tensor:
        return (jet.second[0] - target).square().sum(1) * scale

    order, sample = laplacian_order(2), samples_of(grid, targets.__getitem__, batch, seed, device)
    return ConstraintTask(
        {"laplacian": Constraint(sample, error, Schedule.constant(1.0), order)}, seed, device
    )

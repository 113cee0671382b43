"""Signals from their derivatives alone (Sitzmann et al. 2020, section 4.1, equations 6 to 8):

    gradient   ‖∇Φ - g‖² / mean ‖g‖²      g of an image, or mixed from two; a constant is lost
    laplacian  (ΔΦ - l)² / mean l²        all that is harmonic is lost, so
    boundary   (∂Φ/∂n)² on the box's sides, by pixel, over mean l²: the picture goes on as its mirror image

The derivatives of a picture are those of the cosine series through its pixels, exact where its frequencies
end; a
difference of neighbours is the derivative of a smoother picture.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct, idct, idst
from torch import Tensor

from recon.field.orders import GRADIENT, Jet, laplacian_order
from recon.geometry import Float
from recon.stages import Schedule
from recon.tasks.constraints import Constraint, ConstraintTask
from recon.tasks.grid import Grid, Sampler, samples_of

EDGE = 8  # points inside for one on the boundary


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


def mixed_gradient(background: Float, inserted: Float, mask: NDArray[np.bool_] | None) -> Float:
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

    def flux(jet: Jet, across: Tensor) -> Tensor:
        normal = (jet.gradient * across.t()[:, :, None]).sum(0)
        return (normal / grid.spacing).square().sum(1) * scale

    once = Schedule.constant(1.0)
    sample = samples_of(grid, targets.__getitem__, batch, seed, device)
    edge = _edge_samples(grid, max(1, batch // EDGE), device)
    constraints = {
        "laplacian": Constraint(sample, error, once, laplacian_order(2)),
        "boundary": Constraint(edge, flux, once, GRADIENT),
    }
    return ConstraintTask(constraints, seed, device)


def _edge_samples(grid: Grid, count: int, device: torch.device | str) -> Sampler:
    """Even points of the box's four sides (n, 2), and the axis (n, 2) across each."""
    half = torch.tensor(grid.halves[::-1], device=device)
    share = float(half[0] / half.sum())

    def sample(step: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        def draw() -> Tensor:
            return torch.rand(count, generator=generator, device=device)

        flat = draw() < share  # on a side along x
        along, end = 2 * draw() - 1, torch.where(draw() < 0.5, -1.0, 1.0)
        points = half * torch.stack((torch.where(flat, along, end), torch.where(flat, end, along)), 1)
        return points, torch.stack((~flat, flat), dim=1).to(points.dtype)

    return sample

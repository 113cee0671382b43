"""Signals from their derivatives alone (Sitzmann et al. 2020, section 4.1, equations 6 to 8).

    gradient   ‖∇Φ - g‖² / mean ‖g‖²      g of an image, or mixed from two; a constant is lost
    laplacian  (ΔΦ - l)² / mean l²        harmonic functions are lost, so
    boundary   (∂Φ/∂n)² on the box's sides, by pixel, over mean l²: the picture is mirrored there

The derivatives of a picture are those of the cosine series through its pixels, exact for band-limited ones;
differences of neighbours would be derivatives of a smoother picture.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct, idct, idst
from scipy.ndimage import gaussian_filter
from torch import Tensor

from recon.base.settings import Schedule
from recon.field.jet import GRADIENT, Jet, laplacian_order
from recon.geometry import Float
from recon.signals.tasks.grid import Grid, Sampler, Shuffled
from recon.training.constraints import Constraint, ConstraintTask, Draw, Samples

INTERIOR_PER_BOUNDARY = 8  # points inside for one on the boundary
MIN_BLUR_PIXELS, BLUR_LEVELS = 0.25, 10  # standard deviation of the last Gaussian blur; number of levels
SHARP_PROGRESS = 0.8  # of the training, from which targets are sharp


def gradient_of(values: Float, grid: Grid) -> Float:
    """∂/∂x and ∂/∂y (2, h, w, k) of samples (h, w, k), in the unit frame of `grid`."""
    return np.stack([_first_derivative(values, axis) / _pixel(grid, axis) for axis in (1, 0)])


def laplacian_of(values: Float, grid: Grid) -> Float:
    """∂²/∂x² + ∂²/∂y² (h, w, k), likewise."""
    return (
        _second_derivative(values, 0) / _pixel(grid, 0) ** 2
        + _second_derivative(values, 1) / _pixel(grid, 1) ** 2
    )


def _pixel(grid: Grid, axis: int) -> float:
    return 2 * grid.halves[axis] / grid.counts[axis]


def _frequencies(values: Float, axis: int) -> Float:
    """πk/n of the cosines k = 0, 1, … along an axis of n samples."""
    n = values.shape[axis]
    return (np.pi * np.arange(n) / n).reshape([-1 if other == axis else 1 for other in range(values.ndim)])


def _first_derivative(values: Float, axis: int) -> Float:
    """The derivative along an axis, per sample: cosines become sines, whose series begins at k = 1."""
    sines = np.roll(-_frequencies(values, axis) * dct(values, axis=axis), -1, axis)
    np.moveaxis(sines, axis, 0)[-1] = 0.0
    return idst(sines, axis=axis)


def _second_derivative(values: Float, axis: int) -> Float:
    return idct(-(_frequencies(values, axis) ** 2) * dct(values, axis=axis), axis=axis)


def mixed_gradient(background: Float, inserted: Float, mask: NDArray[np.bool_] | None) -> Float:
    """The gradients (2, h, w, k) of a composite: those of `inserted` within `mask` (h, w), else `background`.

    Without a mask: at each pixel and output the larger one (Pérez et al. 2003, "Poisson image editing",
    equation 12, doi:10.1145/882262.882269).
    """
    if mask is None:
        size = [np.square(gradient).sum(0) for gradient in (background, inserted)]
        return np.where(size[1] > size[0], inserted, background)
    return np.where(mask[None, :, :, None], inserted, background)


class CoarseToFineSampler:
    """Samples of targets (h, w, …) that are blurred at first and sharp in the last fifth of a training.

    The first blur is the longest side over `blurred`. Each target is divided by its root mean square, and
    comes with that factor. The loss of a derivative is all in high frequencies, the look of a picture in low
    ones.
    """

    def __init__(
        self, grid: Grid, targets: Float, blurred: int, batch: int, seed: int, device: torch.device | str
    ) -> None:
        self.grid, self.targets, self.device = grid, targets, device
        self.shuffled = Shuffled(len(grid), batch, seed)
        widest = max(grid.counts) / blurred
        self.widths = (
            [*np.geomspace(widest, MIN_BLUR_PIXELS, BLUR_LEVELS - 1), 0.0]
            if widest > MIN_BLUR_PIXELS
            else [0.0]
        )
        self.level = -1

    def __call__(self, draw: Draw) -> Samples:
        """Points, targets and their factor."""
        level = min(int(draw.progress / SHARP_PROGRESS * len(self.widths)), len(self.widths) - 1)
        if level != self.level:
            self.level, width = level, self.widths[level]
            blurred = gaussian_filter(self.targets, width, axes=(0, 1)) if width else self.targets
            flat = blurred.reshape(len(self.grid), -1)
            self.factor = 1 / max(float(np.sqrt(np.square(flat).sum(1).mean())), 1e-30)
            self.table = torch.tensor(self.factor * flat, dtype=torch.float32)
        indices = self.shuffled(draw)
        points = self.grid.points(indices).to(self.device)
        factors = torch.full((len(points),), self.factor, device=self.device)
        return points, self.table[indices].to(self.device), factors


def gradient_task(
    grid: Grid, gradient: Float, batch: int, seed: int = 0, device: torch.device | str = "cpu"
) -> ConstraintTask:
    """∇Φ = g at the samples of `grid`, g (2, h, w, k)."""

    def error(jet: Jet, target: Tensor, factor: Tensor) -> Tensor:
        slopes = jet.gradient.transpose(0, 1).flatten(1)
        return (factor[:, None] * slopes - target).square().sum(1)

    sample = CoarseToFineSampler(grid, np.moveaxis(gradient, 0, 2), 32, batch, seed, device)
    return ConstraintTask(
        {"gradient": Constraint(sample, error, Schedule.constant(1.0), GRADIENT)}, seed, device
    )


def laplacian_task(
    grid: Grid, laplacian: Float, batch: int, seed: int = 0, device: torch.device | str = "cpu"
) -> ConstraintTask:
    """ΔΦ = l at the samples of `grid`, l (h, w, k)."""
    sample = CoarseToFineSampler(grid, laplacian, 8, batch, seed, device)
    edge = _edge_samples(grid, max(1, batch // INTERIOR_PER_BOUNDARY), device)

    def error(jet: Jet, target: Tensor, factor: Tensor) -> Tensor:
        return (factor[:, None] * jet.second[0] - target).square().sum(1)

    def flux(jet: Jet, across: Tensor) -> Tensor:
        normal = (jet.gradient * across.t()[:, :, None]).sum(0)
        return (sample.factor * normal / grid.spacing).square().sum(1)

    once = Schedule.constant(1.0)
    constraints = {
        "laplacian": Constraint(sample, error, once, laplacian_order(2)),
        "boundary": Constraint(edge, flux, once, GRADIENT),
    }
    return ConstraintTask(constraints, seed, device)


def _edge_samples(grid: Grid, count: int, device: torch.device | str) -> Sampler:
    """Uniform points of the box's four sides (n, 2), and the axis (n, 2) across each."""
    half = torch.tensor(grid.halves[::-1], device=device)
    share = float(half[0] / half.sum())

    def sample(draw: Draw) -> Samples:
        shares = torch.rand(3, count, generator=draw.generator, device=device)
        flat = shares[0] < share  # on a side along x
        along, end = 2 * shares[1] - 1, torch.where(shares[2] < 0.5, -1.0, 1.0)
        points = half * torch.stack((torch.where(flat, along, end), torch.where(flat, end, along)), 1)
        return points, torch.stack((~flat, flat), dim=1).to(points.dtype)

    return sample

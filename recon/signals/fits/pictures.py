"""Shared by the modes for pictures: the part and size to write, comparison, pictures of derivatives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.errors import UsageError
from recon.field.jet import laplacian_order
from recon.geometry import Float
from recon.render.figures import pixels
from recon.render.plots import derivatives as plot_derivatives
from recon.signals.fitted import Fitted, Levels
from recon.signals.media.images import WRITABLE_BITS, Picture, check_image_path
from recon.signals.media.quality import psnr, ssim
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.poisson import gradient_of, laplacian_of

MAX_OUTPUT_PIXELS = 1 << 28


@dataclass(frozen=True)
class View:
    """Which part of a picture is written, and how large.

    Attributes:
        size: (width, height) in pixels.
        zoom: instead: a factor of the part's own size.
        box: x0, y0, x1, y1 in pixels of the input, from its upper left corner; beyond it the field
            extrapolates.
    """

    size: tuple[int, int] | None = None
    zoom: float | None = None
    box: tuple[float, float, float, float] | None = None

    def check(self) -> None:
        """Raise UsageError for an empty view."""
        if self.size and min(self.size) < 1:
            raise UsageError(f"size {self.size[0]}x{self.size[1]}, expected at least 1x1")
        if self.zoom is not None and not 0 < self.zoom < float("inf"):
            raise UsageError(f"zoom {self.zoom:g}, expected above 0")
        if self.box and not (self.box[0] < self.box[2] and self.box[1] < self.box[3]):
            raise UsageError(
                f"box {','.join(map(str, self.box))} is empty: X0,Y0,X1,Y1 with X0 < X1 and Y0 < Y1"
            )

    def of(self, fitted: Fitted) -> Float:
        """The values (height, width, k). Raises UsageError for more than MAX_OUTPUT_PIXELS."""
        rows, columns = fitted.grid.counts
        x0, y0, x1, y1 = self.box or (0.0, 0.0, float(columns), float(rows))
        zoom = self.zoom or 1.0
        width, height = self.size or (max(1, round(zoom * (x1 - x0))), max(1, round(zoom * (y1 - y0))))
        if width * height > MAX_OUTPUT_PIXELS:
            raise UsageError(f"{width} x {height} pixels, expected at most {MAX_OUTPUT_PIXELS:,} in all")
        y, x = fitted.axes((height, width), ((y0, y1), (x0, x1)))
        strips = np.array_split(y, max(1, width * height // (1 << 20)))
        return np.concatenate([fitted.on((strip, x)) for strip in strips])


def bits_for(out: Path, picture: Picture) -> int:
    """The most bits a sample, up to the picture's, that `out` can hold; errors as `check_image_path`."""
    check_image_path(out, picture.channels)
    return max(bits for bits in WRITABLE_BITS[out.suffix.lower()] if bits <= max(picture.bits, 8))


def picture_grid(picture: Picture) -> Grid:
    """The grid of a picture's pixels."""
    return Grid.square(*picture.values.shape[:2])


def picture_levels(picture: Picture) -> tuple[Levels, Float]:
    """Levels that bring a picture's values to -1..1, and the values (h, w, k) so scaled."""
    values = picture.values
    low, high = (0.0, 1.0) if picture.bits < 32 else (float(values.min()), float(values.max()))
    gain = (high - low) / 2 or 1.0
    return Levels(gain, np.full(values.shape[2], low + gain)), (values - low - gain) / gain


def restored_levels(fitted: Fitted, wanted: Float, affine: bool) -> Levels:
    """The levels that restore, by least squares, what a fit to derivatives of `wanted` (h, w, k) has lost.

    That is a constant or, with `affine`, a linear function.
    """
    y, x = fitted.axes()
    missing = (wanted - fitted.on((y, x))).reshape(-1, wanted.shape[2])
    grid = np.stack([part.ravel() for part in np.meshgrid(x, y)], axis=1)
    basis = np.column_stack([np.ones(len(grid)), grid]) if affine else np.ones((len(grid), 1))
    found = np.linalg.lstsq(basis, missing, rcond=None)[0]
    slope = found[1:].T if affine else None
    return Levels(fitted.levels.gain, fitted.levels.offset + found[0], slope)


def quality(fitted: Fitted, picture: Picture, missing: NDArray[np.bool_] | None = None) -> dict[str, Any]:
    """PSNR and SSIM of the fit at the picture's pixels, and PSNR at those `missing` (h w,) to it.

    The peak is the range of the picture's values.
    """
    wanted = picture.values
    peak = 1.0 if picture.bits < 32 else float(np.ptp(wanted)) or 1.0
    found = View().of(fitted)
    if picture.bits < 32:
        found = found.clip(0, 1)
    results: dict[str, Any] = {"psnr": psnr(found, wanted, peak), "ssim": ssim(found, wanted, peak)}
    if missing is not None and missing.any():
        unseen = missing.reshape(wanted.shape[:2])
        results["psnr_missing"] = psnr(found[unseen], wanted[unseen], peak)
    return results


def derivative_sheet(fitted: Fitted, picture: Picture) -> np.ndarray:
    """A picture (…, …, 3) uint8 of fit and input: value, ∂/∂x, ∂/∂y, Laplacian by pixel, output means."""
    grid = fitted.grid
    y, x = fitted.axes()
    points = np.stack([part.ravel() for part in np.meshgrid(x, y)], axis=1)
    jet = fitted.jet(points, laplacian_order(2))
    slope = np.zeros((1, 2)) if fitted.levels.slope is None else fitted.levels.slope
    gain, pixel = fitted.levels.gain, grid.spacing

    def image(values: Any) -> Float:
        return gain * values.mean(-1).double().cpu().numpy().reshape(grid.counts)

    mean = picture.values.mean(2, keepdims=True)
    wanted = gradient_of(mean, grid)[..., 0] * pixel
    rows = {
        "fit": [
            View().of(fitted).mean(2),
            (image(jet.gradient[0]) + slope[:, 0].mean()) * pixel,
            (image(jet.gradient[1]) + slope[:, 1].mean()) * pixel,
            image(jet.second[0]) * pixel**2,
        ],
        "input": [mean[..., 0], *wanted, laplacian_of(mean, grid)[..., 0] * pixel**2],
    }
    return pixels(plot_derivatives(rows))

"""`recon complete` of pictures: a whole one from a part, by a learnt space of pictures."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon.errors import SignalError, UsageError
from recon.field.kernels import fast_kernels
from recon.geometry import Float
from recon.signals.media.collections import central_square, cropped
from recon.signals.media.images import Picture, check_image_path, read_image, read_mask, write_image
from recon.signals.tasks.grid import Grid
from recon.spaces.encoders import Observation
from recon.spaces.learned import Learned
from recon.spaces.picture_sampler import Pictures
from recon.training.optimizers import Muon

MAX_OUTPUT_PIXELS = 1 << 26
# Learning rate in magnitudes of a parameter; weight of the squared distance from the prediction.
REFINE_RATE, REFINE_PENALTY = 3e-2, 0.1


def complete_image(
    space: Learned,
    source: str | Path,
    out: Path,
    *,
    keep: int | None = None,
    mask: str | Path | None = None,
    size: tuple[int, int] | None = None,
    zoom: float | None = None,
    between: str | Path | None = None,
    pictures: int = 9,
    refine: int = 0,
    seed: int = 0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Complete the central square of the picture `source` from a part and write it to `out`.

    Args:
        space: of pictures.
        source: a picture.
        out: the file to write.
        keep: how many randomly drawn pixels are known; all by default.
        mask: instead: a picture of the size of `source`, dark where pixels are known.
        size: (width, height) of the output, by default the square's.
        zoom: instead: a factor of the square's side.
        between: another picture: write a strip of interpolations to it by latent vectors.
        pictures: how many of them.
        refine: steps in which the predicted field is fitted to the known pixels.
        seed: of the draw.
        overwrite: replace `out` if it exists.

    Returns:
        A summary.

    Raises:
        ReconError: SignalError, OutputError or UsageError.
    """
    began = time.monotonic()
    if keep is not None and mask is not None:
        raise UsageError("give either --keep N or --mask PICTURE, not both")
    if between is not None and refine:
        raise UsageError("--refine is for a single picture: a refined field has no latent vector")
    check_image_path(out)
    trained = space.config.learning.size
    picture = read_image(source)
    width, height = _written_size(picture, size, zoom, pictures if between else 1)
    known = np.ones(trained**2, bool)
    if keep is not None:
        known = _random_mask(keep, trained, seed)
    elif mask is not None:
        picture, known = _without(picture, read_mask(mask, picture), trained)
        if not known.any():
            raise SignalError(f"{mask} marks every pixel as missing: expected some dark, known ones")
    small, values = _values(space, picture)
    seen = small.observed(values, torch.from_numpy(np.flatnonzero(known)))
    latents = space.latents(seen)
    weights = space.weights(latents)
    results: dict[str, Any] = {"known": int(known.sum()), "pixels": trained**2}
    if refine:
        weights = refined(space, weights, seen, refine)
        results["refined"] = refine
    if between is None:
        found = space.values(weights, small.points).clamp(-1, 1)
        results |= _compared(found, values, known if mask is None else None)
        rows = [weights[0]]
    else:
        others, wanted = _values(space, read_image(between))
        end = space.latents(others.observed(wanted, torch.arange(trained**2)))
        shares = torch.linspace(0, 1, pictures, device=latents.device)[:, None]
        rows = list(space.weights((1 - shares) * latents + shares * end))
        results["between"] = str(between)
    drawn = [picture_of(space, row, width, height) for row in rows]
    write_image(np.concatenate(drawn, axis=1), out, 8, overwrite=overwrite)
    return {
        "input": str(source),
        "output": str(out),
        "width": width * len(rows),
        "height": height,
        **results,
        "seconds_all": round(time.monotonic() - began, 2),
    }


def _written_size(
    picture: Picture, size: tuple[int, int] | None, zoom: float | None, count: int
) -> tuple[int, int]:
    """(width, height) of each of `count` pictures. Raises UsageError."""
    if zoom is not None and not 0 < zoom < float("inf"):
        raise UsageError(f"zoom {zoom:g}, expected above 0")
    side = central_square(picture)[2]
    width, height = size or (max(1, round((zoom or 1.0) * side)),) * 2
    if min(width, height) < 1:
        raise UsageError(f"size {width}x{height}, expected at least 1x1")
    if width * height * count > MAX_OUTPUT_PIXELS:
        raise UsageError(f"{width} x {height} pixels, expected at most {MAX_OUTPUT_PIXELS:,} in all")
    return width, height


def _random_mask(keep: int, trained: int, seed: int) -> NDArray[np.bool_]:
    """(trained²,) with `keep` pixels True. Raises UsageError."""
    if not 1 <= keep <= trained**2:
        raise UsageError(
            f"{keep} pixels to keep, expected 1 to {trained**2}: the space has {trained} x {trained}"
        )
    known = np.zeros(trained**2, bool)
    known[np.random.default_rng((seed, 3)).permutation(trained**2)[:keep]] = True
    return known


def picture_of(space: Learned, weights: Tensor, width: int, height: int) -> Float:
    """(height, width, c) from 0 to 1: the square by a field with these parameters (p,)."""
    grid = Grid((height, width), (1.0, 1.0))
    points = grid.points(torch.arange(len(grid))).to(space.device)
    found = space.values(weights[None], points)[0].clamp(-1, 1)
    return (found.double().cpu().numpy().reshape(height, width, -1) + 1) / 2


def refined(space: Learned, weights: Tensor, seen: Observation, steps: int) -> Tensor:
    """Parameters (b, p) fitted to the known pixels, starting from and staying close to predicted ones."""
    moved = torch.zeros_like(weights, requires_grad=True)
    adam = Muon(moved, beta2=0.999)
    with fast_kernels():
        for step in range(steps):
            found = space.space.values(weights + space.space.sizes * moved, seen.points)
            errors = (found - seen.values).square().mean(2)
            loss = (errors * seen.known).sum() / seen.known.sum() + REFINE_PENALTY * moved.square().mean()
            (gradient,) = torch.autograd.grad(loss, [moved])
            adam.step(gradient, REFINE_RATE * (1 - step / steps))
    return (weights + space.space.sizes * moved).detach()


def _values(space: Learned, picture: Picture) -> tuple[Pictures, Tensor]:
    """A picture as the space sees it: its square, resized, and the values (1, n, c) of its pixels."""
    square = cropped(picture, space.config.learning.size)
    if space.description["space"]["channels"] == 1:
        square = np.round(square.mean(2, keepdims=True)).astype(np.uint8)
    small = Pictures(square[None], space.device)
    return small, small.values(slice(None))


def _without(picture: Picture, missing: NDArray[np.bool_], size: int) -> tuple[Picture, NDArray[np.bool_]]:
    """The picture with missing pixels filled by the known ones' mean, and which pixels (size²,) are known.

    Pixels of the resized square are known if less than half missing.
    """
    values = picture.values.copy()
    if not missing.all():
        values[missing] = values[~missing].mean(0)
    shown = Picture(np.repeat((~missing)[..., None].astype(float), 3, axis=2), 8)
    return replace(picture, values=values), cropped(shown, size)[..., 0].ravel() > 127


def _compared(found: Tensor, wanted: Tensor, known: NDArray[np.bool_] | None) -> dict[str, float]:
    """Mean squared errors, values from 0 to 1: of all pixels and of the unknown ones."""
    if known is None:
        return {}
    errors = ((found - wanted)[0].square().mean(1) / 4).cpu().numpy()
    results = {"mse": float(errors.mean())}
    if not known.all():
        results["mse_missing"] = float(errors[~known].mean())
    return results

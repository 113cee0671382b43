"""Surface from oriented points: a signed distance, negative inside, zero on the scan.

    surface  |Φ(p)|                on the points of the scan
    normal   1 - cos(∇Φ(p), n)     on the points of the scan
    off      exp(-α |Φ(x)|)        uniform in the box
    eikonal  | ‖∇Φ(x)‖ - 1 |       on all of them
    prior    |Φ(x) - d(x)|         in the box and near the scan

The first four are the terms of Sitzmann et al. 2020, section 4.2 (arXiv:2006.09661). They leave the sign of
empty space open, and closed sheets stay there; the prior, an approximate signed distance from the scan
(`recon.scan.preparation.inside`), settles it. Every term is a mean over the samples it is defined on. The
gradient of their weighted sum is derived by hand, in one pass for each share of the rows; `terms` is the
plain version.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon.field.derivatives import value_and_gradient
from recon.field.kernels.fused import loss_gradient
from recon.field.siren import Siren
from recon.geometry import PointCloud
from recon.scan.preparation.inside import SpaceSamples
from recon.surface.settings import SurfaceConfig

MAX_DRAWN_STEPS, MAX_DRAWN_POINTS = 50, 1 << 20  # steps and points whose samples are drawn at once
MIN_GRADIENT_NORM = 1e-8  # smaller norms are not divided by


@dataclass(frozen=True)
class SurfaceBatch:
    """Points (n + m, 3): n of the scan, then m of space, the first `uniform` of them uniform in the box.

    In the unit frame, with the scan's `normals` (n, 3) and the prior's `distances` (m,).
    """

    points: Tensor
    normals: Tensor
    distances: Tensor
    uniform: int


def _mixed_seed(seed: int, step: int) -> int:
    """One 32-bit seed, all that a CPU generator heeds, out of two numbers."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1)[0])


def _huber(value: Tensor, width: float) -> Tensor:
    """The Huber loss over `width`: |value|, quadratic below it (Huber 1964, doi:10.1214/aoms/1177703732)."""
    size = value.abs()
    if not width:
        return size
    return torch.where(size < width, size * size / (2 * width), size - width / 2)


class SurfaceTask:
    """The task of `cloud` and `space`, samples around it, both in the unit frame, on `device`.

    A cloud without normals has no term "normal".
    """

    def __init__(
        self,
        cloud: PointCloud,
        space: SpaceSamples,
        config: SurfaceConfig,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.seed = seed
        self.rounding = config.rounding or 0.0
        self.points = torch.tensor(cloud.points, dtype=torch.float32, device=device)
        normals = np.zeros_like(cloud.points) if cloud.normals is None else cloud.normals
        self.normals = torch.tensor(normals, dtype=torch.float32, device=device)
        self.space = torch.tensor(space.points, device=device)
        self.distances = torch.tensor(space.distances, device=device)
        self.evenly = space.uniform
        self.uniform = max(1, round(config.off_surface * space.uniform / len(self.space)))  # of a batch
        self.weights = {"surface": config.surface, "off": config.off, "eikonal": config.eikonal}
        if cloud.normals is not None:
            self.weights["normal"] = config.normal
        if config.prior is not None:
            self.weights["prior"] = config.prior
        self._counted: tuple[tuple[int, int, int], Tensor] | None = None
        self._generator = torch.Generator(device)
        self._steps = max(
            1, min(MAX_DRAWN_STEPS, MAX_DRAWN_POINTS // (config.on_surface + config.off_surface))
        )
        self._draw(0)

    def sample(self, step: int, progress: float = 0.0) -> SurfaceBatch:
        """Random points of the scan and of space; a function of seed and step alone."""
        window, place = divmod(step, self._steps)
        if window != self._window:
            self._draw(window)
        return SurfaceBatch(self._points[place], self._normals[place], self._distances[place], self.uniform)

    def _draw(self, window: int) -> None:
        """The samples of a window of steps, a function of seed and window alone."""
        self._window = window
        self._generator.manual_seed(_mixed_seed(self.seed, window))
        on = self._indices(0, len(self.points), self.config.on_surface)
        even = self._indices(0, self.evenly, self.uniform)
        near = self._indices(self.evenly, len(self.space), self.config.off_surface - self.uniform)
        off = torch.cat((even, near), dim=1)
        self._points = torch.cat((self.points[on], self.space[off]), dim=1)
        self._normals, self._distances = self.normals[on], self.distances[off]

    def _indices(self, low: int, high: int, count: int) -> Tensor:
        device, high = self.points.device, max(high, low + 1)
        return torch.randint(low, high, (self._steps, count), generator=self._generator, device=device)

    def terms(self, field: Siren, batch: SurfaceBatch) -> dict[str, Tensor]:
        """The scalars named above, unweighted."""
        value, gradient = value_and_gradient(field, batch.points)
        n = len(batch.normals)
        on, off = value[:n], value[n:]
        norm = torch.linalg.vector_norm(gradient, dim=1)
        terms = {
            "surface": _huber(on, self.rounding).mean(),
            "off": torch.exp(-self.config.alpha * off[: batch.uniform].abs()).mean(),
            "eikonal": (norm - 1).abs().mean(),
        }
        if "normal" in self.weights:
            cosine = (gradient[:n] * batch.normals).sum(1) / norm[:n].clamp_min(MIN_GRADIENT_NORM)
            terms["normal"] = (1 - cosine).mean()
        if "prior" in self.weights:
            terms["prior"] = (off - batch.distances).abs().mean()
        return terms

    def gradient(
        self, field: Siren, batch: SurfaceBatch, weights: Mapping[str, float | Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The terms, and the gradient (p,) in `field.flat` of their sum with `weights`."""
        n, uniform, alpha = len(batch.normals), batch.uniform, self.config.alpha
        shares = self._shares(n, len(batch.distances), uniform, batch.points.device)
        given = [torch.as_tensor(weights[name], device=shares.device) for name in self.weights]
        factor = dict(zip(self.weights, (torch.stack(given) * shares).unbind(), strict=True))

        def loss_of_rows(rows: slice, value: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            on = slice(0, max(0, min(rows.stop, n) - rows.start))
            even = slice(on.stop, max(on.stop, min(rows.stop, n + uniform) - rows.start))
            off = slice(on.stop, len(value))
            nothing = value.new_zeros(())
            norm = torch.linalg.vector_norm(gradient, dim=1)
            inverse = norm.clamp_min(MIN_GRADIENT_NORM).reciprocal_()
            excess = norm.sub_(1)
            slope_grad = gradient * (excess.sign() * inverse).mul_(factor["eikonal"])[:, None]
            value_grad = torch.empty_like(value)
            sums = dict.fromkeys(self.weights, nothing)
            sums["eikonal"] = torch.linalg.vector_norm(excess, 1)
            if on.stop:
                sums["surface"] = self._on_surface(value[on], factor["surface"], value_grad[on])
            if "normal" in sums and on.stop:
                normals = batch.normals[rows.start : rows.start + on.stop]
                direction = gradient[on] * inverse[on, None]
                cosine = (direction * normals).sum(1)
                across = direction.mul_(cosine[:, None]).sub_(normals)
                slope_grad[on].addcmul_(across, (inverse[on] * factor["normal"])[:, None])
                sums["normal"] = on.stop - cosine.sum()
            if "prior" in sums and off.start < off.stop:
                first = rows.start + off.start - n
                error = value[off] - batch.distances[first : first + off.stop - off.start]
                torch.sign(error, out=value_grad[off]).mul_(factor["prior"])
                sums["prior"] = torch.linalg.vector_norm(error, 1)
            else:
                value_grad[off] = 0.0
            if even.start < even.stop:
                peak = value[even].abs().mul_(-alpha).exp_()
                sums["off"] = peak.sum()
                value_grad[even].addcmul_(peak.mul_(factor["off"]), value[even].sign(), value=-alpha)
            return value_grad, slope_grad, torch.stack(list(sums.values()))

        flat, sums = loss_gradient(field, batch.points, loss_of_rows)
        return dict(zip(self.weights, (sums * shares).unbind(), strict=True)), flat

    def _shares(self, on: int, off: int, uniform: int, device: torch.device) -> Tensor:
        """The weight of one sample in the mean of each term, in the order of the weights."""
        if self._counted is None or self._counted[0] != (on, off, uniform):
            shares = {
                "surface": 1 / on,
                "off": 1 / uniform,
                "eikonal": 1 / (on + off),
                "normal": 1 / on,
                "prior": 1 / off,
            }
            values = torch.tensor([shares[name] for name in self.weights], device=device)
            self._counted = (on, off, uniform), values
        return self._counted[1]

    def _on_surface(self, value: Tensor, factor: Tensor, slope: Tensor) -> Tensor:
        """The sum of the term over values (n,); its derivative, times `factor`, is written to `slope`."""
        if not self.rounding:
            torch.sign(value, out=slope).mul_(factor)
            return torch.linalg.vector_norm(value, 1)
        torch.mul((value / self.rounding).clamp_(-1, 1), factor, out=slope)
        return _huber(value, self.rounding).sum()

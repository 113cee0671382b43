"""Surface from oriented points: a signed distance, negative inside, zero on the scan.

    surface  |Φ(p)|                on the points of the scan
    normal   1 - cos(∇Φ(p), n)     on the points of the scan
    off      exp(-α |Φ(x)|)        uniform in the box
    eikonal  | ‖∇Φ(x)‖ - 1 |       on all of them
    prior    |Φ(x) - d(x)|         in the box and near the scan

The first four are the terms of Sitzmann et al. 2020, section 4.2 (arXiv:2006.09661). They leave the
sign of empty space open, and closed sheets stay there; the prior, an approximate signed distance
that the scan itself gives (`recon.scan.inside`), settles it.

Every term is a mean over the samples that it is defined on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recon.config import SurfaceConfig
from recon.field.calculus import value_and_gradient
from recon.field.siren import Siren
from recon.geometry import PointCloud
from recon.scan.inside import SpaceSamples


@dataclass(frozen=True)
class SurfaceBatch:
    """points (n + m, 3): n of the scan, then m of space; normals (n, 3); distances (m,);
    uniform (m,) bool: which of the latter fill the box evenly."""

    points: Tensor
    normals: Tensor
    distances: Tensor
    uniform: Tensor


def _mixed(seed: int, step: int) -> int:
    """One seed of 32 bits, all that a CPU generator heeds, out of two numbers."""
    return int(np.random.SeedSequence((seed, step)).generate_state(1)[0])


class SurfaceTask:
    """`cloud`, in the unit frame and oriented, and `space`, samples around it, on `device`."""

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
        self.points = torch.tensor(cloud.points, dtype=torch.float32, device=device)
        self.normals = torch.tensor(cloud.normals, dtype=torch.float32, device=device)
        self.space = torch.tensor(space.points, device=device)
        self.distances = torch.tensor(space.distances, device=device)
        self.uniform = space.uniform
        self._generator = torch.Generator(device)
        self.weights = {
            "surface": config.surface,
            "normal": config.normal,
            "off": config.off,
            "eikonal": config.eikonal,
        }
        if config.prior is not None:
            self.weights["prior"] = config.prior

    def sample(self, step: int) -> SurfaceBatch:
        """Random points of the scan and of space; a function of seed and step alone."""
        generator = self._generator.manual_seed(_mixed(self.seed, step))
        device = self.points.device
        on = torch.randint(len(self.points), (self.config.on_surface,), generator=generator, device=device)
        off = torch.randint(len(self.space), (self.config.off_surface,), generator=generator, device=device)
        points = torch.cat((self.points[on], self.space[off]))
        return SurfaceBatch(points, self.normals[on], self.distances[off], off < self.uniform)

    def terms(self, field: Siren, batch: SurfaceBatch) -> dict[str, Tensor]:
        """The scalars named above, unweighted."""
        value, gradient = value_and_gradient(field, batch.points)
        n = len(batch.normals)
        on, off = value[:n], value[n:]
        norm = torch.linalg.vector_norm(gradient, dim=1)
        cosine = (gradient[:n] * batch.normals).sum(1) / norm[:n].clamp_min(1e-8)
        share = batch.uniform / batch.uniform.sum().clamp_min(1)
        terms = {
            "surface": on.abs().mean(),
            "normal": (1 - cosine).mean(),
            "off": (torch.exp(-self.config.alpha * off.abs()) * share).sum(),
            "eikonal": (norm - 1).abs().mean(),
        }
        if "prior" in self.weights:
            terms["prior"] = (off - batch.distances).abs().mean()
        return terms

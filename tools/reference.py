"""The published method, plainly: a signed distance fitted to oriented points by a SIREN.

Sitzmann, Martel, Bergman, Lindell, Wetzstein, "Implicit Neural Representations with Periodic Activation
Functions", NeurIPS 2020, arXiv:2006.09661, section 4.2, with the constants of its public code:

    surface  3e3   |Φ(p)|                points of the cloud
    normal   1e2   1 - cos(∇Φ(p), n)     points of the cloud
    off      1e2   exp(-100 |Φ(x)|)      uniform in the box
    eikonal  5e1   | ‖∇Φ(x)‖ - 1 |       all of them

every mean over all samples of the batch; 1,400 points on the surface and 1,400 off it, fresh every step;
Adam at a constant 1e-4, the gradient's norm clipped at 1; 256 wide, 3 hidden sine layers, ω = 30.

It is what `recon` is measured against, and shares no code with its training: ordinary PyTorch modules, the
input gradient by double backward. Where the publication leaves a choice or would put it at a disadvantage
that has nothing to do with training, it gets what `recon` gets:

- the same frame, and the same box around the points (not the whole cube) to draw space from and to mesh;
- the same extraction;
- points that lie on the device and are drawn there, instead of a data loader.

Its mesh keeps all parts, ghost sheets in empty space too, which are the method's own fault; what it would be
without them, `recon.meshing.components.keep_parts` shows.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

import recon

WEIGHTS = {"surface": 3e3, "normal": 1e2, "off": 1e2, "eikonal": 5e1}
ALPHA = 100.0
RATE, CLIP = 1e-4, 1.0
GPU_STEPS = 10  # between two looks at the clock, for which a GPU has to be waited for


class Siren(nn.Module):
    """(n, 3) unit coordinates → (n,) values."""

    def __init__(
        self, width: int = 256, hidden: int = 3, omega: float = 30.0, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.omega = omega
        self.layers = nn.ModuleList()
        for fan_in, fan_out in pairwise([3, *[width] * (hidden + 1), 1]):
            layer = nn.Linear(fan_in, fan_out)
            bound = math.sqrt(6 / fan_in) / omega if self.layers else 1 / fan_in
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.uniform_(layer.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in), generator=generator)
            self.layers.append(layer)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = torch.sin(self.omega * layer(x))
        return self.layers[-1](x).squeeze(1)


def value_and_gradient(field: nn.Module, x: Tensor, *, create_graph: bool = False) -> tuple[Tensor, Tensor]:
    """Φ (n,) and ∇Φ (n, 3) at x (n, 3), by autograd; with `create_graph`, to be differentiated again."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = field(x)
        (gradient,) = torch.autograd.grad(value.sum(), x, create_graph=create_graph)
    return (value if create_graph else value.detach()), gradient


def published_terms(value: Tensor, gradient: Tensor, normals: Tensor) -> dict[str, Tensor]:
    """The four terms, unweighted, as means over the whole batch.

    value     (n + m,) Φ, of n points on the surface and then m off it
    gradient  (n + m, 3) ∇Φ
    normals   (n, 3) unit, outward
    """
    n, count = len(normals), len(value)
    cosine = nn.functional.cosine_similarity(gradient[:n], normals, dim=1)
    return {
        "surface": value[:n].abs().sum() / count,
        "normal": (1 - cosine).sum() / count,
        "off": torch.exp(-ALPHA * value[n:].abs()).sum() / count,
        "eikonal": (gradient.norm(dim=1) - 1).abs().mean(),
    }


class Reference:
    """A run of the method on `cloud`, world, with normals; to be trained on and meshed at any moment.

    frame, box      of the field: `recon.Frame` around the points, and their box (2, 3) with the margin, unit
    steps, seconds  of training so far
    """

    def __init__(
        self,
        cloud: recon.PointCloud,
        *,
        width: int = 256,
        hidden: int = 3,
        on: int = 1400,
        off: int = 1400,
        margin: float = 0.1,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if cloud.normals is None:
            raise recon.ReconError(f"{cloud.source} has no normals, which the published method needs")
        self.frame = recon.Frame.around(cloud.points, margin)
        points = self.frame.to_unit(cloud.points)
        self.box = np.stack([points.min(0) - margin, points.max(0) + margin])
        self.on, self.off, self.device = on, off, torch.device(device)
        self.points, self.normals, self.corners = (
            torch.tensor(array, dtype=torch.float32, device=self.device)
            for array in (points, cloud.normals, self.box)
        )
        self.generator = torch.Generator(self.device).manual_seed(seed)
        initial = torch.Generator().manual_seed(seed)
        self.field = Siren(width, hidden, generator=initial).to(self.device)
        self.optimizer = torch.optim.Adam(self.field.parameters(), lr=RATE)
        self.steps, self.seconds = 0, 0.0

    def train(self, *, seconds: float = math.inf, steps: float = math.inf) -> None:
        """Go on until `seconds` or `steps` of training in all, whichever comes first."""
        on_gpu = self.device.type == "cuda"
        while self.seconds < seconds and self.steps < steps:
            start = time.perf_counter()
            for _ in range(int(min(GPU_STEPS if on_gpu else 1, steps - self.steps))):
                self.step()
            if on_gpu:
                torch.cuda.synchronize(self.device)
            self.seconds += time.perf_counter() - start

    def step(self) -> None:
        chosen = torch.randint(len(self.points), (self.on,), generator=self.generator, device=self.device)
        space = torch.rand((self.off, 3), generator=self.generator, device=self.device)
        low, high = self.corners
        x = torch.cat((self.points[chosen], low + (high - low) * space))
        value, gradient = value_and_gradient(self.field, x, create_graph=True)
        terms = published_terms(value, gradient, self.normals[chosen])
        loss = torch.stack([WEIGHTS[name] * term for name, term in terms.items()]).sum()
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.field.parameters(), CLIP)
        self.optimizer.step()
        self.steps += 1

    def mesh(self, resolution: int) -> recon.Mesh:
        """The surface so far, world units, all parts; `resolution` samples along the box's longest side.

        Raises ExtractError where the field has no surface yet.
        """
        mesh = recon.extract(
            self.field,
            self.box,
            resolution,
            value_and_gradient=lambda x: value_and_gradient(self.field, x),
            device=self.device,
        )
        return replace(mesh, vertices=self.frame.to_world(mesh.vertices))

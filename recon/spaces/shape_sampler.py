"""A family of solids in closed form: a rounded box, with a rod along one axis added or cut out.

A space of shapes is trained and tested on signed distances, negative inside, of endless draws from it. A
union has its exact distance outside, and a difference inside; elsewhere corners between the two have a bound
of it (Quilez, "3D distance functions", iquilezles.org). Signals are truncated distances over `TRUNCATION`: 1
is far outside. Known are points of a shape's surface with their normals, from all of it or from one side.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.spaces.encoders import Observation
from recon.spaces.task import SpaceBatch

TRUNCATION = 0.3  # at which distances are truncated, unit frame
NEAR_SIGMA = 0.05  # standard deviation of samples around the surface, unit frame
MIN_KNOWN_POINTS, MAX_KNOWN_POINTS = 30, 400  # in training
PROJECTION_STEPS, SURFACE_TOLERANCE = 6, 2e-3  # to the surface; distance within which a point counts as on it
OVERSAMPLING = 6  # points drawn for each one used


@dataclass(frozen=True)
class Solids:
    """Parameters of b shapes, lengths in the unit frame: a box at the origin and a rod.

    `half` (b, 3) and `rounding` (b,) are the box's; the rod has an `axis` (b,), a middle `place` (b, 3), half
    its `length` (b,) and a `radius` (b,); it is `cut` (b,) out or added.
    """

    half: Tensor
    rounding: Tensor
    axis: Tensor
    place: Tensor
    length: Tensor
    radius: Tensor
    cut: Tensor

    def __getitem__(self, which: Tensor | slice) -> "Solids":
        return Solids(*(part[which] for part in vars(self).values()))

    def __len__(self) -> int:
        return len(self.axis)


def random_solids(count: int, generator: torch.Generator) -> Solids:
    """Random shapes of the family, on the CPU; all within a box from -1 to 1."""
    uniform = torch.rand(count, 10, generator=generator)
    half = 0.2 + 0.45 * uniform[:, :3]
    thinnest = half.min(1).values
    rounding, radius = 0.15 * thinnest * uniform[:, 3], thinnest * (0.35 + 0.35 * uniform[:, 4])
    axis = (3 * uniform[:, 5]).long().clamp_max(2)
    place = (half * (1.2 * uniform[:, 6:9] - 0.6)).scatter(1, axis[:, None], 0.0)
    length = 0.7 + 0.2 * uniform[:, 9]
    return Solids(half, rounding, axis, place, length, radius, torch.rand(count, generator=generator) < 0.5)


def distances(solids: Solids, x: Tensor) -> Tensor:
    """Signed distances (b, n) at x (b, n, 3) or (n, 3)."""
    x = x.expand(len(solids), *x.shape[-2:])
    rounding = solids.rounding[:, None]
    box = _outside(x.abs() - (solids.half - solids.rounding[:, None])[:, None]) - rounding
    off = x - solids.place[:, None]
    along = off.gather(2, solids.axis[:, None, None].expand(-1, x.shape[1], 1))[..., 0]
    across = (off.square().sum(2) - along.square()).clamp_min(1e-12).sqrt()
    sides = torch.stack((across - solids.radius[:, None], along.abs() - solids.length[:, None]), 2)
    rod = _outside(sides)
    return torch.where(solids.cut[:, None], torch.maximum(box, -rod), torch.minimum(box, rod))


def _outside(sides: Tensor) -> Tensor:
    """The signed distance of an intersection of orthogonal slabs with distances (…, k)."""
    beyond = sides.clamp_min(0)
    return beyond.square().sum(-1).clamp_min(1e-18).sqrt() + sides.max(-1).values.clamp_max(0)


def on_surface(solids: Solids, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Points of the surfaces and their normals (b, count, 3), and which (b, count) are on it."""
    x = 2 * torch.rand(len(solids), count, 3, generator=generator) - 1
    x = x.to(solids.half.device)
    for _ in range(PROJECTION_STEPS):
        d, gradient = _with_gradient(solids, x)
        x = x - d[..., None] * gradient
    d, gradient = _with_gradient(solids, x)
    return x, gradient, d.abs() < SURFACE_TOLERANCE


def _with_gradient(solids: Solids, x: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        d = distances(solids, x)
        (gradient,) = torch.autograd.grad(d.sum(), [x])
    return d.detach(), gradient / gradient.norm(dim=2, keepdim=True).clamp_min(1e-9)


def observe(solids: Solids, count: int, whole: bool, generator: torch.Generator) -> Observation:
    """`count` points of each surface with normals: of the whole, or of the side facing a random direction."""
    points, normals, on = on_surface(solids, OVERSAMPLING * count, generator)
    if not whole:
        towards = torch.randn(len(solids), 3, generator=generator).to(points.device)
        towards = towards / towards.norm(dim=1, keepdim=True)
        on = on & ((normals * towards[:, None]).sum(2) > 0) & ((points * towards[:, None]).sum(2) > 0)
    chosen = (
        (on.float() + 1e-6 * torch.rand(on.shape, generator=generator).to(on.device)).topk(count, 1).indices
    )
    known = on.gather(1, chosen).float()
    known[:, 0] = 1.0
    where = chosen[..., None].expand(-1, -1, 3)
    return Observation(points.gather(1, where), normals.gather(1, where), known)


def truncated_distances(solids: Solids, x: Tensor) -> Tensor:
    """(b, n, 1) from -1 to 1: the targets of fields at x."""
    return (distances(solids, x) / TRUNCATION).clamp(-1, 1)[..., None]


class ShapeSampler:
    """For a `SpaceTask`: new shapes every step, with points known of the whole surface or of one side.

    Targets are points around the surface and in the box.
    """

    def __init__(self, batch: int, targets: int, halves: float, device: torch.device | str = "cpu") -> None:
        self.batch, self.targets, self.halves, self.device = batch, targets, halves, device
        self.fixed = torch.device(device).type == "cuda"

    def __call__(self, step: int, generator: torch.Generator) -> SpaceBatch:
        """The batch of a step."""
        solids = random_solids(self.batch, generator)
        solids = Solids(*(part.to(self.device) for part in vars(solids).values()))
        kind, amount = torch.rand(2, generator=generator).tolist()
        low, high = math.log(MIN_KNOWN_POINTS), math.log(MAX_KNOWN_POINTS)
        count = MAX_KNOWN_POINTS if self.fixed else round(math.exp(low + amount * (high - low)))
        seen = observe(solids, count, kind >= self.halves, generator)
        near, _, _ = on_surface(solids, self.targets // 2, generator)
        near = near + NEAR_SIGMA * torch.randn(near.shape, generator=generator).to(near.device)
        far = 2 * torch.rand(near.shape, generator=generator).to(near.device) - 1
        x = torch.cat((near, far), 1).clamp(-1, 1)
        return SpaceBatch(seen, x, truncated_distances(solids, x))

"""What a trained field tells of points: arrays are answered by arrays, tensors by tensors on their device."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.errors import ShapeError, check_number, shown
from recon.field.heads import HeadedField
from recon.field.jet import hessian_order
from recon.field.kernels import fast_kernels
from recon.geometry import Float, Frame
from recon.meshing.extraction import Grid

Points = TypeVar("Points", Float, Tensor)  # (…, 3), world; of an array's kind are the results
CHUNK_POINTS = 1 << 12
PROJECTION_STEPS, PROJECTION_TOLERANCE = 40, 1e-6  # of Φ
MIN_SLOPE = 0.3  # a smaller ‖∇Φ‖ says nothing about the way to the surface
HESSIAN = torch.tensor([[0, 1, 2], [1, 3, 4], [2, 4, 5]])  # of its rows with a ≤ b
MAX_GRID_SAMPLES = 1024  # a side


@dataclass(frozen=True, eq=False)
class DistanceGrid:
    """Signed distances on a dense grid, as libraries for voxels take them.

    Attributes:
        values: (nx, ny, nz) float32, world units, negative inside.
        origin: (3,) float64, world: the place of `values[0, 0, 0]`.
        spacing: between samples, world.
    """

    values: NDArray[np.float32]
    origin: Float
    spacing: float


@dataclass(frozen=True, eq=False)
class Queries:
    """A field in its frame, asked at points (…, 3), world, of any leading shape.

    Beyond `box`, where nothing was trained, the distance is that at the nearest point of the box, and the way
    there: of a true distance, no less than the true one.

    Points are numpy arrays, or what numpy makes an array of, and the results float64 arrays; or they are
    torch tensors, and the results tensors of their type on their device. Every method raises ShapeError for
    points of another shape or not finite.

    Attributes:
        field: Φ, on the unit frame.
        frame: between world and unit.
        box: (2, 3) float64, unit: where the field was trained, the scan's box and the margin.
    """

    field: HeadedField
    frame: Frame
    box: Float

    @property
    def device(self) -> torch.device:
        """The device of the field."""
        return self.field.device

    def distance(self, points: Points) -> Points:
        """Signed distance (…), world units, negative inside.

        Of tensors that require a gradient it has one, for losses and optimisers; no second one.
        """
        if isinstance(points, Tensor) and points.requires_grad:
            return _Distance.apply(points, self)
        return self.distance_and_gradient(points)[0]

    def distance_and_gradient(self, points: Points) -> tuple[Points, Points]:
        """The same, (…), and its gradient (…, 3), dimensionless: of length 1 where the distance is true."""
        flat, back = _taken(points)
        value, gradient = self._in_chunks(flat, self._value_and_gradient)
        return back(value * self.frame.scale), back(gradient)

    def _value_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Φ (n,) and ∇Φ (n, 3) at points (n, 3), all unit, continued beyond the box."""
        low, high = torch.tensor(self.box, dtype=x.dtype, device=x.device)
        within = x.clamp(low, high)
        value, gradient = self.field.value_and_gradient(within)
        outside = (x != within).any(1).nonzero().squeeze(1)
        if len(outside):
            away = (x - within)[outside] * torch.where(value[outside] < 0, -1, 1)[:, None]
            far = away.norm(dim=1)
            gradient = gradient.index_copy(0, outside, away / far[:, None])
            value = value.index_add(0, outside, torch.where(value[outside] < 0, -far, far))
        return value, gradient

    def gradient(self, points: Points) -> Points:
        """The gradient (…, 3) of the distance, dimensionless."""
        return self.distance_and_gradient(points)[1]

    def normal(self, points: Points) -> Points:
        """The direction (…, 3) in which the distance grows, of length 1: on the surface, its normal."""
        flat, back = _taken(points)
        _, gradient = self._in_chunks(flat, self._value_and_gradient)
        return back(gradient / gradient.norm(dim=1, keepdim=True).clamp(min=1e-12))

    def curvature(self, points: Points) -> Points:
        """The mean curvature (…), 1 / world unit, of the level set through each point: 1/r of a ball.

        That is ½ div(∇Φ / ‖∇Φ‖), in closed form (Goldman 2005, doi:10.1016/j.cagd.2005.06.005).
        """
        flat, back = _taken(points)
        return back(self._in_chunks(flat, self._mean_curvature)[0] / self.frame.scale)

    def _mean_curvature(self, x: Tensor) -> tuple[Tensor]:
        jet = self.field.jet(x, hessian_order(3))
        g, second = jet.gradient[..., 0].T, jet.second[..., 0].T[:, HESSIAN.to(x.device)]
        length = g.norm(dim=1).clamp(min=1e-12)
        trace = second.diagonal(dim1=1, dim2=2).sum(1)
        along = torch.einsum("ni,nij,nj->n", g, second, g)
        return ((length**2 * trace - along) / (2 * length**3),)

    def contains(self, points: Points) -> Any:
        """Whether points are inside (…), bool."""
        return self.distance_and_gradient(points)[0] < 0

    def project(self, points: Points) -> Points:
        """The nearest point of the surface to each, (…, 3): Newton steps, halved where they go uphill.

        Exact near the surface. Points with several ways to it, as in the middle, go one of them; some of
        those far away may end in a valley of the field, all the more if it has hardly trained: ask their
        `distance`.
        """
        flat, back = _taken(points)
        moved, left = flat.clone(), torch.arange(len(flat), device=flat.device)
        value, gradient = self._in_chunks(moved, self._value_and_gradient)
        share = torch.ones_like(value)
        for _ in range(PROJECTION_STEPS):
            left = left[value[left].abs() > PROJECTION_TOLERANCE]
            if not len(left):
                break
            slope = gradient[left].norm(dim=1).clamp(min=MIN_SLOPE)
            way = (share[left] * value[left] / slope**2)[:, None] * gradient[left]
            tried = moved[left] - self.frame.scale * way
            new_value, new_gradient = self._in_chunks(tried, self._value_and_gradient)
            better = new_value.abs() < value[left].abs()
            share[left] = torch.where(better, (2 * share[left]).clamp(max=1), share[left] / 2)
            good = left[better]
            moved[good], value[good] = tried[better], new_value[better]
            gradient[good] = new_gradient[better]
        return back(moved)

    def grid(self, resolution: int = 128) -> DistanceGrid:
        """Signed distances over the box: `resolution` samples, 4 to 1024, along its longest side.

        Raises UsageError for another resolution.
        """
        check_number("resolution", resolution, 4, MAX_GRID_SAMPLES, whole=True)
        grid = Grid.over(self.box, resolution)
        values = np.empty(grid.samples, np.float32)
        index = torch.cartesian_prod(*(torch.arange(n) for n in grid.samples[1:]))
        for row, layer in enumerate(values):
            places = grid.points(torch.cat([torch.full((len(index), 1), row), index], dim=1))
            layer[...] = self.distance(self.frame.to_world(places.numpy())).reshape(layer.shape)
        return DistanceGrid(values, self.frame.to_world(grid.origin), grid.cell * self.frame.scale)

    def _in_chunks(
        self, world: Tensor, function: Callable[[Tensor], tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...]:
        """`function` of points (n, 3), unit, for points (n, 3) float64, world; on their device, float64."""
        centre = torch.tensor(self.frame.center, device=world.device)
        pieces = list[tuple[Tensor, ...]]()
        with torch.no_grad(), fast_kernels():
            for part in world.split(CHUNK_POINTS):
                unit = ((part - centre) / self.frame.scale).to(self.device, self.field.dtype)
                pieces.append(tuple(found.to(world.device, torch.float64) for found in function(unit)))
        return tuple(torch.cat(parts) for parts in zip(*pieces, strict=True))


class _Distance(torch.autograd.Function):
    """The distance with its gradient, for tensors."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, queries: Queries) -> Tensor:
        value, gradient = queries.distance_and_gradient(points.detach())
        ctx.save_for_backward(gradient)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return above[..., None] * gradient, None


def _taken(points: Any) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Points (…, 3) as (n, 3) float64, and what gives results (n,) or (n, 3) their shape and kind."""
    if isinstance(points, Tensor):
        given, kind = points.detach(), points.dtype if points.is_floating_point() else torch.float64
    else:
        try:
            given, kind = torch.tensor(np.asarray(points, np.float64)), torch.float64
        except (TypeError, ValueError):
            raise ShapeError(f"points is {shown(points)}, expected numbers (…, 3)") from None
    shape = given.shape
    if not shape or shape[-1] != 3 or given.is_complex():
        raise ShapeError(f"points has shape {tuple(shape)}, expected (…, 3)")
    flat = given.reshape(-1, 3).double()
    if not flat.isfinite().all():
        raise ShapeError("points holds numbers that are not finite")

    def back(found: Tensor) -> Any:
        shaped = found.reshape(shape[:-1] + found.shape[1:]).to(kind)
        return shaped if isinstance(points, Tensor) else shaped.numpy()

    return flat, back

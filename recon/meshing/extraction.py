"""The zero set of a signed distance as a triangle mesh: the dense grid's result at the surface's cost.

1. `bricks.py` samples Φ on a thin band of bricks around the surface, and nowhere else.
2. `marching_cubes.py` marches over their cells.
3. Vertices move along the field's gradient onto the zero set (Newton's method, less than half a
   cell), which leaves the error of the flat triangles alone, and take their normals from it.
4. Where that leaves a triangle lower than `MIN_TRIANGLE_HEIGHT`, its vertices go back as far as they must.

All of it runs on the field's device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from recon.base.device import choose_device
from recon.errors import ExtractError, ShapeError, check_callable, check_kind, check_number, shown
from recon.geometry import Mesh, checked_rows
from recon.meshing.bricks import Bricks, Field, Progress, bricks_around_surface
from recon.meshing.marching_cubes import march
from recon.meshing.slivers import MIN_TRIANGLE_HEIGHT, heights

Sdf = Callable[[Tensor], Tensor]
ValueAndGradient = Callable[[Tensor], tuple[Tensor, Tensor]]

CPU_CHUNK_POINTS, GPU_CHUNK_POINTS = 1 << 14, 1 << 18  # with gradients 2 GB at 128 units a layer
NEWTON_STEPS = 2
MAX_SAFE_STEP = 0.02  # in cells: a shorter first step leaves a Φ of the order of its square
MAX_RESOLUTION = 1 << 16  # samples a side
MAX_LIPSCHITZ = 1e9
MIN_STEP_SHARE = 0.25  # of a vertex's way to the zero set: it goes this far, or stays where it was


@dataclass(frozen=True)
class Grid:
    """Samples `origin + cell * (first + index)`, with indices 0..2*bricks along each axis.

    Attributes:
        origin: (3,) float64, frame of the field.
        cell: edge length of a cell.
        bricks: numbers of bricks (2 cells) along x, y, z.
        first: where a part of a larger grid begins in it; its samples are at the same places to the last bit.
        exact: of each axis, the indices of planes whose samples are all evaluated and none interpolated, so
            that parts which meet there agree.
    """

    origin: NDArray[np.float64]
    cell: float
    bricks: tuple[int, int, int]
    first: tuple[int, int, int] = (0, 0, 0)
    exact: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]] = ((), (), ())

    @classmethod
    def over(cls, box: ArrayLike, resolution: int) -> Grid:
        """The grid centred on `box` ((2, 3), low and high corner), in whole bricks. Raises ExtractError."""
        if np.shape(box) != (2, 3):
            raise ShapeError(f"box has shape {np.shape(box)}, expected (2, 3)")
        low, high = np.asarray(box, np.float64)
        side = high - low
        if not (np.isfinite(side).all() and (side > 0).all()):
            raise ExtractError(f"the box from {low} to {high} has no volume")
        if resolution < 4:
            raise ExtractError(f"resolution {resolution} is too coarse: at least 4 samples are needed")
        cell = float(side.max()) / (resolution - 1)
        bricks = np.ceil(side / (2 * cell) - 1e-9).astype(int)
        return cls((low + high) / 2 - bricks * cell, cell, (int(bricks[0]), int(bricks[1]), int(bricks[2])))

    @property
    def samples(self) -> tuple[int, int, int]:
        """Numbers of samples along x, y, z."""
        nx, ny, nz = self.bricks
        return 2 * nx + 1, 2 * ny + 1, 2 * nz + 1

    def points(self, index: Tensor) -> Tensor:
        """(n, 3) grid indices, whole or fractional → (n, 3) float64."""
        first = torch.tensor(self.first, dtype=torch.float64, device=index.device)
        return torch.as_tensor(self.origin, device=index.device) + self.cell * (first + index.double())


def extract(
    sdf: Sdf,
    box: ArrayLike,
    resolution: int,
    *,
    value_and_gradient: ValueAndGradient | None = None,
    lipschitz: float | None = None,
    closed: bool = False,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    progress: Progress = lambda share: None,
) -> Mesh:
    """Extracts the surface {Φ = 0} inside `box` as a mesh, in the field's frame.

    Faces point outward, where Φ grows. The mesh is closed unless the surface leaves the box and `closed` is
    false.

    Args:
        sdf: (n, 3) points → (n,) values, negative inside; any callable.
        box: (2, 3) low and high corner.
        resolution: samples along the box's longest side.
        value_and_gradient: (n, 3) → (n,), (n, 3), for the vertices; by default central differences of `sdf`.
        lipschitz: a bound of ‖∇Φ‖; by default the largest of many samples, with a margin; what it misses is
            recovered (see `recon.meshing.bricks`).
        closed: all of the grid's border counts as outside.
        dtype: of the points given to the callables.
        device: of these points.
        progress: called with the share done, 0..1.

    Raises:
        ExtractError: no surface crosses the grid, or the field is not finite.
        UsageError: arguments of other kinds or out of range.
    """
    given = {"sdf": sdf, "progress": progress}
    given |= {} if value_and_gradient is None else {"value_and_gradient": value_and_gradient}
    for name, function in given.items():
        check_callable(name, function)
    if lipschitz is not None:
        check_number("lipschitz", lipschitz, 0, MAX_LIPSCHITZ)
    check_number("resolution", resolution, 1, MAX_RESOLUTION, whole=True)
    check_kind("closed", closed, bool, "True or False")
    check_kind("dtype", dtype, torch.dtype, "a torch.dtype")
    device = choose_device(device)
    grid = Grid.over(checked_rows(box, np.float64, 3, "box"), resolution)
    gradient = _checked_gradient(value_and_gradient or central_differences(sdf, grid.cell / 4))
    return surface_on(grid, sdf, gradient, lipschitz, closed, dtype, device, progress)[0]


def surface_on(
    grid: Grid,
    sdf: Sdf,
    gradient: ValueAndGradient,
    lipschitz: float | None = None,
    closed: bool = False,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    progress: Progress = lambda share: None,
    wanted: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[Mesh, NDArray[np.float64]]:
    """The surface on `grid`, and the grid index (n, 3) of each vertex before it moved onto the zero set.

    Surface may be missing where balls of centres (n, 3) and radii (n,), in the field's frame, are not
    `wanted` (n,). The other arguments and errors are those of `extract`.
    """
    field = _on_grid(sdf, gradient, grid, closed, dtype)
    if wanted is not None:
        field = replace(field, wanted=lambda index, cells: wanted(grid.points(index), grid.cell * cells))
    bricks = bricks_around_surface(field, grid.bricks, device, lipschitz, lambda share: progress(0.6 * share))
    found = march(bricks) if isinstance(bricks, Bricks) else None
    if found is None or not len(found[0]):
        below = bool((bricks.values < 0).any()) if isinstance(bricks, Bricks) else bricks < 0
        raise ExtractError(
            f"no surface in the box: the field is {'negative' if below else 'positive'} all over "
            f"a grid of {' x '.join(map(str, grid.samples))} samples"
        )
    index, faces = found
    del bricks, found
    start = grid.points(index)
    progress(0.7)
    points, normals = _onto_zero_set(
        gradient, start, grid.cell, dtype, lambda share: progress(0.7 + 0.3 * share)
    )
    _keep_height(points, start, faces, MIN_TRIANGLE_HEIGHT * grid.cell)
    mesh = Mesh(points.cpu().numpy(), faces.cpu().numpy().astype(np.int64), normals.cpu().numpy())
    return mesh, index.cpu().numpy()


def central_differences(sdf: Sdf, step: float) -> ValueAndGradient:
    """Value and second-order central-difference gradient of a callable: (n, 3) → (n,), (n, 3)."""

    def value_and_gradient(x: Tensor) -> tuple[Tensor, Tensor]:
        shifts = step * torch.eye(3, dtype=x.dtype, device=x.device)
        slopes = [(sdf(x + shift) - sdf(x - shift)) / (2 * step) for shift in shifts]
        return sdf(x), torch.stack(slopes, dim=1)

    return value_and_gradient


def _chunk(device: torch.device) -> int:
    return CPU_CHUNK_POINTS if device.type == "cpu" else GPU_CHUNK_POINTS


def _on_grid(sdf: Sdf, gradient: ValueAndGradient, grid: Grid, closed: bool, dtype: torch.dtype) -> Field:
    """The callables on grid indices, as `bricks.py` needs them; if `closed`, outside on the grid's border."""

    def values(index: Tensor) -> Tensor:
        out = torch.empty(len(index), device=index.device)
        for part, target in zip(
            index.split(_chunk(index.device)), out.split(_chunk(index.device)), strict=True
        ):
            points = grid.points(part).to(dtype)
            with torch.no_grad():
                found = _checked("sdf", sdf(points), points).reshape(-1) / grid.cell
            if closed:
                last = torch.tensor(grid.samples, device=part.device) - 1
                found = torch.where(((part <= 0) | (part >= last)).any(1), found.abs(), found)
            target.copy_(torch.where(found < 0, -1, 1) * found.abs().clamp(1e-4, 1e3))
            if not found.isfinite().all():
                raise ExtractError(f"the field is not finite at {points[~found.isfinite()][0].tolist()}")
        return out

    def slopes(index: Tensor) -> Tensor:
        with torch.no_grad():
            return gradient(grid.points(index).to(dtype))[1].norm(dim=1).float()

    return Field(values, slopes, grid.exact)


def _checked(name: str, values: object, points: Tensor, *columns: int) -> Tensor:
    """What a caller's function returned for `points`, (n, *columns). Raises ShapeError if that is not so."""
    sizes = len(points), *columns
    if not isinstance(values, Tensor) or values.shape not in (sizes, (*sizes, 1)):
        what = f"a tensor {tuple(values.shape)}" if isinstance(values, Tensor) else shown(values)
        raise ShapeError(f"{name} returned {what} for {len(points):,} points, expected a tensor {sizes}")
    return values


def _checked_gradient(value_and_gradient: ValueAndGradient) -> ValueAndGradient:
    def checked(points: Tensor) -> tuple[Tensor, Tensor]:
        found = value_and_gradient(points)
        if not isinstance(found, tuple) or len(found) != 2:
            raise ShapeError(f"value_and_gradient returned {shown(found)}, expected two tensors")
        value = _checked("value_and_gradient", found[0], points).reshape(-1)
        return value, _checked("value_and_gradient", found[1], points, 3)

    return checked


def _onto_zero_set(
    gradient: ValueAndGradient, points: Tensor, cell: float, dtype: torch.dtype, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Moves `points` (n, 3) along the gradient onto the zero set; returns them and their unit normals.

    Newton's steps go on until they are small, each reduces |Φ|, and none leaves half a cell around its start.
    (n, 3) each, float64.
    """
    moved, normals = torch.empty((2, *points.shape), dtype=torch.float64, device=points.device)
    done = 0
    for start in points.to(dtype).split(_chunk(points.device)):
        with torch.no_grad():
            value, slope = gradient(start)
            x, step = _newton(start, start, value, slope, cell)
            doubtful = (step > MAX_SAFE_STEP * cell).nonzero().squeeze(1)
            if len(doubtful):
                x[doubtful], slope[doubtful] = _guarded(
                    gradient, start[doubtful], value[doubtful], slope[doubtful], cell
                )
            unit = slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-30)
        part = slice(done, done + len(start))
        moved[part], normals[part] = x.double(), unit.double()
        done = part.stop
        progress(done / len(points))
    return moved, normals


def _newton(start: Tensor, x: Tensor, value: Tensor, slope: Tensor, cell: float) -> tuple[Tensor, Tensor]:
    """One Newton step from x, kept within half a cell of `start`: the new points, and the step's length."""
    step = value[:, None] * slope / (slope * slope).sum(1, keepdim=True).clamp_min(1e-12)
    shift = x - step - start
    length = shift.norm(dim=1, keepdim=True).clamp_min(1e-30)
    return start + shift * (0.5 * cell / length).clamp_max(1.0), step.norm(dim=1)


def _guarded(
    gradient: ValueAndGradient, start: Tensor, value: Tensor, slope: Tensor, cell: float
) -> tuple[Tensor, Tensor]:
    """Several steps, which must reduce |Φ| unless they are small; the points and their gradients."""
    x, slope, value = start.clone(), slope.clone(), value.clone()
    left = torch.arange(len(x), device=x.device)
    for _ in range(NEWTON_STEPS):
        trial, step = _newton(start[left], x[left], value[left], slope[left], cell)
        small = step <= MAX_SAFE_STEP * cell
        x[left[small]] = trial[small]
        left, trial = left[~small], trial[~small]
        trial_value, trial_slope = gradient(trial)
        better = trial_value.abs() < value[left].abs()
        left = left[better]
        x[left], value[left], slope[left] = trial[better], trial_value[better], trial_slope[better]
    return x, slope


def _keep_height(points: Tensor, start: Tensor, faces: Tensor, floor: float) -> None:
    """Moves `points` (n, 3) back to `start` (n, 3), by halves, where a triangle is lower than `floor`."""
    low = faces[heights(points, faces) < floor].long()
    if not len(low):
        return
    whole, share = points.clone(), torch.ones(len(points), dtype=points.dtype, device=points.device)
    while len(low):
        corners = low.unique()
        share[corners] = torch.where(share[corners] > MIN_STEP_SHARE, share[corners] / 2, 0.0)
        points[corners] = torch.lerp(start[corners], whole[corners], share[corners, None])
        touched = torch.zeros(len(points), dtype=torch.bool, device=points.device)
        touched[corners] = True
        around = faces[touched[faces].any(1)].long()
        low = around[(heights(points, around) < floor) & (share[around] > 0).any(1)]

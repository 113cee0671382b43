"""The zero set of a signed distance as a triangle mesh: the dense grid's result at the surface's cost.

1. From coarse to fine, a cell of half-diagonal r around c is dropped where |Φ(c)| > L r: a field with
   Lipschitz bound L has no zero in it. What is left is a thin band of *bricks*, 2 × 2 × 2 cells each.
2. Φ is sampled at the grid points of the bricks. Where the bound was too small for the field after
   all, the surface runs out of the bricks into a dropped one; such bricks are taken back, until
   none is left. What the bound can still lose is a closed part that no sampled brick touches.
3. Slab by slab, marching cubes (Lewiner et al. 2003, doi:10.1080/10867651.2003.10487582, through
   scikit-image) on a volume in which dropped cells only carry their sign. Slabs share the samples
   of the plane between them, so their vertices there are the same and are merged.
4. Vertices move along the field's gradient onto the zero set (Newton's method, less than half a
   cell), which leaves the error of the flat triangles alone, and take their normals from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from skimage.measure import marching_cubes
from torch import Tensor

from recon.errors import ExtractError
from recon.geometry import Mesh

Sdf = Callable[[Tensor], Tensor]
ValueAndGradient = Callable[[Tensor], tuple[Tensor, Tensor]]
Progress = Callable[[float], None]

BRICKS_A_SLAB = 16
CPU_CHUNK, GPU_CHUNK = 1 << 12, 1 << 18  # points at a time: what fits the caches, what fills a GPU
BATCH = 1 << 19  # points between two looks at the progress
NEWTON_STEPS = 2


@dataclass(frozen=True)
class Grid:
    """Samples `origin + cell * index`, index in 0..2*bricks along each axis.

    origin  (3,) float64, frame of the field
    cell    edge of a cell
    bricks  (3,) number of bricks (2 cells) along x, y, z
    """

    origin: NDArray[np.float64]
    cell: float
    bricks: tuple[int, int, int]

    @classmethod
    def over(cls, box: ArrayLike, resolution: int) -> Grid:
        """The grid centred on `box` ((2, 3), low and high corner) with `resolution` samples along
        its longest side, one more where that makes whole bricks."""
        low, high = np.asarray(box, np.float64)
        side = high - low
        if not (np.isfinite(side).all() and (side > 0).all()):
            raise ExtractError(f"the box from {low} to {high} has no volume to look for a surface in")
        if resolution < 4:
            raise ExtractError(f"resolution {resolution} is too coarse: at least 4 samples are needed")
        cell = float(side.max()) / (resolution - 1)
        bricks = np.ceil(side / (2 * cell) - 1e-9).astype(int)
        return cls((low + high) / 2 - bricks * cell, cell, (int(bricks[0]), int(bricks[1]), int(bricks[2])))

    @property
    def samples(self) -> tuple[int, int, int]:
        nx, ny, nz = self.bricks
        return 2 * nx + 1, 2 * ny + 1, 2 * nz + 1

    def points(self, index: NDArray) -> NDArray[np.float64]:
        return self.origin + self.cell * index


def extract(
    sdf: Sdf,
    box: ArrayLike,
    resolution: int,
    *,
    value_and_gradient: ValueAndGradient | None = None,
    lipschitz: float = 1.0,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    progress: Progress = lambda share: None,
) -> Mesh:
    """The surface {Φ = 0} inside `box`, in the field's frame, faces outward where Φ grows outward.

    sdf                 (n, 3) points → (n,) values, negative inside; any callable
    box                 (2, 3) low and high corner
    resolution          samples along the box's longest side
    value_and_gradient  (n, 3) → (n,), (n, 3), for the vertices; None: central differences of `sdf`
    lipschitz           a bound of ‖∇Φ‖: 1 for a distance; what it misses is recovered (see above)
    dtype, device       of the points given to the callables
    progress            called with the share done, 0..1

    The mesh is closed unless the surface leaves the box. Raises ExtractError where no surface
    crosses the grid, or where the field is not finite.
    """
    grid = Grid.over(box, resolution)
    evaluate = _evaluator(sdf, grid, dtype, device)
    active, sign = _bricks_near_surface(evaluate, grid, lipschitz)
    progress(0.1)
    keys, values = _sample(evaluate, grid, active, sign, lambda share: progress(0.1 + 0.5 * share))
    vertices, faces = _march(grid, keys, values, sign, lambda share: progress(0.6 + 0.1 * share))
    if not len(faces):
        raise ExtractError(
            f"no surface in the box: the field is {'negative' if (sign < 0).all() else 'positive'} all over "
            f"a grid of {' x '.join(map(str, grid.samples))} samples"
        )
    gradient = value_and_gradient or central_differences(sdf, grid.cell / 4)
    points, normals = _onto_zero_set(
        gradient, grid.points(vertices), grid.cell, dtype, device, lambda share: progress(0.7 + 0.3 * share)
    )
    return Mesh(points, faces, normals)


def central_differences(sdf: Sdf, step: float) -> ValueAndGradient:
    """Value and second-order central-difference gradient of a callable: (n, 3) → (n,), (n, 3)."""

    def value_and_gradient(x: Tensor) -> tuple[Tensor, Tensor]:
        shifts = step * torch.eye(3, dtype=x.dtype, device=x.device)
        slopes = [(sdf(x + shift) - sdf(x - shift)) / (2 * step) for shift in shifts]
        return sdf(x), torch.stack(slopes, dim=1)

    return value_and_gradient


def _chunks(n: int, device: torch.device | str) -> Iterator[slice]:
    size = CPU_CHUNK if torch.device(device).type == "cpu" else GPU_CHUNK
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _evaluator(sdf: Sdf, grid: Grid, dtype: torch.dtype, device: torch.device | str) -> Callable:
    """(n, 3) grid indices, whole or half → (n,) float32 values in cells, never within 1e-4 of zero
    (so that no vertex falls on a grid point), negative inside."""

    def evaluate(index: NDArray) -> NDArray[np.float32]:
        out = np.empty(len(index), np.float32)
        for part in _chunks(len(index), device):
            points = torch.as_tensor(grid.points(index[part]), dtype=dtype).to(device)
            with torch.no_grad():
                values = (sdf(points).reshape(-1) / grid.cell).cpu().numpy()
            if not np.isfinite(values).all():
                raise ExtractError(f"the field is not finite at {points[~np.isfinite(values)][0].tolist()}")
            out[part] = np.where(values < 0, -1, 1) * np.clip(np.abs(values), 1e-4, 1e3)
        return out

    return evaluate


def _bricks_near_surface(evaluate: Callable, grid: Grid, lipschitz: float) -> tuple[NDArray, NDArray]:
    """Which bricks may hold the surface, (bool, shape grid.bricks), and the sign of the others
    (int8, same shape)."""
    bricks = np.array(grid.bricks)
    size = 1 << max(0, int(np.log2(bricks.max() / 16)))  # in bricks
    shape = -(-bricks // size)
    cubes = np.indices(tuple(shape)).reshape(3, -1).T
    sign = np.ones(shape, np.int8)
    while True:
        low, high = cubes * size, np.minimum((cubes + 1) * size, bricks)
        values = evaluate((low + high).astype(np.float64))  # a brick is two cells: this is the centre
        half_diagonal = np.linalg.norm((high - low).astype(np.float64), axis=1)
        sign[tuple(cubes.T)] = np.where(values < 0, -1, 1)
        cubes = cubes[np.abs(values) <= lipschitz * half_diagonal]
        if size == 1:
            break
        size //= 2
        cubes = (2 * cubes[:, None] + np.indices((2, 2, 2)).reshape(3, 8).T).reshape(-1, 3)
        cubes = cubes[(cubes * size < bricks).all(1)]
        for axis in range(3):
            sign = np.repeat(sign, 2, axis=axis)
        nx, ny, nz = -(-bricks // size)
        sign = sign[:nx, :ny, :nz].copy()
    active = np.zeros(grid.bricks, bool)
    active[tuple(cubes.T)] = True
    return active, sign


def _sample(
    evaluate: Callable, grid: Grid, active: NDArray, sign: NDArray, progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Flat indices (sorted) and values of all samples on active bricks; `active` grows until no
    sign change reaches a brick that is not."""
    keys, values = np.empty(0, np.int64), np.empty(0, np.float32)
    while True:
        wanted = np.concatenate([_keys_of(grid, active, first) for first in _slabs(grid)])
        wanted = np.setdiff1d(wanted, keys, assume_unique=True)
        fresh = np.empty(len(wanted), np.float32)
        for start in range(0, len(wanted), BATCH):
            part = slice(start, start + BATCH)
            fresh[part] = evaluate(np.stack(np.unravel_index(wanted[part], grid.samples), axis=1))
            progress(min(1.0, part.stop / len(wanted)))
        keys, values = np.concatenate([keys, wanted]), np.concatenate([values, fresh])
        order = np.argsort(keys, kind="stable")
        keys, values = keys[order], values[order]
        grown = False
        for first in _slabs(grid):
            inside = _volume(grid, keys, values, sign, first) < 0
            some: NDArray = inside
            every: NDArray = inside
            for axis in range(3):
                lower = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
                upper = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
                some, every = some[lower] | some[upper], every[lower] & every[upper]
            crossed = some & ~every
            nx, ny, nz = (n // 2 for n in crossed.shape)
            crossed = crossed.reshape(nx, 2, ny, 2, nz, 2).any((1, 3, 5))
            slab = active[first : first + nx]
            grown |= bool((crossed & ~slab).any())
            slab |= crossed
        if not grown:
            return keys, values


def _slabs(grid: Grid) -> range:
    """First bricks, along x, of the slabs."""
    return range(0, grid.bricks[0], BRICKS_A_SLAB)


def _planes(grid: Grid, first: int) -> tuple[int, int]:
    """First and one past the last sample plane that the slab from brick `first` touches."""
    return 2 * first, 2 * min(first + BRICKS_A_SLAB, grid.bricks[0]) + 1


def _keys_of(grid: Grid, active: NDArray, first: int) -> NDArray[np.int64]:
    """Flat indices of the samples on active bricks; the plane shared with the next slab is the next one's."""
    start, stop = _planes(grid, first)
    if stop < grid.samples[0]:
        stop -= 1
    # The bricks left and right of sample p are (p - 1) // 2 and p // 2; one false brick pads each end.
    low = max(0, (start - 1) // 2)
    mask = np.pad(active[low : stop // 2 + 1], 1)
    for axis, samples in enumerate((np.arange(start, stop), *map(np.arange, grid.samples[1:]))):
        shift = 1 - low if axis == 0 else 1
        mask = mask.take((samples - 1) // 2 + shift, axis) | mask.take(
            np.minimum(samples // 2 + shift, mask.shape[axis] - 1), axis
        )
    return np.flatnonzero(mask) + start * grid.samples[1] * grid.samples[2]


def _volume(grid: Grid, keys: NDArray, values: NDArray, sign: NDArray, first: int) -> NDArray[np.float32]:
    """The slab's samples, in cells; where none was taken, far away with the brick's sign."""
    start, stop = _planes(grid, first)
    volume = sign[np.minimum(np.arange(start, stop) // 2, grid.bricks[0] - 1)].astype(np.float32) * 1e3
    for axis in (1, 2):
        volume = volume.take(np.minimum(np.arange(grid.samples[axis]) // 2, grid.bricks[axis] - 1), axis=axis)
    plane = grid.samples[1] * grid.samples[2]
    part = slice(*np.searchsorted(keys, (start * plane, stop * plane)))
    volume.reshape(-1)[keys[part] - start * plane] = values[part]
    return volume


def _march(
    grid: Grid, keys: NDArray, values: NDArray, sign: NDArray, progress: Progress
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices (n, 3) in grid indices and faces (m, 3) of the whole surface."""
    vertices: list[NDArray] = [np.empty((0, 3))]
    faces: list[NDArray] = [np.empty((0, 3), np.int64)]
    count = 0
    seam = np.empty(0, np.int64), np.empty(0, np.int64)  # keys and numbers of the last plane's vertices
    for first in _slabs(grid):
        volume = _volume(grid, keys, values, sign, first)
        inside = volume < 0
        if inside.all() or not inside.any():
            seam = np.empty(0, np.int64), np.empty(0, np.int64)
            continue
        found, triangles, _, _ = marching_cubes(volume, 0.0)
        found = found.astype(np.float64)
        number = np.arange(count, count + len(found))
        below = np.flatnonzero(found[:, 0] == 0)
        seam_keys = _edge_keys(found[below], grid)
        order = np.searchsorted(seam[0], seam_keys)
        known = order < len(seam[0])
        known[known] = seam[0][order[known]] == seam_keys[known]
        number[below[known]] = seam[1][order[known]]
        new = np.ones(len(found), bool)
        new[below[known]] = False
        number[new] = np.arange(count, count + new.sum())
        above = np.flatnonzero(found[:, 0] == len(volume) - 1)
        top_keys = _edge_keys(found[above], grid)
        order = np.argsort(top_keys)
        seam = top_keys[order], number[above[order]]
        vertices.append(found[new] + (2 * first, 0, 0))
        faces.append(number[triangles])
        count += int(new.sum())
        progress(min(1.0, (first + BRICKS_A_SLAB) / grid.bricks[0]))
    return np.concatenate(vertices), np.concatenate(faces)


def _edge_keys(vertices: NDArray, grid: Grid) -> NDArray[np.int64]:
    """One integer for the grid edge, within a plane of constant x, on which each vertex lies."""
    corner = np.floor(vertices[:, 1:]).astype(np.int64)
    along_z = vertices[:, 2] != corner[:, 1]
    return (corner[:, 0] * grid.samples[2] + corner[:, 1]) * 2 + along_z


def _onto_zero_set(
    gradient: ValueAndGradient,
    points: NDArray[np.float64],
    cell: float,
    dtype: torch.dtype,
    device: torch.device | str,
    progress: Progress,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Newton's steps along the gradient, each halving at least what is left of Φ and none leaving
    half a cell around the vertex; and the unit normals there. (n, 3) each, float64."""
    moved, normals = points.copy(), np.empty_like(points)
    for part in _chunks(len(points), device):
        start = torch.as_tensor(points[part], dtype=dtype).to(device)
        x = start
        with torch.no_grad():
            value, slope = gradient(x)
            for _ in range(NEWTON_STEPS):
                step = value[:, None] * slope / (slope * slope).sum(1, keepdim=True).clamp_min(1e-12)
                shift = x - step - start
                length = shift.norm(dim=1, keepdim=True).clamp_min(1e-30)
                trial = start + shift * (0.5 * cell / length).clamp_max(1.0)
                trial_value, trial_slope = gradient(trial)
                better = trial_value.abs() < value.abs()
                x = torch.where(better[:, None], trial, x)
                slope = torch.where(better[:, None], trial_slope, slope)
                value = torch.where(better, trial_value, value)
            unit = slope / slope.norm(dim=1, keepdim=True).clamp_min(1e-30)
        moved[part] = x.cpu().double().numpy()
        normals[part] = unit.cpu().double().numpy()
        progress(part.stop / len(points))
    return moved, normals

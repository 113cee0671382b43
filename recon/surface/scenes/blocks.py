"""The work on one block: fit its field, then mesh its cells; `pieces.py` finishes it. Each leaves files.

A task reads the files of the scene and of the block's neighbours, and writes its own; so tasks run in any
process, wherever the folder can be seen, and one that was killed is done again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from recon.base.files import atomic_path, write_json
from recon.base.run_files import RUN_FILE, read_arrays, reading
from recon.errors import ExtractError, ScanError
from recon.field.kernels import fast_kernels
from recon.geometry import Float, Int, PointCloud
from recon.meshing.extraction import Grid, surface_on
from recon.meshing.settings import trim_distance
from recon.meshing.trimming import Support
from recon.scan.preparation.context import Context
from recon.surface.pipeline import reconstruct
from recon.surface.reconstruction import load
from recon.surface.scenes.field import FITTED_FILE, SceneField, block_folder
from recon.surface.scenes.plan import Lattice, Plan
from recon.surface.scenes.sorting import SortedPoints
from recon.surface.settings import Config

SURFACE_FILE, SEAM_FILE = "surface.npz", "seam.npz"
HALO_SPACINGS = 12.0  # of surface beyond a block that trimming looks at
MIN_HALO = 2  # bricks: both sides of a cut see the same triangles there, and let vertices go as far

log = logging.getLogger("recon")


@dataclass(frozen=True)
class Scene:
    """What all tasks know."""

    folder: Path
    plan: Plan
    lattice: Lattice
    context: Context
    config: Config

    def of(self, number: int) -> Path:
        """The folder of a block."""
        return block_folder(self.folder, number)


def fit_block(scene: Scene, points: SortedPoints, number: int, device: str = "auto") -> None:
    """Fits the field of a block to its points and those of its margin; goes on where it was ended.

    A block to whose points no surface can be fitted has no field, which is told.
    """
    folder, plan = scene.of(number), scene.plan
    if (folder / FITTED_FILE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    low, high = plan.corners[number] + np.array([[-1.0], [1.0]]) * plan.margin
    cloud = points.within(plan.frame.to_world(low), plan.frame.to_world(high))
    steps = recoveries = 0
    try:
        block = reconstruct(cloud, scene.config, run=folder, device=device, context=scene.context)
        steps, recoveries = block.snapshot.step, block.snapshot.recoveries
    except ScanError as error:
        log.warning("there is no surface in it: %s", error)
    write_json(folder / FITTED_FILE, {"points": len(cloud), "steps": steps, "recoveries": recoveries})


def scan_of(scene: Scene, number: int) -> PointCloud:
    """The points that a fitted block and its margin were fitted to, in the unit frame of the scene."""
    scan = load(scene.of(number)).scan
    return replace(scan, points=scene.plan.frame.to_unit(scan.points), sensors=None)


def mesh_block(scene: Scene, number: int) -> None:
    """The surface in the cells of a block, and how well points support it."""
    folder, plan = scene.of(number), scene.plan
    if (folder / SURFACE_FILE).exists():
        return
    trims = scene.config.mesh.trim != "off" and (scene.context.open or trim_distance(scene.config.mesh.trim))
    halo = int(np.ceil(HALO_SPACINGS * plan.spacing / (2 * scene.lattice.grid.cell))) if trims else 0
    halo = max(halo, MIN_HALO)
    thin = (scene.lattice.lows[number] >= scene.lattice.highs[number]).any()  # less than a brick
    if thin or not (folder / RUN_FILE).exists():
        _save_nothing(folder)
        return
    grid = _part_of(scene.lattice, number, halo)
    field = SceneField(plan, scene.folder, _cuts(scene.lattice, number))
    values = _closed(field.values, None if scene.context.open else scene.lattice.grid)
    support = _support_of(scene, number) if trims else None

    def wanted(x: torch.Tensor, radii: torch.Tensor) -> torch.Tensor:
        assert support is not None
        return torch.from_numpy(support.reaches(x.numpy(), radii.numpy()))

    try:
        with fast_kernels():
            mesh, index = surface_on(
                grid,
                values,
                field.value_and_gradient,
                dtype=torch.float64,
                wanted=wanted if trims else None,
            )
    except ExtractError:
        _save_nothing(folder)
        return
    level = None if support is None else support.level(mesh)
    index = index + grid.first
    first, last = 2 * scene.lattice.lows[number], 2 * scene.lattice.highs[number]
    cells = np.floor(index[mesh.faces].mean(1))  # a triangle's corners are on the border of its cell
    owned = mesh.faces[((cells >= first) & (cells < last)).all(1)]
    used = np.unique(owned)
    faces = np.searchsorted(used, owned).astype(np.int32)
    index, vertices, normals = index[used], mesh.vertices[used], np.asarray(mesh.normals)[used]
    level = np.full(len(used), plan.spacing) if level is None else level[used]
    sides = _on_sides(scene.lattice, number, index)
    seam = sides.any(1)
    seams = {"vertices": vertices[seam], "normals": normals[seam], "level": level[seam]}
    save_arrays(folder / SEAM_FILE, keys=_keys(scene.lattice, index[seam]), **seams)
    about = {"vertices": vertices, "normals": normals, "level": level, "sides": sides}
    save_arrays(folder / SURFACE_FILE, faces=faces, keys=_keys(scene.lattice, index), **about)


def _support_of(scene: Scene, number: int) -> Support:
    """What the points of a block and its margin support, in the unit frame of the scene."""
    distance = trim_distance(scene.config.mesh.trim)
    radius = None if distance is None else distance / scene.plan.frame.scale
    return Support(scan_of(scene, number), radius, torch.get_num_threads())


def _part_of(whole: Lattice, number: int, halo: int) -> Grid:
    """The grid of a block and `halo` bricks around it; its own sides are exact."""
    low = np.maximum(whole.lows[number] - halo, 0)
    high = np.minimum(whole.highs[number] + halo, np.array(whole.grid.bricks))
    x, y, z = (high - low).tolist()
    sides = np.stack([whole.lows[number], whole.highs[number]]) - low
    inner = whole.inner[number]
    exact = [tuple((2 * sides[inner[:, axis], axis]).tolist()) for axis in range(3)]
    first = (2 * low).tolist()
    return Grid(whole.grid.origin, whole.grid.cell, (x, y, z), tuple(first), tuple(exact))  # type: ignore[arg-type]


def _cuts(whole: Lattice, number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The places of the block's own inner sides on each axis, as the grid computes them."""
    grid, sides = whole.grid, np.stack([whole.lows[number], whole.highs[number]])
    places = [
        torch.tensor(grid.origin[axis] + grid.cell * (2.0 * sides[whole.inner[number][:, axis], axis]))
        for axis in range(3)
    ]
    return places[0], places[1], places[2]


def _closed(
    values: Callable[[torch.Tensor], torch.Tensor], border: Grid | None
) -> Callable[[torch.Tensor], torch.Tensor]:
    """`values`, but outside on the border of the scene's grid, if it is given."""
    if border is None:
        return values
    low, high = torch.tensor(border.origin), border.points(torch.tensor([border.samples]) - 1)[0]

    def closed(x: torch.Tensor) -> torch.Tensor:
        found = values(x)
        return torch.where(((x <= low) | (x >= high)).any(1), found.abs(), found)

    return closed


def _on_sides(whole: Lattice, number: int, index: Float) -> NDArray[np.bool_]:
    """(n, 6) on which inner sides of a block vertices at `index` (n, 3) of the scene's grid are."""
    sides = np.stack([2 * whole.lows[number], 2 * whole.highs[number]])
    found = (index[:, None] == sides) & whole.inner[number]
    return found.reshape(len(index), 6)


def _keys(whole: Lattice, index: Float) -> Int:
    """(n,) numbers of the grid's edges that vertices at `index` (n, 3) lie on."""
    start = np.floor(index)
    ahead = index > start
    axis = np.where(ahead.sum(1) == 1, ahead.argmax(1), 3)  # 3: in the middle of a cell
    x, y, z = start.astype(np.int64).T
    _, ny, nz = whole.grid.samples
    return ((x * ny + y) * nz + z) * 4 + axis


def _save_nothing(folder: Path) -> None:
    save_arrays(folder / SURFACE_FILE)
    save_arrays(folder / SEAM_FILE, keys=np.empty(0, np.int64))


def save_arrays(path: Path, **arrays: Any) -> None:
    """Writes what a task leaves for the next."""
    with atomic_path(path, overwrite=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)


def read_arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays that a task left; none where there is no surface. Raises ScanError for a damaged file."""
    with reading(path):
        return read_arrays(path)

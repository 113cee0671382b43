"""A trained reconstruction: a signed distance that can be queried, meshed and saved."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.base.device import choose_device
from recon.base.files import atomic_path
from recon.base.run_files import (
    CHECKPOINT_FILE,
    RUN_FILE,
    parameter_file,
    read_arrays,
    read_description,
    reading,
)
from recon.base.runs import (
    HISTORY_FILE,
    make_folder,
    save_description,
)
from recon.base.units import SHORT
from recon.errors import FitError, ScanError, ShapeError, check_callable, check_kind, check_number, check_path
from recon.field.heads_file import read_heads, save_heads
from recon.field.kernels import fast_kernels
from recon.field.siren import Siren
from recon.geometry import Float, Frame, Mesh, PointCloud
from recon.meshing.atlas import Texture
from recon.meshing.attributes import with_attributes
from recon.meshing.components import keep_parts
from recon.meshing.extraction import Grid, extract
from recon.meshing.settings import TEXTURE_SIZES, trim_distance
from recon.meshing.simplification import simplify
from recon.meshing.slivers import MIN_TRIANGLE_HEIGHT, without_slivers
from recon.meshing.trimming import trimmed
from recon.scan.preparation.noise import point_noise
from recon.scan.preparation.normals import estimated
from recon.scan.preparation.spacing import point_spacing
from recon.surface.queries import Queries
from recon.surface.settings import Config, significant
from recon.surface.texture import texture_of
from recon.surface.uncertainty import UNCERTAINTY, surface_deviations
from recon.training.checkpoint import load_snapshot, save_history, save_snapshot
from recon.training.trainer import Snapshot

SCAN_FILE = "scan.npz"
MAX_UNIT = 100.0  # of a corner of a run's box: those of the unit box and its margin are less
MAX_UNIT_NAME = 100  # characters
EXTRACTION_PROGRESS = 0.7  # of the progress of meshing with error bars
BUDGET_SPENT = 0.995  # fraction of a time budget: the last window of training may end a little before it
SCALAR_PREFIX = "value "  # keeps the names of scalars in scan.npz apart from other arrays


@dataclass(frozen=True, eq=False)
class Reconstruction(Queries):
    """A trained field in the frame of its scan.

    Attributes:
        scan: world: the oriented scan, or a uniform sample of it.
        config: the settings, those that depend on the scan resolved.
        snapshot: the end of its training.
        description: what identifies its run, as in run.json.
        seconds: wall time by stage.
    """

    scan: PointCloud
    config: Config
    snapshot: Snapshot
    description: dict[str, Any]
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)

    @property
    def unit(self) -> str | None:
        """The name of the unit of world coordinates, if it is known."""
        return SHORT.get(self.config.mesh.unit or "", self.scan.unit)

    @property
    def trained(self) -> float:
        """The fraction of its training that is done."""
        fit = self.config.fit
        done = self.snapshot.step / fit.total if fit.seconds is None else self.snapshot.seconds / fit.seconds
        return 1.0 if done > BUDGET_SPENT else done

    @property
    def cell(self) -> float:
        """The edge of a cell of the grid that it is meshed on, world."""
        wanted = self.config.mesh
        return wanted.cell or self.frame.scale * Grid.over(self.box, wanted.resolution or wanted.finest).cell

    def mesh(
        self,
        resolution: int | None = None,
        *,
        cell: float | None = None,
        parts: str | None = None,
        trim: str | None = None,
        faces: int | None = None,
        color: str | None = None,
        uncertainty: bool | None = None,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Mesh:
        """The surface, in world units; the configuration has the defaults.

        Args:
            resolution: samples along the longest side of the scan's box with its margin.
            cell: the cell's edge in world units, instead of the resolution.
            parts: see `recon.meshing.components.keep_parts`.
            trim: "auto", "off" or a distance in world units: see `recon.meshing.trimming`.
            faces: simplify to this many triangles: see `recon.meshing.simplification.simplify`.
            color: "auto": vertices get the scan's colours and values, if it has any; or "off".
            uncertainty: whether vertices get a value of that name: the standard deviation, world, of their
                place across the surface, see `recon.surface.uncertainty`.
            progress: called with the fraction done.

        Raises:
            ExtractError: if there is no surface.
            UsageError: for a cell too small.
        """
        check_callable("progress", progress)
        given: dict[str, Any] = {"resolution": resolution, "cell": cell, "parts": parts, "trim": trim}
        given |= {"faces": faces, "color": color, "uncertainty": uncertainty}
        given = {name: value for name, value in given.items() if value is not None}
        before = replace(self.config.mesh, cell=None) if resolution else self.config.mesh
        wanted = replace(before, **given)
        replace(self.config, mesh=wanted).check()
        resolution = wanted.resolution or wanted.finest
        if wanted.cell:
            longest = float((self.box[1] - self.box[0]).max()) * self.frame.scale
            resolution = 1 + round(longest / wanted.cell)
            replace(self.config, mesh=replace(wanted, resolution=resolution)).check()
        trim = "off" if wanted.solid else wanted.trim
        extracting = EXTRACTION_PROGRESS if wanted.uncertainty else 1.0
        with fast_kernels():
            mesh = extract(
                self.field.values,
                self.box,
                resolution,
                value_and_gradient=self.field.value_and_gradient,
                closed=wanted.solid or (self.config.scan.open is False and trim != "off"),
                device=self.device,
                progress=lambda share: progress(extracting * share),
            )
        scan = replace(self.scan, points=self.frame.to_unit(self.scan.points))
        distance = trim_distance(trim)
        radius = None if distance is None else distance / self.frame.scale
        mesh, _ = keep_parts(mesh, wanted.parts, scan.points)  # first: ghosts are no openings
        is_open = bool(self.config.scan.open)
        mesh, was_open = trimmed(mesh, scan, trim, radius, is_open, torch.get_num_threads())
        floor = MIN_TRIANGLE_HEIGHT * Grid.over(self.box, resolution).cell
        if was_open:
            mesh = without_slivers(mesh, floor)
            mesh, _ = keep_parts(mesh, wanted.parts, scan.points)
        if wanted.faces is not None:
            mesh = self._simplified(mesh, wanted.faces, floor)
        if wanted.color == "auto":
            mesh = with_attributes(mesh, scan, torch.get_num_threads())
        if wanted.uncertainty:
            bars = self._deviations(
                scan, mesh.vertices, lambda share: progress(extracting + (1 - extracting) * share)
            )
            mesh = replace(mesh, values={**mesh.values, UNCERTAINTY: bars})
        return replace(mesh, vertices=self.frame.to_world(mesh.vertices), unit=self.unit)

    def _deviations(self, scan: PointCloud, places: Float, progress: Callable[[float], None]) -> Float:
        """The standard deviation (m,), world, of the surface at `places` (m, 3); they and `scan` are unit."""
        threads = torch.get_num_threads()
        spacing = point_spacing(scan.points, threads)
        noise = point_noise(scan if scan.normals is not None else estimated(scan, threads), threads)
        noise, was_estimated = significant(noise, spacing), bool(self.description.get("estimated_normals"))
        heads = self.config.heads
        heads = heads if heads.tile else replace(heads, tile=float(heads.edge_for(spacing, noise)))
        with fast_kernels():
            about = heads, spacing, noise, was_estimated, self.config.seed, threads
            deviation = surface_deviations(self.field.trunk, scan, places, *about, progress)
        return deviation * self.frame.scale

    def _simplified(self, mesh: Mesh, faces: int, floor: float) -> Mesh:
        """`mesh` (unit) with at most `faces` triangles, none lower than `floor`, and the field's normals."""
        mesh = simplify(mesh, faces)
        if mesh.normals is not None:
            return mesh
        mesh = without_slivers(mesh, floor)
        _, gradient = self.distance_and_gradient(self.frame.to_world(mesh.vertices))
        return replace(mesh, normals=gradient / np.linalg.norm(gradient, axis=1, keepdims=True).clip(1e-30))

    def texture(
        self, mesh: Mesh, size: int, progress: Callable[[float], None] = lambda share: None
    ) -> Texture:
        """Pictures that show on a `mesh` of few triangles what this field has: colours and normals.

        Args:
            mesh: the surface, world, simplified by `mesh(faces=...)`.
            size: of the longer side of the pictures, texels.
            progress: called with the fraction done.

        Raises:
            MissingLibraryError: without xatlas.
            ShapeError: `mesh` has no normals.
        """
        check_kind("mesh", mesh, Mesh, "a Mesh")
        check_number("size", size, *TEXTURE_SIZES, whole=True)
        check_callable("progress", progress)
        if mesh.normals is None or not len(mesh.faces):
            raise ShapeError("mesh has no faces or no normals: a texture is for one of Reconstruction.mesh()")
        return texture_of(self, self.scan, self.config, self.cell, mesh, size, progress)

    def save(self, folder: str | Path) -> None:
        """Write the run folder that `load` reads, replacing an earlier state of it."""
        folder = check_path("folder", folder)
        make_folder(folder)
        save_scan(folder, self.scan)
        save_description(folder, self.description)
        save_snapshot(self.snapshot, folder / CHECKPOINT_FILE)
        save_history(self.snapshot, folder / HISTORY_FILE)
        save_heads(self.field, folder)


def load(folder: str | Path, device: str | torch.device = "cpu") -> Reconstruction:
    """The reconstruction of a run folder, finished or not.

    Raises:
        ScanError: if `folder` is not a run folder of `recon mesh`.
        FitError: if its checkpoint is damaged.
        UsageError: if there is no such device.
    """
    folder, where = check_path("folder", folder), choose_device(device)
    description = read_description(folder)
    if "scene" in description:
        raise ScanError(
            f"{folder} is the run of a scene in blocks: load_scene reads it, and commands take its mesh"
        )
    if "frame" not in description:
        raise ScanError(f"{folder} is a run of another command, expected a run of `recon mesh`")
    with reading(folder / RUN_FILE):
        config = Config.from_dict(description["config"])
        frame = Frame(description["frame"]["center"], description["frame"]["scale"])
        box = np.array(description["box"], np.float64)
        size = np.ptp(box, axis=0)
        if box.shape != (2, 3) or not (0 < size.min() <= size.max() < MAX_UNIT and (box[1] > box[0]).all()):
            raise ValueError(f"a box of shape {box.shape} and sides {size.tolist()}")
    snapshot = load_snapshot(path := parameter_file(folder, ScanError))
    with reading(path, FitError):
        siren = Siren.restored(config.field, snapshot.field)
    scan = _read_scan(folder / SCAN_FILE)
    if not (np.abs(frame.to_unit(scan.points)) < MAX_UNIT).all():
        raise ScanError(f"{folder / SCAN_FILE} is not of this run: remove the folder to start over")
    return Reconstruction(
        read_heads(folder, siren.to(where)), frame, box, scan, config, snapshot, description
    )


def save_scan(folder: Path, scan: PointCloud) -> None:
    """Write scan.npz: what training does not change, and meshing needs."""
    arrays = {name: getattr(scan, name) for name in ("points", "normals", "colors", "unit")}
    arrays |= {SCALAR_PREFIX + name: array for name, array in scan.values.items()}
    with atomic_path(folder / SCAN_FILE, overwrite=True) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **{name: array for name, array in arrays.items() if array is not None})


def _read_scan(path: Path) -> PointCloud:
    """The scan that `save_scan` wrote. Raises ScanError if it is missing or damaged."""
    with reading(path):
        arrays: dict[str, Any] = read_arrays(path)
        named = [name for name in arrays if name.startswith(SCALAR_PREFIX)]
        values = {name.removeprefix(SCALAR_PREFIX): arrays.pop(name) for name in named}
        unit = str(arrays.pop("unit"))[:MAX_UNIT_NAME] if "unit" in arrays else None
        if not all(array.dtype.kind in "fui" for array in (*arrays.values(), *values.values())):
            raise ValueError("arrays that are not of numbers")
        scan = PointCloud(**arrays, values=values, unit=unit)
        if len(scan) == 0 or not np.isfinite(scan.points).all():
            raise ValueError("points that are not finite, or none")
        return scan


def describe_run(
    config: Config, frame: Frame, box: Float, cloud: PointCloud, estimated_normals: bool
) -> dict[str, Any]:
    """The content of run.json for a run on `cloud`, cleaned and oriented, world."""
    scan = hashlib.sha256(cloud.points.tobytes())
    if cloud.normals is not None:
        scan.update(cloud.normals.tobytes())
    description = {
        "scan": scan.hexdigest(),
        "config": config.as_dict(),
        "frame": {"center": frame.center.tolist(), "scale": frame.scale},
        "box": np.asarray(box).tolist(),
        "estimated_normals": estimated_normals,
    }
    return json.loads(json.dumps(description))

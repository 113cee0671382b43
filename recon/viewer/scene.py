"""What is shown: files, run folders and folders of them, as pages of layers. No graphics here."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.base.files import walk
from recon.base.provenance import SUMMARY_FILE
from recon.base.runs import CHECKPOINT_FILE, PREVIEW_FILE, RESULT_FILE, RUN_FILE
from recon.errors import ExtractError, ScanError, check_path
from recon.geometry import Float, Mesh, PointCloud
from recon.render.camera import corners, usual_view
from recon.scan.files import READERS, read_any

if TYPE_CHECKING:  # imports PyTorch, a second: loaded for run folders only
    from recon.surface.scenes.reconstruction import Reconstruction, SceneReconstruction

MAX_VIEW_FACES = 2_000_000  # of a scene in blocks
MAX_VIEW_RESOLUTION = 256  # samples along the longest side, of the mesh of a run's field
MIN_SHARED_SIDE = 0.5  # fraction of each side of a scan's box that the box of its mesh covers


@dataclass(frozen=True, eq=False)
class Layer:
    """One thing of a page, world, and its displayed name."""

    name: str
    thing: Mesh | PointCloud


@dataclass(frozen=True, eq=False)
class Page:
    """What is shown together.

    Attributes:
        title: of the page.
        layers: meshes first, then clouds, each in the order given.
        run: the field that can be sliced, or None.
        points: whether it is about a scan: of a folder, or without a mesh.
    """

    title: str
    layers: tuple[Layer, ...]
    run: "Reconstruction | SceneReconstruction | None" = None
    points: bool = False

    @property
    def meshes(self) -> list[Mesh]:
        """The meshes among the layers."""
        return [layer.thing for layer in self.layers if isinstance(layer.thing, Mesh)]

    @property
    def clouds(self) -> list[PointCloud]:
        """The clouds among the layers."""
        return [layer.thing for layer in self.layers if isinstance(layer.thing, PointCloud)]

    @property
    def unit(self) -> str | None:
        """The name of the coordinates' unit, if a scan states it."""
        return next((cloud.unit for cloud in self.clouds if cloud.unit), None)

    @cached_property
    def box(self) -> Float:
        """(2, 3) float64, world: around all layers."""
        boxes = np.array([_box(layer.thing) for layer in self.layers])
        return np.stack([boxes[:, 0].min(0), boxes[:, 1].max(0)])

    def view_of(self, thing: Mesh | PointCloud) -> tuple[Float, Float]:
        """The direction to see a thing from, and the up direction: a scan is seen as its mesh is."""
        low, high = _box(thing)
        for mesh in [] if isinstance(thing, Mesh) else self.meshes:
            bottom, top = _box(mesh)
            shared = np.minimum(high, top) - np.maximum(low, bottom)
            if (shared >= MIN_SHARED_SIDE * (high - low)).all():
                return usual_view(mesh)
        return usual_view(thing)


def _box(thing: Mesh | PointCloud) -> Float:
    points = corners(thing)
    return np.stack([points.min(0), points.max(0)])


class Scene:
    """The pages for some paths, each read when it is opened.

    Files and run folders are on every page; every mesh, scan or run below any other folder has its own page.

    Raises:
        ScanError: for a path that does not exist or a folder without anything to show.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        self.everywhere: list[Path] = []
        self.alone: list[Path] = []
        for path in map(Path, paths):
            check_path("the file", path)
            if not path.exists():
                raise ScanError(f"there is no file {path}")
            if path.is_dir() and not (path / RUN_FILE).exists():
                found = below(path)
                if not found:
                    raise ScanError(f"{path} holds no mesh, scan or run folder")
                self.alone += found
            else:
                self.everywhere.append(path)
        self._things: dict[Path, tuple[int, Mesh | PointCloud]] = {}  # what is on every page is read once

    def __len__(self) -> int:
        return len(self.alone) or 1

    def page(self, number: int) -> Page:
        """The page with that number, from 0, modulo their number. Raises ScanError for what cannot be read.

        A run folder shows scan and field, and the field's mesh unless a mesh is given; while it is training,
        its preview, if any.
        """
        paths = self._paths(number)
        layers = [Layer(path.name, self._thing(path)) for path in paths if not path.is_dir()]
        run = None
        for path in paths:
            if path.is_dir():
                run = self._run(path)
                layers.append(Layer(f"{path.name}: scan", run.scan))
                if path in self.alone or not any(isinstance(layer.thing, Mesh) for layer in layers):
                    layers += [Layer(f"{path.name}: mesh", mesh) for mesh in _mesh_of(path, run)]
        scans = [isinstance(layer.thing, PointCloud) for layer in layers]
        about = all(scans) or (bool(self.alone) and not paths[0].is_dir() and scans[0])
        layers.sort(key=lambda layer: isinstance(layer.thing, PointCloud))
        return Page(", ".join(path.name for path in paths), tuple(layers), run, about)

    def stamp(self, number: int) -> tuple[int, ...]:
        """Modification times of a page's files: they differ once a file was replaced."""
        found = []
        for path in self._paths(number):
            if path.is_dir():
                found += [
                    _time(path / PREVIEW_FILE) or _time(path / CHECKPOINT_FILE),
                    _time(path / RESULT_FILE),
                ]
            else:
                found.append(_time(path))
        return tuple(found)

    def _paths(self, number: int) -> list[Path]:
        return [*self.alone[number % len(self) :][:1], *self.everywhere]

    def _thing(self, path: Path) -> Mesh | PointCloud:
        time = _time(path)
        known = self._things.get(path)
        if known and known[0] == time:
            return known[1]
        thing = read_any(path)
        if path in self.everywhere:
            self._things[path] = time, thing
        return thing

    def _run(self, path: Path) -> "Reconstruction | SceneReconstruction":
        from recon.surface.scenes.reconstruction import load_either

        return load_either(path)


def _time(path: Path) -> int:
    """When a file was written, in nanoseconds; 0 if it does not exist."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _mesh_of(folder: Path, run: "Reconstruction | SceneReconstruction") -> list[Mesh]:
    """The mesh of a run folder, if its field has a surface yet."""
    from recon.surface.scenes.reconstruction import SceneReconstruction

    if isinstance(run, SceneReconstruction):
        return [run.mesh(MAX_VIEW_FACES)]
    if run.trained < 1 and (folder / PREVIEW_FILE).exists():
        from recon.meshing.files import read_mesh

        return [read_mesh(folder / PREVIEW_FILE)]
    try:
        return [run.mesh(min(run.config.mesh.resolution or MAX_VIEW_RESOLUTION, MAX_VIEW_RESOLUTION))]
    except ExtractError:
        if run.trained < 1:
            return []
        raise


def below(folder: Path) -> list[Path]:
    """The run folders, meshes and scans below `folder`, sorted by path.

    Without hidden files, contents of run folders, and tables of a batch.
    """
    paths = walk(folder, is_whole=lambda path: (path / RUN_FILE).exists())
    return sorted(
        path
        for path in paths
        if path.is_dir() or (path.suffix.lower() in READERS and path.name != SUMMARY_FILE)
    )

"""Pictures and films of a scene without a window.

Pictures are ray cast: that is done before Open3D's renderer has started, and is the same everywhere. For the
many pictures of a film, the renderer is worth its start.
"""

import importlib.util
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recon.base.files import check_writable
from recon.errors import UsageError
from recon.geometry import Float, Mesh, PointCloud
from recon.render.camera import Camera, around, chosen_view, corners, fitted
from recon.render.files import sheet, write_png
from recon.render.legend import Legend, beside, legend_width
from recon.render.ray_casting import PICTURE_SIZE, drawn
from recon.signals.media.video import check_film_path, write_film
from recon.viewer.coloring import colored
from recon.viewer.offscreen import Offscreen, OffscreenError
from recon.viewer.requirements import SYSTEM_LIBRARIES
from recon.viewer.scene import Page, Scene

TURNTABLE_FRAMES = 96  # four seconds
TURNTABLE_FPS = 24
MAX_COLUMNS = 4
INSTALL_HINT = f"Debian, Ubuntu: apt-get install {SYSTEM_LIBRARIES}"

Draw = Callable[[Mesh | PointCloud, Camera], NDArray[np.uint8]]
log = logging.getLogger("recon")


@dataclass(frozen=True)
class Shot:
    """How pictures are taken.

    Attributes:
        size: width and height of each, in pixels.
        views: pictures of each thing, at equal angles around it.
        direction: where it is seen from; None: its usual side.
        up: the up direction; None: the usual one.
        color: see `recon.viewer.coloring.colored`.
    """

    size: tuple[int, int] = PICTURE_SIZE
    views: int = 1
    direction: tuple[float, ...] | None = None
    up: tuple[float, ...] | None = None
    color: str = "auto"

    def __post_init__(self) -> None:
        if not (1 <= self.views <= 64):
            raise UsageError(f"{self.views} views, expected 1 to 64")
        if not all(16 <= side <= 8192 for side in self.size):
            raise UsageError(f"a size of {self.size[0]}x{self.size[1]}, expected 16 to 8192 pixels a side")


@dataclass(frozen=True, eq=False)
class Subject:
    """A coloured thing to take pictures of, with its legend and view direction."""

    thing: Mesh | PointCloud
    legend: Legend | None
    direction: Float
    up: Float

    def cameras(self, size: tuple[int, int], count: int) -> list[Camera]:
        """`count` cameras around it."""
        points = corners(self.thing)
        if count == 1:
            return [fitted(points, size, self.direction, self.up)]
        return around(points, size, self.up, count, self.direction)


def screenshot(scene: Scene, path: str | Path, shot: Shot, *, overwrite: bool = False) -> NDArray[np.uint8]:
    """Write one PNG with a picture of every layer of every page, a row for each view; returns it.

    Raises UsageError for settings that do not fit the things, and ReconError as reading and writing.
    """
    check_writable(path, overwrite)
    subjects = [subject for number in range(len(scene)) for subject in subjects_of(scene.page(number), shot)]
    panels = _panels(subjects, shot, shot.views, drawn)
    if shot.views == 1:
        rows = _wrapped([panel for (panel,) in panels])
    elif len(panels) == 1:
        rows = _wrapped(panels[0])
    else:
        rows = [list(row) for row in zip(*panels, strict=True)]
    picture = sheet(rows)
    write_png(picture, path, overwrite=overwrite)
    return picture


def turntable(
    scene: Scene,
    path: str | Path,
    shot: Shot,
    *,
    overwrite: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Write a film (MP4 or GIF) of the layers of the first page going round once.

    Raises OutputError for another ending, MissingLibraryError for an MP4 without PyAV; else as `screenshot`.
    """
    check_writable(path, overwrite)
    check_film_path(path)
    subjects = subjects_of(scene.page(0), shot)
    with renderer() as draw:
        panels = _panels(subjects, shot, TURNTABLE_FRAMES, draw, progress)
    frames = (sheet([row]) for row in zip(*panels, strict=True))
    write_film(frames, path, TURNTABLE_FPS, overwrite=overwrite)
    progress(1.0)


def _panels(
    subjects: Sequence[Subject],
    shot: Shot,
    count: int,
    draw: Draw,
    progress: Callable[[float], None] = lambda share: None,
) -> list[list[NDArray[np.uint8]]]:
    """`count` pictures of each subject, all of the shot's size, from all around it."""
    width, height = shot.size
    column = min(legend_width((subject.legend for subject in subjects), height), width // 2)
    panels: list[list[NDArray[np.uint8]]] = [[] for _ in subjects]
    for subject, pictures in zip(subjects, panels, strict=True):
        for camera in subject.cameras((width - column, height), count):
            pictures.append(beside(draw(subject.thing, camera), subject.legend, column))
            progress(sum(map(len, panels)) / (count * len(subjects)))
    return panels


def subjects_of(page: Page, shot: Shot) -> list[Subject]:
    """What of a page is pictured, in the order of its layers."""
    found, refused = [], []
    for layer in page.layers:
        direction, up = chosen_view(page.view_of(layer.thing), shot.direction, shot.up)
        others = [other.thing for other in page.layers if other is not layer]
        try:
            thing, legend = colored(layer.thing, shot.color, others, up, page.unit)
        except UsageError as error:  # a scan has no curvature, a mesh no intensity
            refused.append(error)
            thing, legend = layer.thing, None
        found.append(Subject(thing, legend, direction, up))
    if len(refused) == len(found):
        raise refused[0]
    return found


@contextmanager
def renderer() -> Iterator[Draw]:
    """Open3D's off-screen renderer while it works, else ray casting; the log says which.

    Points without normals are always ray cast: the renderer has no light for them.
    """
    if importlib.util.find_spec("open3d") is None:
        log.info("drawn by ray casting: Open3D is not installed (bash tools/setup view)")
        yield drawn
        return
    works: bool | None = None

    def draw(thing: Mesh | PointCloud, camera: Camera) -> NDArray[np.uint8]:
        nonlocal works
        if works is False or (isinstance(thing, PointCloud) and thing.normals is None):
            return drawn(thing, camera)
        try:
            picture = offscreen.draw(thing, camera)
        except OffscreenError:
            works = False
            log.info("drawn by ray casting: Open3D's off-screen renderer does not start (%s)", INSTALL_HINT)
            return drawn(thing, camera)
        if works is None:
            works = True
            log.info("drawn by Open3D's off-screen renderer")
        return picture

    with Offscreen() as offscreen:
        yield draw


def _wrapped(panels: Sequence[NDArray[np.uint8]]) -> list[list[NDArray[np.uint8]]]:
    """Pictures in rows of equal length, at most `MAX_COLUMNS`, filled up with white."""
    count = math.ceil(math.sqrt(len(panels))) if len(panels) > MAX_COLUMNS else len(panels)
    columns = min(count, MAX_COLUMNS)
    blank = [np.full_like(panels[0], 255)] * (-len(panels) % columns)
    filled = [*panels, *blank]
    return [filled[k : k + columns] for k in range(0, len(filled), columns)]

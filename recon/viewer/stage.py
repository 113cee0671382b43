"""What is shown, and what the keys do to it: all of a window but the window."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from recon.errors import ReconError, UsageError
from recon.geometry import Float, Mesh, PointCloud
from recon.render.camera import chosen_view, corners
from recon.render.legend import Legend
from recon.render.ray_casting import POINT_BACK_COLOR, parted_at_edges
from recon.viewer.coloring import COLOR_MODES, colored, modes
from recon.viewer.isolines import Cut, cut_of
from recon.viewer.offscreen import painted
from recon.viewer.piece import Piece
from recon.viewer.scene import Layer, Page, Scene

MAX_NORMALS, NORMAL_LENGTH = 3000, 0.02  # shown; over the diagonal of the page
SLICE_RESOLUTION, SLICE_STEP = 128, 0.025  # samples along the longest side; step of a key, over the box
WIREFRAME_RGB, NORMAL_RGB, ISOLINE_RGB, SURFACE_RGB = (60, 70, 85), (190, 60, 40), (90, 90, 90), (0, 0, 0)

# Key, and what it does; R, I, H and Q are the window's own.
KEYS = (
    ("M", "mesh"),
    ("W", "wireframe"),
    ("P", "points"),
    ("N", "normals"),
    ("C", "next colours"),
    ("S", "slice of the distance"),
    ("X Y Z", "its direction"),
    ("Up Down", "move it"),
    ("Left Right", "previous, next"),
    ("R", "reset the view"),
    ("I", "save a picture"),
    ("H", "hide or show the keys"),
    ("Q", "close"),
)
POLL_SECONDS = 1.0  # between two checks whether files were replaced
PICTURE_FILE = "recon-view.png"  # what key I saves; recon-view-2.png if it exists, and so on
TOGGLES = {"M": "mesh", "W": "wireframe", "P": "points", "N": "normals", "S": "slice"}


class Stage:
    """The open page and how it is shown: in the colours of `mode`, seen from `direction` with `up` upward.

    Names of pieces identify their content: a window only draws pieces whose names are new. Raises UsageError
    if `direction` and `up` are parallel.
    """

    def __init__(
        self,
        scene: Scene,
        mode: str = "auto",
        direction: Sequence[float] | None = None,
        up: Sequence[float] | None = None,
    ) -> None:
        self.scene, self.mode, self._direction, self._up = scene, mode, direction, up
        self.number, self.reading = 0, 0
        self.on = {"mesh": True, "wireframe": False, "points": False, "normals": False, "slice": False}
        self._of_points, self.axis, self.share = False, 2, 0.5
        self._open()
        self._enter()

    def _open(self) -> None:
        self.stamp = self.scene.stamp(self.number)
        self.page: Page = self.scene.page(self.number)
        # View and up directions: as asked for, else the usual ones.
        self.view = chosen_view(self.page.view_of(self.page.layers[0].thing), self._direction, self._up)

    def _enter(self) -> None:
        low, high = self.page.box
        self.middle = (low + high) / 2
        self.radius = float(np.linalg.norm(high - low)) / 2 or 1.0
        self.hidden: set[int] = set()
        if self.page.points != self._of_points:  # points are shown if the page is about them
            self._of_points = self.on["points"] = self.page.points
        self._forget()

    def _forget(self) -> None:
        """Drop what was made of the previous page."""
        self.reading += 1
        self._colored: dict[tuple[int, str], tuple[Mesh | PointCloud, Legend | None]] = {}
        self._cut: tuple[tuple[int, float], Cut] | None = None
        if self.mode not in self.modes():
            self.mode = "auto"

    def turn(self, pages: int) -> None:
        """Go this many pages on. Raises ScanError for one that cannot be read; the next call skips it."""
        if len(self.scene) > 1:
            self.number = (self.number + pages) % len(self.scene)
            self._open()
            self._enter()

    def follow(self) -> bool:
        """Reload the page, in its frame, if its files were replaced and can be read; whether it was."""
        if self.scene.stamp(self.number) == self.stamp:
            return False
        before = [layer.name for layer in self.page.layers]
        try:
            self._open()
        except ReconError:  # its files are being written
            return False
        if [layer.name for layer in self.page.layers] != before:
            self.hidden = set()
        self._forget()
        return True

    def press(self, key: str) -> None:
        """Do what a key of `KEYS` does; nothing for one of the window's own."""
        if key in TOGGLES:
            self.on[TOGGLES[key]] = not self.on[TOGGLES[key]]
        elif key == "C":
            names = self.modes()
            self.mode = names[(names.index(self.mode) + 1) % len(names)]
        elif key in ("X", "Y", "Z"):
            self.axis, self.on["slice"] = "XYZ".index(key), True
        elif key in ("UP", "DOWN"):
            self.share = min(max(self.share + (SLICE_STEP if key == "UP" else -SLICE_STEP), 0.0), 1.0)
        elif key in ("LEFT", "RIGHT"):
            self.turn(1 if key == "RIGHT" else -1)

    def shows(self, k: int) -> bool:
        """Whether anything of layer k is shown."""
        return bool(self._of_layer(k))

    def show(self, k: int, on: bool) -> None:
        """Show or hide layer k, and no other."""
        kind = Mesh if isinstance(self.page.layers[k].thing, Mesh) else PointCloud
        (self.hidden.discard if on else self.hidden.add)(k)
        if on and not self.shows(k):
            alike = {j for j, layer in enumerate(self.page.layers) if isinstance(layer.thing, kind)}
            self.hidden |= alike - {k}
            self.on["mesh" if kind is Mesh else "points"] = True

    def modes(self) -> list[str]:
        """The ways in which something on this page can be coloured."""
        page, names = self.page, list(COLOR_MODES)
        if not (page.meshes and page.clouds):
            names.remove("distance")
        if not page.meshes:
            names.remove("curvature")
        if all(layer.thing.colors is None for layer in page.layers):
            names.remove("scan")
        return list(
            dict.fromkeys(
                [*names, *(name for layer in page.layers for name in modes(layer.thing)[len(COLOR_MODES) :])]
            )
        )

    def legends(self) -> list[Legend]:
        """The legends of the colours shown."""
        found = []
        for k in range(len(self.page.layers)):
            made = {make.func for make in self._of_layer(k).values()}
            if made & {self._faces, self._points}:
                found.append(self._painted(k)[1])
        if self.on["slice"] and self.page.run is not None:
            found.append(self.cut().legend)
        return [legend for legend in found if legend is not None]

    def pieces(self) -> dict[str, Callable[[], Piece]]:
        """All there is to draw, by name; each is made when called."""
        found: dict[str, Callable[[], Piece]] = {}
        for k in range(len(self.page.layers)):
            found |= self._of_layer(k)
        if self.on["slice"] and self.page.run is not None:
            name = f"{self.number}.{self.reading} slice {self.axis} {self.share:.4f}"
            found[name] = self._plane
            found[f"{name} lines"] = lambda: self._line_piece(self.cut().lines, ISOLINE_RGB, 1.0)
            found[f"{name} surface"] = lambda: self._line_piece(self.cut().zero, SURFACE_RGB, 3.0)
        return found

    def cut(self) -> Cut:
        """The slice shown. Only on a page with a run folder."""
        from recon.surface.slices import slice_at

        key = self.axis, self.share
        if self._cut is None or self._cut[0] != key:
            assert self.page.run is not None
            low, high = self.page.run.frame.to_world(self.page.run.box)[:, self.axis]
            place = float(low + self.share * (high - low))
            found = slice_at(self.page.run, self.axis, place, SLICE_RESOLUTION)
            self._cut = key, cut_of(found, self.page.unit)
        return self._cut[1]

    def corners(self) -> Float:
        """(n, 3) float64, in the stage's frame: what a view of the whole page must contain."""
        places = [corners(layer.thing) for layer in self.page.layers]
        if self.page.run is not None:  # where slices can be
            ends = self.page.run.frame.to_world(self.page.run.box)
            places.append(np.stack(np.meshgrid(*ends.T), axis=-1).reshape(-1, 3))
        return (np.concatenate(places) - self.middle) / self.radius

    def to_stage(self, places: Float) -> np.ndarray:
        """World to the stage's frame, (n, 3) float32: offsets are subtracted before precision is lost."""
        return ((places - self.middle) / self.radius).astype(np.float32)

    def _of_layer(self, k: int) -> dict[str, partial[Piece]]:
        """What there is to draw of layer k, as `pieces`."""
        if k in self.hidden:
            return {}
        found: dict[str, partial[Piece]] = {}
        layer, name = self.page.layers[k], f"{self.number}.{self.reading} {k} "
        mesh = isinstance(layer.thing, Mesh)
        if mesh and self.on["mesh"]:
            found[f"{name} faces {self.mode}"] = partial(self._faces, k)
        if mesh and self.on["wireframe"]:
            found[f"{name} edges"] = partial(self._edges, layer)
        if self.on["points"] and (not mesh or not self.page.clouds):
            found[f"{name} points {self.mode}"] = partial(self._points, k)
        if self.on["normals"] and (mesh or layer.thing.normals is not None):
            found[f"{name} normals"] = partial(self._normals, layer)
        return found

    def _painted(self, k: int) -> tuple[Mesh | PointCloud, Legend | None]:
        """Layer k in the current colours, or in its own if it lacks them."""
        if (k, self.mode) not in self._colored:
            thing = self.page.layers[k].thing
            others = [layer.thing for j, layer in enumerate(self.page.layers) if j != k]
            try:
                found = colored(thing, self.mode, others, self.view[1], self.page.unit)
            except UsageError:
                found = thing, None
            self._colored[k, self.mode] = found
        return self._colored[k, self.mode]

    def _faces(self, k: int) -> Piece:
        thing = self._painted(k)[0]
        assert isinstance(thing, Mesh)
        mesh = painted(parted_at_edges(thing))
        assert mesh.colors is not None and mesh.normals is not None
        places, normals = self.to_stage(mesh.vertices), mesh.normals.astype(np.float32)
        return Piece("faces", places, mesh.colors, normals, mesh.faces)

    def _points(self, k: int) -> Piece:
        thing = self._painted(k)[0]
        places = thing.vertices if isinstance(thing, Mesh) else thing.points
        known = np.isfinite(places).all(1)
        colors = (
            np.rint(255 * POINT_BACK_COLOR).astype(np.uint8) if thing.colors is None else thing.colors[known]
        )
        lit = None if thing.normals is None else np.nan_to_num(thing.normals[known]).astype(np.float32)
        return Piece("points", self.to_stage(places[known]), colors, lit, width=3.0)

    def _edges(self, layer: Layer) -> Piece:
        assert isinstance(layer.thing, Mesh)
        ends = np.sort(layer.thing.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        unique = np.unique(ends[:, 0] * len(layer.thing.vertices) + ends[:, 1])
        rows = np.stack([unique // len(layer.thing.vertices), unique % len(layer.thing.vertices)], axis=1)
        return self._line_piece(layer.thing.vertices[rows], WIREFRAME_RGB, 1.0)

    def _normals(self, layer: Layer) -> Piece:
        thing = parted_at_edges(layer.thing) if isinstance(layer.thing, Mesh) else layer.thing
        places = thing.vertices if isinstance(thing, Mesh) else thing.points
        assert thing.normals is not None
        rows = np.flatnonzero(np.isfinite(places).all(1) & np.isfinite(thing.normals).all(1))
        rows = rows[:: -(-len(rows) // MAX_NORMALS)]
        tips = places[rows] + 2 * NORMAL_LENGTH * self.radius * thing.normals[rows]
        return self._line_piece(np.stack([places[rows], tips], axis=1), NORMAL_RGB, 1.0)

    def _plane(self) -> Piece:
        plane = self.cut().plane
        assert plane.colors is not None
        return Piece("faces", self.to_stage(plane.vertices), plane.colors, faces=plane.faces)

    def _line_piece(self, ends: Float, color: tuple[int, int, int], width: float) -> Piece:
        return Piece("lines", self.to_stage(ends.reshape(-1, 3)), np.array(color, np.uint8), width=width)

"""Open3D's classic window, for graphics too old for the modern one: no panel, its messages are logged."""

import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from recon.errors import MissingLibraryError, ReconError
from recon.render.files import free_path, write_png
from recon.render.palette import DIVERGING, SEQUENTIAL
from recon.viewer.open3d_parts import import_open3d, lines, points, triangles
from recon.viewer.requirements import SCREENSHOT_HINT
from recon.viewer.stage import KEYS, PICTURE_FILE, POLL_SECONDS, Stage

ARROW_KEY_CODES = {"RIGHT": 262, "LEFT": 263, "DOWN": 264, "UP": 265}  # GLFW's; those of letters are ASCII
WINDOW_WIDTH, WINDOW_HEIGHT = 1280, 860  # pixels
FRAME_SECONDS = 0.02
COLORMAP_DESCRIPTIONS = {SEQUENTIAL: "dark to yellow", DIVERGING: "purple over white to brown"}
log = logging.getLogger("recon")


class ClassicWindow:
    """A window on a stage; `run` shows it. Raises MissingLibraryError if none can be opened."""

    def __init__(self, stage: Stage) -> None:
        open3d = import_open3d()
        self.stage, self.drawn = stage, dict[str, Any]()
        self.window = open3d.visualization.VisualizerWithKeyCallback()
        if not self.window.create_window("recon", WINDOW_WIDTH, WINDOW_HEIGHT):
            raise MissingLibraryError(f"Open3D cannot open a window on this screen: {SCREENSHOT_HINT}")
        self.window.get_render_option().mesh_show_back_face = True
        self.window.get_render_option().point_size = 3.0
        for name in (*"MWPNCSXYZRIHQ", *ARROW_KEY_CODES):
            self.window.register_key_callback(ARROW_KEY_CODES.get(name) or ord(name), self._pressed(name))
        self.window.register_animation_callback(self._tick)
        self.page: object = None
        self.looked = time.monotonic()
        self.refresh()
        self._help()

    def run(self) -> None:
        """Show the window until it is closed."""
        self.window.run()
        self.window.destroy_window()

    def refresh(self) -> None:
        """Draw what is new on the stage and remove what is gone."""
        wanted, turned = self.stage.pieces(), self.page is not self.stage.page
        for name in self.drawn.keys() - wanted.keys():
            self.window.remove_geometry(self.drawn.pop(name), False)
        for name in wanted.keys() - self.drawn.keys():
            piece = wanted[name]()
            make = {"faces": triangles, "points": points, "lines": lines}[piece.kind]
            self.drawn[name] = make(piece).to_legacy()
            if piece.kind == "faces" and piece.normals is not None:
                self.drawn[name].compute_triangle_normals()  # without these it is not lit
            self.window.add_geometry(self.drawn[name], turned)
        if turned:
            self.page = self.stage.page
            self.aim()
            log.info("%s", self.stage.page.title)
        for legend in self.stage.legends():
            texts = ", ".join(text for _, text in legend.ticks())
            log.info("%s (%s), %s: %s", legend.title, legend.unit, COLORMAP_DESCRIPTIONS[legend.map], texts)

    def aim(self) -> None:
        """Look at the whole page."""
        direction, up = self.stage.view
        control = self.window.get_view_control()
        self.window.reset_view_point(True)
        control.set_front(direction / np.linalg.norm(direction))
        control.set_up(up)

    def save(self) -> None:
        """Write the picture to the first unused of recon-view.png, recon-view-2.png and so on."""
        picture = np.asarray(self.window.capture_screen_float_buffer(True))
        path = free_path(PICTURE_FILE)
        write_png(np.rint(255 * picture).astype(np.uint8), path)
        log.info("saved %s", path)

    def _tick(self, window: Any) -> bool:
        """Reload replaced files every POLL_SECONDS, with the view unchanged."""
        time.sleep(FRAME_SECONDS)  # Open3D would not
        if time.monotonic() - self.looked < POLL_SECONDS:
            return False
        self.looked = time.monotonic()
        if not self.stage.follow():
            return False
        self.page = self.stage.page
        self.refresh()
        return True

    def _pressed(self, name: str) -> Callable[[Any], bool]:
        actions = {"R": self.aim, "I": self.save, "H": self._help, "Q": self.window.close}

        def work(window: Any) -> bool:
            try:
                self.stage.press(name)
                actions.get(name, self.refresh)()
            except ReconError as error:
                log.warning("%s", error)
            return True

        return work

    def _help(self) -> None:
        log.info("keys: %s", ", ".join(f"{key}: {text}" for key, text in KEYS))

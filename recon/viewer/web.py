"""The stage in a browser: everyone who opens the page sees the same pieces, each from where he likes."""

import io
import threading
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from recon.base.light import linear_light, srgb
from recon.errors import ReconError
from recon.geometry import Mesh
from recon.meshing.gltf import glb
from recon.render.camera import FIELD_OF_VIEW, fitted, sunlight
from recon.render.legend import beside, legend_picture, legend_width
from recon.viewer.piece import Piece
from recon.viewer.stage import PICTURE_FILE, POLL_SECONDS, TOGGLES, Stage
from recon.viewer.web_server import addresses, started

LEGEND_HEIGHT = 160  # pixels
AMBIENT, SUN, BACK_LIGHT = 0.3, 0.6, 0.25  # of a white surface's light
POINT_SIZE = 0.002  # of the page's radius, for a point of one pixel in the window
LEAST_SIZE = 860, 860  # pixels, of a browser that has not said its own: most are wider
RENDER_SECONDS = 60.0  # that a browser may take for a picture


class WebPage:
    """A page on a stage, served until `close`."""

    def __init__(self, stage: Stage, host: str, port: int | None) -> None:
        self.stage = stage
        self.server = started(host, port)
        self.addresses = addresses(host, self.server.get_port())
        self.scene, self.gui = self.server.scene, self.server.gui
        self.lock = threading.RLock()  # of the stage: browsers' clicks come on threads of the server's
        self.drawn: dict[str, Any] = {}  # viser's handles by names of pieces; None for one without a place
        self.count = 0  # of all that was drawn
        self.page_shown: object = None
        self.number: int | None = None
        self.layer_boxes: list[Any] = []
        self.sun = np.zeros(3)  # the direction of light
        try:
            self.scene.configure_default_lights(enabled=False)
            self.scene.configure_environment_map(None)
            self.scene.add_light_ambient("/ambient", intensity=np.pi * AMBIENT)
            self.gui.configure_theme(show_logo=False, show_share_button=False)
            self.gui.main_panel.dock_right()
            self._make_panel()
            self.refresh()
        except BaseException:
            self.close()
            raise

    def serve(self, stopped: threading.Event) -> None:
        """Follow the page's files until `stopped` is set."""
        while not stopped.wait(POLL_SECONDS):
            with self.lock:
                if self.stage.follow():
                    self._do(lambda: None)

    def close(self) -> None:
        """Stop serving."""
        self.server.stop()

    def _make_panel(self) -> None:
        gui = self.gui
        self.title = gui.add_html("")  # Markdown would take names of files for its signs
        if len(self.stage.scene) > 1:
            turn = gui.add_button_group("page", ("previous", "next"))
            pages = {"previous": -1, "next": 1}
            turn.on_click(lambda event: self._do(lambda: self.stage.turn(pages[event.target.value])))
        self.boxes = {}
        for key, name in TOGGLES.items():
            self.boxes[name] = gui.add_checkbox(name, self.stage.on[name])
            self._when_changed(self.boxes[name], partial(self._toggle, key))
        self.axis = gui.add_dropdown("across", ("x", "y", "z"), initial_value="z")
        self._when_changed(self.axis, lambda axis: self.stage.press(axis.upper()))
        self.place = gui.add_slider("place", 0.0, 1.0, 0.005, self.stage.share)
        self._when_changed(self.place, partial(setattr, self.stage, "share"))
        self.colors = gui.add_dropdown("colours", self.stage.modes(), initial_value=self.stage.mode)
        self._when_changed(self.colors, partial(setattr, self.stage, "mode"))
        self.legend = gui.add_image(np.full((8, 8, 3), 255, np.uint8), format="png", visible=False)
        gui.add_button("Save a picture").on_click(self._save)
        gui.add_button("Reset the view").on_click(lambda event: self._aim(event.client.camera))
        self.layers = gui.add_folder("layers")
        self.message = gui.add_html("")

    def _when_changed(self, handle: Any, work: Callable[[Any], None]) -> None:
        """Call `work` with the value that someone has given a handle of the panel, and draw what follows."""

        def changed(event: Any) -> None:
            if event.client is not None:  # else it was set here
                self._do(lambda: work(event.target.value))

        handle.on_update(changed)

    def _toggle(self, key: str, on: bool) -> None:
        if self.stage.on[TOGGLES[key]] != on:
            self.stage.press(key)

    def _do(self, work: Callable[[], object]) -> None:
        """Do what someone asks for, and draw what follows; what stands in the way is said in the panel."""
        said = ""
        with self.lock:
            for step in (work, self.refresh):
                try:
                    step()
                except ReconError as error:
                    said = said or str(error)
            self.message.content = _text(said)

    def refresh(self) -> None:
        """Draw what is new on the stage, remove what is gone, and update the panel."""
        stage = self.stage
        wanted = stage.pieces()
        made = {name: wanted[name]() for name in wanted.keys() - self.drawn.keys()}
        with self.server.atomic():
            if self.page_shown is not stage.page:
                self._turned()
            for name in self.drawn.keys() - wanted.keys():
                if gone := self.drawn.pop(name):
                    gone.remove()
            for name, piece in made.items():
                self.count += 1
                self.drawn[name] = self._added(piece, f"/{self.count}") if len(piece.places) else None
            self._update_panel()

    def _update_panel(self) -> None:
        stage = self.stage
        for name, box in self.boxes.items():
            box.value = stage.on[name]
        for k, box in enumerate(self.layer_boxes):
            box.value = stage.shows(k)
        sliced = stage.page.run is not None
        self.boxes["slice"].visible = sliced
        self.axis.visible = self.place.visible = sliced and stage.on["slice"]
        self.axis.value, self.place.value = "xyz"[stage.axis], stage.share
        self.colors.value = stage.mode
        legends = stage.legends()
        self.legend.visible = bool(legends)
        if legends:
            self.legend.image = _stacked([legend_picture(legend, LEGEND_HEIGHT) for legend in legends])

    def _turned(self) -> None:
        """Show another page, or the same with other things."""
        stage = self.stage
        new = self.number != stage.number
        self.page_shown, self.number = stage.page, stage.number
        count = f" ({stage.number + 1} of {len(stage.scene)})" if len(stage.scene) > 1 else ""
        self.title.content = _text(stage.page.title + count, "b")
        self.colors.options = stage.modes()
        for box in self.layer_boxes:
            box.remove()
        self.layer_boxes = []
        with self.layers:
            for k, layer in enumerate(stage.page.layers):
                box = self.gui.add_checkbox(layer.name, True)
                self._when_changed(box, partial(stage.show, k))
                self.layer_boxes.append(box)
        self.layers.visible = len(stage.page.layers) > 1
        if new:
            self._light()
            self._aim(self.server.initial_camera)
            for client in self.server.get_clients().values():
                self._aim(client.camera)

    def _aim(self, camera: Any) -> None:
        """Have a camera of viser's look at the whole page."""
        size = (camera.image_width, camera.image_height) if hasattr(camera, "image_width") else LEAST_SIZE
        found = fitted(self.stage.corners(), size, *self.stage.view)
        camera.up = self.stage.view[1]
        camera.position, camera.look_at = found.eye, found.target
        camera.fov = np.radians(FIELD_OF_VIEW)

    def _light(self) -> None:
        """Light the page for where it is seen from first, and its back a little."""
        camera = fitted(self.stage.corners(), LEAST_SIZE, *self.stage.view)
        self.sun = sunlight(camera.right, camera.upward, camera.forward)
        for name, intensity, sign in (("sun", SUN, -1.0), ("back light", BACK_LIGHT, 1.0)):
            place = tuple(sign * self.sun)
            self.scene.add_light_directional(f"/{name}", intensity=np.pi * intensity, position=place)

    def _shaded(self, piece: Piece) -> np.ndarray:
        """(n, 3) uint8: the colours of points, which viser does not light, with light and shade on them."""
        colors = np.broadcast_to(piece.colors, piece.places.shape)
        if piece.normals is None:
            return colors
        lit = piece.normals @ -self.sun
        share = AMBIENT + np.where(lit > 0, SUN * lit, -BACK_LIGHT * lit)
        return srgb((linear_light(colors) * share[:, None]).clip(0, 1))

    def _added(self, piece: Piece, name: str) -> Any:
        """A piece in the browsers."""
        if piece.kind == "faces":
            assert piece.faces is not None
            colors = np.ascontiguousarray(np.broadcast_to(piece.colors, piece.places.shape))
            mesh = Mesh(piece.places, piece.faces, piece.normals, colors)
            return self.scene.add_glb(name, glb(mesh, lit=piece.normals is not None))
        if piece.kind == "points":
            return self.scene.add_point_cloud(
                name,
                piece.places,
                self._shaded(piece),
                point_size=POINT_SIZE * piece.width,
                point_shape="circle",
                point_shading="flat",
                precision="float32",
            )
        if piece.width <= 1:  # far cheaper to draw than lines of any width
            first = np.arange(0, len(piece.places), 2)
            edges = np.stack([first, first + 1, first + 1], axis=1)
            shade = srgb((linear_light(piece.colors) / AMBIENT).clip(0, 1))  # no other light falls on them
            return self.scene.add_mesh_simple(name, piece.places, edges, color=shade, wireframe=True)
        ends = piece.places.reshape(-1, 2, 3)
        return self.scene.add_line_segments(name, ends, piece.colors, line_width=piece.width)

    def _save(self, event: Any) -> None:
        """Have the browser that asks for it save a picture, with its legend."""
        with self.lock:
            legends = self.stage.legends()
        camera = event.client.camera
        height, width = camera.image_height, camera.image_width
        picture = event.client.get_render(height, width, transport_format="png", timeout=RENDER_SECONDS)
        ground = Image.new("RGBA", (width, height), "white")
        shown = np.asarray(Image.alpha_composite(ground, Image.fromarray(picture)))[..., :3]
        for legend in legends:
            shown = beside(shown, legend, legend_width([legend], height))
        written = io.BytesIO()
        Image.fromarray(shown).save(written, "png")
        event.client.send_file_download(PICTURE_FILE, written.getvalue())


def _text(text: str, tag: str = "span") -> str:
    """HTML that shows a text as it is."""
    style = "padding: 0 1em 0.5em; font-size: 0.875em; overflow-wrap: anywhere" if text else ""
    return f"<div style='{style}'><{tag}>{escape(text)}</{tag}></div>"


def _stacked(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures below each other, each as wide as the widest."""
    wide = max(picture.shape[1] for picture in pictures)
    blank = [((0, 0), (0, wide - picture.shape[1]), (0, 0)) for picture in pictures]
    return np.concatenate([np.pad(p, w, constant_values=255) for p, w in zip(pictures, blank, strict=True)])

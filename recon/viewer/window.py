"""Open3D's modern window: draws the stage and passes it clicks and keys; nothing else is decided here."""

import textwrap
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from recon.errors import ReconError
from recon.render.camera import FIELD_OF_VIEW, fitted
from recon.render.files import free_path, write_png
from recon.render.legend import beside, legend_picture, legend_width
from recon.viewer.open3d_parts import WINDOW_LUX, import_open3d, light, lines, points, triangles
from recon.viewer.piece import Piece
from recon.viewer.stage import KEYS, PICTURE_FILE, POLL_SECONDS, TOGGLES, Stage

WINDOW_WIDTH, WINDOW_HEIGHT, PANEL_WIDTH_EM = 1280, 860, 17  # pixels; font sizes
LEGEND_HEIGHT = 160  # pixels
MULTISAMPLING_MAX_FACES = 500_000  # without a GPU, smooth edges of more would take seconds
PANEL_LETTERS = 34  # that fit into a line of the panel


class Window:
    """A window on a stage; `run` shows it."""

    def __init__(self, stage: Stage) -> None:
        open3d = import_open3d()
        self.stage = stage
        self.gui, self.rendering = open3d.visualization.gui, open3d.visualization.rendering
        self.image = open3d.geometry.Image
        self.box = open3d.geometry.AxisAlignedBoundingBox(-np.ones(3), np.ones(3))
        self.app = self.gui.Application.instance
        self.app.initialize()
        self.window = self.app.create_window("recon", WINDOW_WIDTH, WINDOW_HEIGHT)
        self.view = self.gui.SceneWidget()
        self.view.scene = self.rendering.Open3DScene(self.window.renderer)
        self.view.scene.set_background([1.0, 1.0, 1.0, 1.0])
        self.view.scene.view.set_post_processing(False)  # it would tint: legends must match
        self.view.scene.view.set_shadowing(False, self.rendering.View.ShadowType.PCF)
        self.drawn: set[str] = set()
        self.aimed, self.looked = False, time.monotonic()
        self._make_panel()
        self.window.add_child(self.view)
        self.window.add_child(self.panel)
        self.window.set_on_layout(self._layout)
        self.window.set_on_key(self._key)
        self.window.set_on_tick_event(self._tick)
        self.view.set_on_mouse(self._mouse)
        self.refresh()

    def run(self) -> None:
        """Show the window until it is closed."""
        self.app.run()

    def _make_panel(self) -> None:
        gui, em = self.gui, self.window.theme.font_size
        self.panel = gui.ScrollableVert(0.35 * em, gui.Margins(0.7 * em, 0.7 * em, 0.7 * em, 0.7 * em))
        self.title = gui.Label("")
        self.panel.add_child(self.title)
        if len(self.stage.scene) > 1:
            row = gui.Horiz(0.5 * em)
            for text, key in (("Previous", "LEFT"), ("Next", "RIGHT")):
                row.add_child(self._button(text, partial(self.press, key)))
            self.panel.add_child(row)
        self.boxes = {}
        for key, name in TOGGLES.items():
            box = self.boxes[name] = gui.Checkbox(name.capitalize())
            box.set_on_checked(lambda _, key=key: self.press(key))
            self.panel.add_child(box)
        self.axis, self.place = gui.Combobox(), gui.Slider(gui.Slider.DOUBLE)
        for name in "xyz":
            self.axis.add_item(f"across {name}")
        self.axis.set_on_selection_changed(lambda _, index: self.press("XYZ"[index]))
        self.place.set_limits(0.0, 1.0)
        self.place.set_on_value_changed(self._slide)
        self.panel.add_child(self.axis)
        self.panel.add_child(self.place)
        self.layers = gui.WidgetProxy()
        self.panel.add_child(self.layers)
        row = gui.Horiz(0.5 * em)
        row.add_child(gui.Label("Colours"))
        self.colors = gui.Combobox()
        self.colors.set_on_selection_changed(self._color)
        row.add_child(self.colors)
        self.panel.add_child(row)
        self.legend = gui.ImageWidget(self.image(np.zeros((LEGEND_HEIGHT, 8, 3), np.uint8)))
        self.panel.add_child(self.legend)
        row = gui.Horiz(0.5 * em)
        row.add_child(self._button("Save a picture", self.save))
        row.add_child(self._button("Reset the view", self.aim))
        self.panel.add_child(row)
        self.message = gui.Label("")
        self.panel.add_child(self.message)
        self.help = gui.VGrid(2)
        for text in (text for row in KEYS for text in row):
            self.help.add_child(gui.Label(text))
        self.panel.add_child(self.help)
        self.page_shown: object = None

    def _button(self, text: str, work: Callable[[], None]) -> Any:
        button = self.gui.Button(text)
        button.vertical_padding_em = 0.1
        button.set_on_clicked(work)
        return button

    def refresh(self) -> None:
        """Draw what is new on the stage, remove what is gone, and update the panel."""
        stage, scene = self.stage, self.view.scene
        wanted = stage.pieces()
        for name in self.drawn - wanted.keys():
            scene.remove_geometry(name)
        for name in wanted.keys() - self.drawn:
            piece = wanted[name]()
            if len(piece.places):
                scene.add_geometry(name, *self._geometry(piece))
        self.drawn = set(wanted)
        smooth = sum(len(mesh.faces) for mesh in stage.page.meshes) < MULTISAMPLING_MAX_FACES
        scene.view.set_sample_count(4 if smooth else 1)
        if self.page_shown is not stage.page:
            self._turned()
        for name, box in self.boxes.items():
            box.checked = stage.on[name]
        for k, box in enumerate(self.layer_boxes):
            box.checked = stage.shows(k)
        sliced = stage.page.run is not None
        self.boxes["slice"].visible = sliced
        self.axis.visible = self.place.visible = sliced and stage.on["slice"]
        self.axis.selected_index, self.place.double_value = stage.axis, stage.share
        self.colors.selected_index = stage.modes().index(stage.mode)
        legends = stage.legends()
        self.legend.visible = bool(legends)
        if legends:
            height = len(legends) * LEGEND_HEIGHT
            pictures = [legend_picture(legend, LEGEND_HEIGHT) for legend in legends]
            wide = max(picture.shape[1] for picture in pictures)
            shown = np.full((height, wide, 3), 255, np.uint8)
            for k, picture in enumerate(pictures):
                shown[k * LEGEND_HEIGHT : (k + 1) * LEGEND_HEIGHT, : picture.shape[1]] = picture
            self.legend.update_image(self.image(shown))
        self.window.set_needs_layout()
        self.view.force_redraw()
        self.window.post_redraw()

    def _turned(self) -> None:
        stage, gui = self.stage, self.gui
        self.page_shown = stage.page
        title = stage.page.title
        short = title if len(title) <= PANEL_LETTERS else title[: PANEL_LETTERS - 3] + "..."
        count = f"\n{stage.number + 1} of {len(stage.scene)}" if len(stage.scene) > 1 else ""
        self.title.text = short + count
        self.window.title = f"recon: {title}"
        self.colors.clear_items()
        for mode in stage.modes():
            self.colors.add_item(mode)
        rows, self.layer_boxes = gui.Vert(0.25 * self.window.theme.font_size), []
        for k, layer in enumerate(stage.page.layers):
            box = gui.Checkbox(layer.name[:PANEL_LETTERS])
            box.set_on_checked(lambda on, k=k: self._show(k, on))
            rows.add_child(box)
            self.layer_boxes.append(box)
        self.layers.set_widget(rows)
        self.layers.visible = len(stage.page.layers) > 1
        self.aimed = False

    def _geometry(self, piece: Piece) -> tuple[Any, Any]:
        """A piece as Open3D draws it, and the material for it."""
        material = self.rendering.MaterialRecord()
        material.shader = "defaultUnlit" if piece.normals is None else "defaultLit"
        material.base_roughness, material.base_reflectance = 1.0, 0.0
        if piece.kind == "faces":
            return triangles(piece), material
        if piece.kind == "points":
            material.point_size = piece.width * self.window.scaling
            return points(piece), material
        material.shader, material.line_width = "unlitLine", piece.width * self.window.scaling
        return lines(piece), material

    def aim(self) -> None:
        """Look at the whole page."""
        frame = self.view.frame
        if frame.width < 2 or frame.height < 2:
            return
        camera = fitted(self.stage.corners(), (frame.width, frame.height), *self.stage.view)
        self.view.setup_camera(FIELD_OF_VIEW, self.box, np.zeros(3, np.float32))
        self.view.look_at(*(np.float32(x) for x in (camera.target, camera.eye, camera.upward)))
        self.aimed = True
        self._light()

    def _light(self) -> None:
        """The light goes with the camera."""
        right, upward, back = np.asarray(self.view.scene.camera.get_view_matrix())[:3, :3]
        light(self.view.scene.scene, (right, upward, -back), WINDOW_LUX)

    def _layout(self, context: Any) -> None:
        area, width = self.window.content_rect, PANEL_WIDTH_EM * context.theme.font_size
        self.view.frame = self.gui.Rect(area.x, area.y, area.width - width, area.height)
        self.panel.frame = self.gui.Rect(area.get_right() - width, area.y, width, area.height)
        if not self.aimed:
            self.aim()

    def press(self, key: str) -> None:
        """Do what a key does, by its name in `KEYS`; errors are shown in the panel."""
        try:
            self.stage.press(key)
            self.refresh()
        except ReconError as error:
            self.say(str(error))
        if key == "R":
            self.aim()
        elif key == "I":
            self.save()
        elif key == "H":
            self.help.visible = not self.help.visible
            self.window.set_needs_layout()
        elif key == "Q":
            self.window.close()

    def _key(self, event: Any) -> bool:
        names = {
            getattr(self.gui.KeyName, name): name
            for name in ("UP", "DOWN", "LEFT", "RIGHT", *"MWPNCSXYZRIHQ")
        }
        if event.key not in names:
            return False
        if event.type == self.gui.KeyEvent.Type.DOWN:
            self.press(names[event.key])
        return True

    def _tick(self) -> bool:
        """Reload replaced files every POLL_SECONDS, with the view unchanged."""
        if time.monotonic() - self.looked < POLL_SECONDS:
            return False
        self.looked = time.monotonic()
        if not self.stage.follow():
            return False
        aimed = self.aimed
        self.refresh()
        self.aimed = aimed
        return True

    def _mouse(self, event: Any) -> Any:
        self._light()
        return self.gui.SceneWidget.EventCallbackResult.IGNORED

    def _color(self, name: str, index: int) -> None:
        self.stage.mode = name
        self.refresh()

    def _show(self, k: int, on: bool) -> None:
        self.stage.show(k, on)
        self.refresh()

    def _slide(self, value: float) -> None:
        self.stage.share = float(value)
        self.refresh()

    def say(self, text: str) -> None:
        """Show a line in the panel."""
        self.message.text = textwrap.fill(
            text, PANEL_LETTERS + 1, break_long_words=False, break_on_hyphens=False
        )
        self.window.set_needs_layout()

    def save(self) -> None:
        """Write the picture, with its legend, to the first unused path from recon-view.png on."""

        def write(image: Any) -> None:
            legends = self.stage.legends()
            picture = np.asarray(image)
            for legend in legends:
                picture = beside(picture, legend, legend_width([legend], len(picture)))
            path = free_path(PICTURE_FILE)
            try:
                write_png(picture, path)
                self.say(f"saved {path}")
            except ReconError as error:
                self.say(str(error))

        self.view.scene.scene.render_to_image(write)

"""Previews of a field in training: a coarse mesh, a picture of it, and slices."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from recon.base.runs import PREVIEW_FILE
from recon.errors import ExtractError
from recon.geometry import PointCloud
from recon.meshing.files import write_mesh
from recon.render.camera import corners, fitted, usual_view
from recon.render.figures import pixels
from recon.render.files import write_png
from recon.render.plots import distance_slices, norm_slices
from recon.render.ray_casting import drawn
from recon.surface.reconstruction import Reconstruction
from recon.surface.slices import axis_slices
from recon.training.callbacks import TensorBoard
from recon.training.trainer import Progress, Snapshot

PICTURE_FILE = "preview.png"
MESH_RESOLUTION, SLICE_RESOLUTION = 96, 96  # samples along the longest side
PICTURE_SIZE = (400, 400)  # pixels

log = logging.getLogger("recon")


class Preview:
    """The callback that shows the field so far, every `seconds` and when its training is done.

    `so_far` makes the reconstruction of a snapshot; `scan` (world) determines the camera. `folder` gets
    preview.ply and preview.png, each renamed into place, so that watchers see whole files; `board` the
    picture, and slices of Φ and ‖∇Φ‖.
    """

    def __init__(
        self,
        so_far: Callable[[Snapshot], Reconstruction],
        scan: PointCloud,
        seconds: float,
        folder: Path | None = None,
        board: TensorBoard | None = None,
    ) -> None:
        self.so_far, self.seconds, self.folder, self.board = so_far, seconds, folder, board
        self.camera = fitted(corners(scan), PICTURE_SIZE, *usual_view(scan))
        self.last_shown = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Show the field, if it is time."""
        if progress.is_last:
            if progress.share < 1:  # interrupted: do not keep the user waiting
                return
        elif time.monotonic() - self.last_shown < self.seconds:
            return
        result, step = self.so_far(progress.snapshot), progress.snapshot.step
        self._show_surface(result, step)
        if self.board:
            slices, unit = axis_slices(result, SLICE_RESOLUTION), result.scan.unit
            self.board.image("slices of Φ", pixels(distance_slices(slices, unit)), step)
            self.board.image("slices of ‖∇Φ‖", pixels(norm_slices(slices, unit)), step)
        self.last_shown = time.monotonic()

    def _show_surface(self, result: Reconstruction, step: int) -> None:
        try:
            mesh = result.mesh(MESH_RESOLUTION, color="off", uncertainty=False)
        except ExtractError as error:  # an early field need not have a surface
            log.info("no preview yet: %s", error)
            return
        image = drawn(mesh, self.camera)
        if self.folder:
            write_png(image, self.folder / PICTURE_FILE, overwrite=True)
            write_mesh(mesh, self.folder / PREVIEW_FILE, overwrite=True)
        if self.board:
            self.board.image("preview", image, step)

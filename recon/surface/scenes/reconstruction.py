"""A scene that can be asked for distances; and run folders of either kind, one field or many."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from recon.base.run_files import read_description
from recon.errors import FitError, ScanError, check_path
from recon.field.heads import HeadedField
from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.levels import coarser, together
from recon.meshing.triangles import distance_to_mesh
from recon.surface.queries import Queries
from recon.surface.reconstruction import Reconstruction, load
from recon.surface.scenes.blocks import Scene
from recon.surface.scenes.field import FITTED_FILE, SceneField, block_folder
from recon.surface.scenes.joining import Joined, piece_of, survey_pieces
from recon.surface.scenes.pieces import PIECE_FILE
from recon.surface.scenes.plan import PLAN_FILE, read_plan
from recon.surface.scenes.sorting import read_sorted
from recon.surface.scenes.tasks import read_scene
from recon.surface.settings import Config

SHOWN_POINTS, REACH_CELLS, MIN_PIECE_FACES = 1_000_000, 4, 20

log = logging.getLogger("recon")


@dataclass(frozen=True, eq=False)
class SceneReconstruction(Queries):
    """The blended field of a scene in blocks, with the queries of a `Reconstruction`.

    Blocks are read when they are needed. The curvature is that of the block that weighs most at a point.

    Attributes:
        description: what identifies its run, as in run.json.
        folder: of its run.
    """

    description: dict[str, Any]
    folder: Path

    @property
    def config(self) -> Config:
        """The settings that it was made with."""
        return Config.from_dict(self.description["config"])

    @cached_property
    def scan(self) -> PointCloud:
        """About `SHOWN_POINTS` of the scene's points, world, evenly drawn, with the normals as given."""
        return read_sorted(self.folder).some(SHOWN_POINTS)

    def mesh(self, faces: int) -> Mesh:
        """The scene's mesh, world; if it has more triangles than `faces`, simplified to about so many.

        Raises FitError if the run was stopped before it was meshed, ExtractError without a surface.
        """
        scene, joined = self._joined()
        share, pieces = faces / joined.faces, []
        if share < 1:
            log.info("simplifying %s triangles to %s", f"{joined.faces:,}", f"{faces:,}")
        for block in joined.keep:
            if piece := piece_of(scene, joined, block):
                pieces.append(coarser(piece, max(int(share * len(piece.faces)), MIN_PIECE_FACES)))
        return together(pieces)

    def distances_to_mesh(self, points: Float) -> Float:
        """(n,) distances of points (n, 3) of the scan to the whole mesh, world.

        Each is the distance to what the point's block has of it, and blocks that are near: NaN if they have
        nothing. Raises FitError as `mesh`.
        """
        scene, joined = self._joined()
        out, unit = np.full(len(points), np.nan), self.frame.to_unit(points)
        reach = REACH_CELLS * scene.lattice.grid.cell
        for block in joined.keep:
            low, high = scene.plan.corners[block]
            near = ((unit >= low - reach) & (unit <= high + reach)).all(1)
            if near.any() and (piece := piece_of(scene, joined, block)):
                out[near] = np.fmin(out[near], distance_to_mesh(points[near], piece))
        return out

    def _joined(self) -> tuple[Scene, Joined]:
        scene = read_scene(self.folder).scene
        if not all((scene.of(number) / PIECE_FILE).exists() for number in range(len(scene.plan))):
            raise FitError(
                f"{self.folder} holds a scene that was stopped before it was meshed: start it again"
            )
        return scene, survey_pieces(scene)[2]


def load_scene(folder: str | Path) -> SceneReconstruction:
    """The scene of a run folder of `recon mesh --blocks`, all of whose blocks are fitted.

    Raises:
        ScanError: if `folder` is no such run folder.
        FitError: if blocks are missing.
    """
    folder = check_path("folder", folder)
    description = read_description(folder)
    if "scene" not in description:
        raise ScanError(f"{folder} is a run of one field, not of a scene in blocks: load it as such")
    missing = FitError(f"{folder} holds a scene that was stopped before all was fitted: start it again")
    if not (folder / PLAN_FILE).exists():
        raise missing
    blocks = read_plan(folder)
    if not all((block_folder(folder, number) / FITTED_FILE).exists() for number in range(len(blocks))):
        raise missing
    field = cast(HeadedField, SceneField(blocks, folder))
    box: Float = blocks.box + np.array([[-1.0], [1.0]]) * blocks.margin
    return SceneReconstruction(field, blocks.frame, box, description, folder)


def load_either(
    folder: str | Path, device: str | torch.device = "cpu"
) -> Reconstruction | SceneReconstruction:
    """What a run folder holds, one field or a scene in blocks. Errors as `load` and `load_scene`."""
    folder = check_path("folder", folder)
    return load_scene(folder) if "scene" in read_description(folder) else load(folder, device)

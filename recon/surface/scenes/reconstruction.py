"""A scene that can be asked for distances; and run folders of either kind, one field or many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from recon.base.run_files import read_description
from recon.errors import FitError, ScanError, check_path
from recon.field.heads import HeadedField
from recon.geometry import Float
from recon.surface.queries import Queries
from recon.surface.reconstruction import load
from recon.surface.scenes.field import FITTED_FILE, SceneField, block_folder
from recon.surface.scenes.plan import PLAN_FILE, read_plan


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


def load_either(folder: str | Path) -> Queries:
    """What a run folder holds, one field or a scene in blocks. Errors as `load` and `load_scene`."""
    folder = check_path("folder", folder)
    return load_scene(folder) if "scene" in read_description(folder) else load(folder)

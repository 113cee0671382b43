"""The result of a scene: its mesh's file, and what is told of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from recon.base.files import atomic_path
from recon.base.provenance import SOUND, SUSPECT
from recon.base.units import SHORT
from recon.geometry import vertex_normals
from recon.meshing.files import read_mesh, write_mesh
from recon.meshing.simplification import simplify
from recon.meshing.trimming import MIN_OPEN_SHARE
from recon.surface.scenes.blocks import Scene, read_arrays_of
from recon.surface.scenes.joining import Joined, join
from recon.surface.scenes.pieces import PIECE_FILE
from recon.surface.scenes.sorting import SortedPoints

MAX_UNMET_POINTS, UNMET_SPACINGS = 0.03, 3.0


def written(
    scene: Scene,
    points: SortedPoints,
    out: Path,
    overwrite: bool,
    on_written: Callable[[Path], None],
    seconds: dict[str, float],
) -> tuple[Joined, np.ndarray]:
    """Writes the mesh of all blocks of `points` to `out`; its counts, and distances of points to it."""
    start = time.monotonic()
    whole = scene.folder / "scene.ply"
    with atomic_path(whole, overwrite=True) as temporary, temporary.open("wb") as stream:
        joined = join(scene, stream)
    faces = scene.config.mesh.faces
    if out.suffix.lower() == ".ply" and not faces:
        with atomic_path(out, overwrite, on_written) as temporary:
            shutil.copyfile(whole, temporary)
    else:
        mesh = replace(read_mesh(whole), unit=_unit(scene, points))
        if faces:
            mesh = simplify(mesh, faces)
            mesh = replace(mesh, normals=vertex_normals(mesh))
            joined.vertices, joined.faces = len(mesh.vertices), len(mesh.faces)
        write_mesh(mesh, out, overwrite=overwrite, on_written=on_written)
    whole.unlink()
    seconds["join"] = time.monotonic() - start
    pieces = (read_arrays_of(scene.of(number) / PIECE_FILE) for number in range(len(scene.plan)))
    return joined, np.concatenate([piece["distances"] for piece in pieces if "distances" in piece])


def _unit(scene: Scene, points: SortedPoints) -> str | None:
    """The name of the unit of world coordinates, if it is known."""
    return SHORT.get(scene.config.mesh.unit or "", points.layout["unit"])


def middles(scene: Scene) -> np.ndarray:
    """(b, 3) the middles of the blocks, world."""
    low, high = scene.plan.box
    return scene.plan.frame.to_world(np.clip(scene.plan.corners, low, high).mean(1))


def statistics(
    scene: Scene, points: SortedPoints, joined: Joined, distances: np.ndarray, steps: int, recoveries: int
) -> dict[str, Any]:
    """As `recon.surface.conversion.mesh_statistics`, with the number of blocks."""
    doubts = []
    unmet = float((distances > UNMET_SPACINGS * scene.plan.spacing * scene.plan.frame.scale).mean())
    if unmet > MAX_UNMET_POINTS:
        doubts.append(
            f"{unmet:.0%} of the points have no surface near them: look at both (recon view), or keep all "
            "that comes (--parts all --trim off)"
        )
    if joined.unseen > MIN_OPEN_SHARE:
        doubts.append(
            f"{joined.unseen:.0%} of the surface has no points near it: --trim DISTANCE cuts it off"
        )
    return {
        "points": len(points),
        "vertices": joined.vertices,
        "faces": joined.faces,
        "watertight": joined.watertight,
        "components": joined.components,
        "genus": joined.genus,
        "area": joined.area,
        "volume": joined.volume,
        "holes": [asdict(hole) for hole in joined.holes],
        "unit": _unit(scene, points),
        "steps": steps,
        "recoveries": recoveries,
        "scan_to_mesh": {
            "mean": float(distances.mean()),
            "p95": float(np.percentile(distances, 95)),
            "largest": float(distances.max()),
        },
        "filled": [],
        "uncertainty": None,
        "texture": None,
        "diagonal": float(np.linalg.norm(points.box[1] - points.box[0])),
        "blocks": len(scene.plan),
        "state": SUSPECT if doubts else SOUND,
        "doubts": doubts,
    }

"""The piece of a scene's mesh that a block makes of its surface: trimmed, coloured, its parts told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.geometry import Float, Int, Mesh, PointCloud
from recon.meshing.attributes import with_attributes
from recon.meshing.components import part_of_vertices, supported
from recon.meshing.triangles import distance_to_mesh
from recon.meshing.trimming import SNAP_TOLERANCE, cut
from recon.surface.scenes.blocks import SEAM_FILE, SURFACE_FILE, Scene, read_arrays_of, save_arrays, scan_of

PIECE_FILE = "piece.npz"
VALUE = "value "  # before the names of scalars in a piece
MEASURED_POINTS, AWAY_SPACINGS = 2000, 8.0


def finish_block(scene: Scene, number: int, threads: int) -> None:
    """The block's piece of the scene's mesh: trimmed, coloured, its parts told apart; all on `threads`.

    Vertices on a side that it shares with a block of a lower number are that block's to the last bit.
    """
    folder, plan = scene.of(number), scene.plan
    if (folder / PIECE_FILE).exists():
        return
    surface = read_arrays_of(folder / SURFACE_FILE)
    if "faces" not in surface:
        save_arrays(folder / PIECE_FILE)
        return
    vertices, normals, level = (surface[name].copy() for name in ("vertices", "normals", "level"))
    seam = np.flatnonzero(surface["sides"].any(1))
    for other in reversed([n for n in plan.neighbours(number, 4 * scene.lattice.grid.cell) if n < number]):
        there = read_arrays_of(scene.of(other) / SEAM_FILE)
        mine, its = _matches(surface["keys"][seam], there["keys"])
        for array, name in ((vertices, "vertices"), (normals, "normals"), (level, "level")):
            array[seam[mine]] = there[name][its]
    sides = {f"side {side}": column for side, column in enumerate(surface["sides"].T.astype(np.float64))}
    mesh = Mesh(vertices, surface["faces"], normals, None, sides)
    if not (level > 0).all():
        mesh = cut(mesh, level, SNAP_TOLERANCE * plan.spacing)
    if not len(mesh.faces):
        save_arrays(folder / PIECE_FILE)
        return
    on_side = np.stack([mesh.values[name] > 1 - 1e-9 for name in sides], axis=1)
    mesh, scan = replace(mesh, values={}), scan_of(scene, number)
    if scene.config.mesh.color == "auto":
        mesh = with_attributes(mesh, scan, threads)
    _save_piece(scene, number, mesh, scan, on_side)


def _save_piece(scene: Scene, number: int, mesh: Mesh, scan: PointCloud, on_side: NDArray[np.bool_]) -> None:
    part = part_of_vertices(mesh)
    a, b, c = mesh.vertices[mesh.faces.T]
    area = np.bincount(part[mesh.faces[:, 0]], np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)
    arrays: dict[str, Any] = {"vertices": mesh.vertices, "faces": mesh.faces.astype(np.int32)}
    arrays |= {"normals": mesh.normals, "part": part, "area": area, "sides": on_side}
    arrays |= {} if mesh.colors is None else {"colors": mesh.colors}
    arrays |= {f"{VALUE}{name}": column for name, column in mesh.values.items()}
    some, near = supported(mesh, part, scan.points, scene.plan.spacing)
    arrays["asked"] = np.bincount(part[some], minlength=len(area))
    arrays["near"] = np.bincount(part[some[near]], minlength=len(area))
    away = some[~near]
    arrays["away"], arrays["away part"] = mesh.vertices[away], part[away]
    distances = _distances(scene, number, mesh, scan)
    save_arrays(scene.of(number) / PIECE_FILE, distances=distances, **arrays)


def _distances(scene: Scene, number: int, mesh: Mesh, scan: PointCloud) -> Float:
    """Distances (k,), world, to the mesh from some of the block's own points, away from its cuts."""
    plan = scene.plan
    low, high = plan.corners[number]
    away = min(plan.spacing * AWAY_SPACINGS, float((high - low).min()) / 4)
    own = np.flatnonzero(((scan.points >= low + away) & (scan.points <= high - away)).all(1))
    own = own[:: max(1, len(own) // MEASURED_POINTS)]
    return distance_to_mesh(scan.points[own], mesh) * plan.frame.scale if len(own) else np.empty(0)


def _matches(mine: Int, theirs: Int) -> tuple[Int, Int]:
    """The places in `mine` and in `theirs` of what is in both."""
    _, first, second = np.intersect1d(mine, theirs, return_indices=True)
    return first, second

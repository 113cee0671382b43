"""Large meshes for viewers that load what they show: 3D Tiles 1.1, a tree of GLB files.

The leaves are the whole mesh, piece by piece; a tile above them holds what is below it, simplified to a fixed
number of triangles. So a viewer that sees all loads one small tile, and none is larger than a piece.
Specified in OGC 22-025r4, https://docs.ogc.org/cs/22-025r4/22-025r4.html. Coordinates are those of the scan,
z up, about the middle of the scene, which the root's transform adds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from recon.base.files import write_json
from recon.errors import OutputError
from recon.geometry import Float, Mesh
from recon.meshing.files import write_mesh
from recon.meshing.levels import coarser, together

TILESET_FILE = "tileset.json"
TILE_FACES = 20_000  # of a tile that is not a leaf
LEAF_FACES = 200_000  # of a piece of a mesh that comes as a whole
EDGE_ERROR = 0.25  # of a simplified surface, in its mean edges


@dataclass
class _Tile:
    """A tile as JSON describes it, and the simplified mesh for those above it."""

    content: dict[str, Any]
    coarse: Mesh
    low: Float
    high: Float
    error: float


def check_tiles_folder(folder: str | Path) -> Path:
    """Raises OutputError unless `folder` can be made, or is empty."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        other = next(folder.iterdir(), None)
    except OSError as error:
        raise OutputError(f"cannot write the tiles to {folder}: {error.strerror}") from None
    if other is not None:
        raise OutputError(f"{folder} holds files, as {other.name}: give a new folder, or an empty one")
    return folder


def write_tiles(
    pieces: Callable[[int], Mesh | None],
    centres: Float,
    folder: Path,
    progress: Callable[[float], None] = lambda share: None,
) -> int:
    """Writes the tiles of a mesh of pieces to an empty `folder`; returns how many.

    Args:
        pieces: the mesh of a number, world, each asked for once; None where there is no surface.
        centres: (n, 3) about where each piece is.
        folder: of tileset.json and its tiles.
        progress: called with the share done.

    Raises:
        OutputError: the disk refuses, or there are no pieces.
    """
    writer = _Writer(pieces, centres.mean(0), folder, len(centres), progress)
    root = writer.tile(np.arange(len(centres)), centres)
    if root is None:
        raise OutputError(f"there is no surface to write to {folder}")
    size = float(np.linalg.norm(root.high - root.low))
    place = np.eye(4)
    place[:3, 3] = writer.centre
    tree = root.content | {"transform": place.T.ravel().tolist(), "refine": "REPLACE"}
    write_json(folder / TILESET_FILE, {"asset": {"version": "1.1"}, "geometricError": size, "root": tree})
    return writer.count


def pieces_of(mesh: Mesh) -> list[Mesh]:
    """`mesh` in pieces of at most `LEAF_FACES` triangles, halved across their longest side."""
    done, todo = list[Mesh](), [np.arange(len(mesh.faces))]
    middles = mesh.vertices[mesh.faces].mean(1)
    while todo:
        some = todo.pop()
        if len(some) > LEAF_FACES:
            axis = int(np.ptp(middles[some], axis=0).argmax())
            some = some[np.argsort(middles[some, axis], kind="stable")]
            todo += [some[len(some) // 2 :], some[: len(some) // 2]]
            continue
        used, corners = np.unique(mesh.faces[some], return_inverse=True)
        pick = lambda a, used=used: None if a is None else a[used]  # noqa: E731
        values = {name: column[used] for name, column in mesh.values.items()}
        faces = corners.reshape(-1, 3)
        done.append(Mesh(mesh.vertices[used], faces, pick(mesh.normals), pick(mesh.colors), values))
    return done


class _Writer:
    """Writes tiles, each after those below it."""

    def __init__(
        self,
        pieces: Callable[[int], Mesh | None],
        centre: Float,
        folder: Path,
        total: int,
        progress: Callable[[float], None],
    ) -> None:
        self.pieces, self.centre, self.folder = pieces, centre, folder
        self.total, self.progress = total, progress
        self.count = self.done = 0

    def tile(self, numbers: Any, centres: Float) -> _Tile | None:
        """The tile of the pieces `numbers`, at `centres` (n, 3), with all below it."""
        if len(numbers) == 1:
            return self._leaf(int(numbers[0]))
        axis = int(np.ptp(centres, axis=0).argmax())
        order = np.argsort(centres[:, axis], kind="stable")
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        below = [tile for half in halves if (tile := self.tile(numbers[half], centres[half])) is not None]
        return self._above(below) if len(below) > 1 else next(iter(below), None)

    def _leaf(self, number: int) -> _Tile | None:
        mesh = self.pieces(number)
        self.done += 1
        self.progress(self.done / self.total)
        if mesh is None or not len(mesh.faces):
            return None
        mesh = replace(mesh, vertices=mesh.vertices - self.centre)
        tile = self._written(mesh, 0.0, [])
        if len(mesh.faces) <= TILE_FACES:
            return tile
        return self._above([tile])

    def _above(self, below: list[_Tile]) -> _Tile:
        mesh = coarser(together([tile.coarse for tile in below]), TILE_FACES)
        error = max(EDGE_ERROR * _edge(mesh), *(tile.error for tile in below), 0.0)
        return self._written(mesh, error, below)

    def _written(self, mesh: Mesh, error: float, below: list[_Tile]) -> _Tile:
        name = f"{self.count:06d}.glb"
        self.count += 1
        x, y, z = mesh.vertices.T  # glTF has y up, and viewers of tiles turn it
        normals = None if mesh.normals is None else mesh.normals[:, [0, 2, 1]] * (1, 1, -1)
        turned = replace(mesh, vertices=np.stack([x, z, -y], axis=1), normals=normals)
        write_mesh(turned, self.folder / name)
        low = np.minimum.reduce([mesh.vertices.min(0), *(tile.low for tile in below)])
        high = np.maximum.reduce([mesh.vertices.max(0), *(tile.high for tile in below)])
        axes = np.diag(np.maximum(high - low, 1e-9) / 2)
        content: dict[str, Any] = {
            "boundingVolume": {"box": [*((low + high) / 2), *axes.ravel()]},
            "geometricError": error,
            "content": {"uri": name},
        }
        if below:
            content["children"] = [tile.content for tile in below]
        return _Tile(content, mesh, low, high, error)


def _edge(mesh: Mesh) -> float:
    a, b, _ = mesh.vertices[mesh.faces.T]
    return float(np.linalg.norm(a - b, axis=1).mean())

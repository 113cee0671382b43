"""The blocks' pieces of a surface as one mesh, of which no step holds more than one piece.

Vertices on the cuts are in several pieces, at the same place to the last bit; the first one's counts. Parts
of the surface go through many pieces: a union-find over all pieces' parts tells how large each is, and which
stay. Edges on the cuts that only one piece has are open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recon.errors import ExtractError
from recon.geometry import Float, Int, Mesh
from recon.meshing.components import MIN_PART_AREA, MIN_SUPPORTED_SHARE
from recon.meshing.files import ply_faces, ply_header, ply_vertices
from recon.meshing.topology import Hole, connected_parts
from recon.surface.scenes.blocks import Scene, read_arrays_of
from recon.surface.scenes.pieces import PIECE_FILE, VALUE

MAX_VERTICES = 2**31 - 1
MIN_PART_POINTS = 40  # whose area makes a part, however large the others are


@dataclass
class Joined:
    """The counts and sizes of a scene's mesh.

    Attributes:
        vertices, faces, components: how many.
        genus: None if an edge has more than two faces.
        area, volume: world; no volume of an open mesh.
        holes: longest first.
        nonmanifold: edges with more than two faces.
        unseen: the share of the surface without points near it.
        dropped: parts left out.
        keep: which parts of each block stay.
    """

    vertices: int = 0
    faces: int = 0
    components: int = 0
    genus: int | None = None
    area: float = 0.0
    volume: float | None = None
    holes: tuple[Hole, ...] = ()
    nonmanifold: int = 0
    unseen: float = 0.0
    dropped: int = 0
    keep: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def watertight(self) -> bool:
        """Every edge has two faces."""
        return not self.holes and not self.nonmanifold


@dataclass
class _Seams:
    """Vertices on cuts.

    Attributes:
        block, vertex: (s,) where each is.
        group: (s,) equal for those at one place.
        owner: (s,) whether it is the first of its group.
        number: (groups,) in the mesh, -1 until it has one.
    """

    block: Int
    vertex: Int
    group: Int
    owner: NDArray[np.bool_]
    number: Int = field(init=False)

    def __post_init__(self) -> None:
        self.number = np.full(int(self.group.max(initial=-1)) + 1, -1, np.int64)

    def of(self, block: int) -> slice:
        """Those of a block; they are ordered by it."""
        return slice(*np.searchsorted(self.block, [block, block + 1]).tolist())


def join(scene: Scene, stream: BinaryIO, progress: Callable[[float], None] = lambda share: None) -> Joined:
    """Writes the pieces of all blocks as one PLY mesh, in world units.

    Raises ExtractError if there are none, or too many.
    """
    seams, layout, out = survey_pieces(scene)
    keep = out.keep
    if out.vertices > MAX_VERTICES:
        raise ExtractError(f"{out.vertices:,} vertices are more than PLY can number: give a larger --cell")
    stream.write(ply_header(layout["names"], layout["normals"], layout["colors"], out.vertices, out.faces))
    total = 0
    for done, (block, piece) in enumerate(_pieces(scene)):
        kept, fresh = _kept(piece, keep[block], seams, block)
        here = seams.of(block)
        number = np.cumsum(fresh) - 1 + total
        owned = seams.owner[here] & kept[seams.vertex[here]]
        seams.number[seams.group[here][owned]] = number[seams.vertex[here][owned]]
        total += int(fresh.sum())
        stream.write(ply_vertices(_mesh(scene, piece, layout, fresh)))
        progress(0.5 * done / len(scene.plan))
    total, rims = 0, list[Float]()
    open_edges, cut_edges = list[Int](), list[Int]()
    volume = 0.0
    for done, (block, piece) in enumerate(_pieces(scene)):
        kept, fresh = _kept(piece, keep[block], seams, block)
        number = np.cumsum(fresh) - 1 + total
        here = seams.of(block)
        number[seams.vertex[here]] = seams.number[seams.group[here]]
        total += int(fresh.sum())
        local = piece["faces"][kept[piece["faces"]].all(1)]
        faces = number[local]
        stream.write(ply_faces(faces))
        volume += _volume(piece["vertices"], local)
        ends, on_cut = _borders(local, piece["sides"])
        open_edges.append(number[ends[~on_cut]])
        cut_edges.append(number[ends[on_cut]])
        rims.append(_places(number, piece["vertices"], ends))
        progress(0.5 + 0.5 * done / len(scene.plan))
    _measure(scene, out, open_edges, cut_edges, np.concatenate(rims), volume)
    return out


def piece_of(scene: Scene, joined: Joined, block: int) -> Mesh | None:
    """A block's piece of the joined mesh, world; None if it has none."""
    piece = read_arrays_of(scene.of(block) / PIECE_FILE)
    if block not in joined.keep or not joined.keep[block].any():
        return None
    kept = joined.keep[block][piece["part"]]
    values = {name.removeprefix(VALUE): piece[name] for name in piece if name.startswith(VALUE)}
    world = scene.plan.frame.to_world(piece["vertices"])
    return Mesh(world, piece["faces"], piece["normals"], piece.get("colors"), values).select(kept)


def _pieces(scene: Scene) -> Iterator[tuple[int, dict[str, NDArray[Any]]]]:
    for block in range(len(scene.plan)):
        piece = read_arrays_of(scene.of(block) / PIECE_FILE)
        if "faces" in piece:
            yield block, piece


def survey_pieces(scene: Scene) -> tuple[_Seams, dict[str, Any], Joined]:
    """The seams, what all vertices have, and the counts of the mesh with the parts that stay.

    Raises ExtractError if there are none.
    """
    places, blocks, vertices, nodes = [], [], [], []
    areas, support, first, counts = list[Float](), list[Int](), dict[int, int](), dict[int, Int]()
    names: set[str] | None = None
    colors, total = True, 0
    for block, piece in _pieces(scene):
        seam = np.flatnonzero(piece["sides"].any(1))
        places.append(piece["vertices"][seam])
        blocks.append(np.full(len(seam), block))
        vertices.append(seam)
        first[block] = total
        nodes.append(total + piece["part"][seam])
        areas.append(piece["area"])
        support.append(np.stack([piece["near"], piece["asked"]], axis=1))
        used = np.bincount(piece["part"], minlength=len(piece["area"]))
        faces = np.bincount(piece["part"][piece["faces"][:, 0]], minlength=len(piece["area"]))
        counts[block] = np.stack([used, faces], axis=1)
        total += len(piece["area"])
        found = {name.removeprefix(VALUE) for name in piece if name.startswith(VALUE)}
        names = found if names is None else names & found
        colors &= "colors" in piece
    if not total:
        raise ExtractError("no surface in the scene: its points are too few, or it was cut off by --trim")
    group, owner = _groups(np.concatenate(places))
    seams = _Seams(np.concatenate(blocks), np.concatenate(vertices), group, owner)
    node = np.concatenate(nodes)
    leader = np.empty(int(group.max(initial=-1)) + 1, np.int64)
    leader[group[owner]] = node[owner]
    components, label = connected_parts(total, node, leader[group])
    area, near, asked = (
        np.bincount(label, column, components).astype(np.float64)
        for column in (np.concatenate(areas), *np.concatenate(support).T)
    )
    keep = _chosen(scene, area, near / np.maximum(asked, 1))
    stays = keep[label]
    table = np.concatenate(list(counts.values()))[stays].sum(0)
    repeated = int((stays[node] & ~owner).sum())
    out = Joined(int(table[0]) - repeated, int(table[1]), int(keep.sum()), dropped=int((~keep).sum()))
    out.area = float(area[keep].sum()) * scene.plan.frame.scale**2
    out.unseen = 1 - float((area * near / np.maximum(asked, 1))[keep].sum() / area[keep].sum())
    out.keep = {block: stays[start : start + len(counts[block])] for block, start in first.items()}
    layout = {"names": sorted(names or ()), "colors": colors, "normals": True}
    return seams, layout, out


def _groups(places: Float) -> tuple[Int, NDArray[np.bool_]]:
    """Of places (s, 3): equal numbers (s,) for equal ones, and which are the first of theirs."""
    bits = np.ascontiguousarray(places + 0.0).view(np.int64)
    _, first, group = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    owner = np.zeros(len(places), bool)
    owner[first] = True
    return group.reshape(-1), owner


def _chosen(scene: Scene, area: Float, near: Float) -> NDArray[np.bool_]:
    """Which parts stay, by their `area` (unit) and the share of their vertices that are `near` points.

    What counts as a crumb depends on the points, too: the ground of a city is no measure of a car.
    """
    wanted, keep = scene.config.mesh.parts, np.zeros(len(area), bool)
    if wanted == "all":
        return ~keep
    if wanted != "auto":
        keep[np.argsort(-area, kind="stable")[: 1 if wanted == "largest" else int(wanted)]] = True
        return keep
    keep = area >= min(MIN_PART_AREA * area.max(), MIN_PART_POINTS * scene.plan.spacing**2)
    keep &= near >= MIN_SUPPORTED_SHARE
    keep[area.argmax()] |= not keep.any()
    return keep


def _kept(
    piece: dict[str, NDArray[Any]], keep: NDArray[np.bool_], seams: _Seams, block: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which vertices of a piece stay, and which of these are new with it."""
    kept = keep[piece["part"]]
    fresh, here = kept.copy(), seams.of(block)
    fresh[seams.vertex[here][~seams.owner[here]]] = False
    return kept, fresh


def _mesh(
    scene: Scene, piece: dict[str, NDArray[Any]], layout: dict[str, Any], some: NDArray[np.bool_]
) -> Mesh:
    """The vertices `some` of a piece, world, without faces."""
    values = {name: piece[VALUE + name][some] for name in layout["names"]}
    colors = piece["colors"][some] if layout["colors"] else None
    world = scene.plan.frame.to_world(piece["vertices"][some])
    return Mesh(world, np.empty((0, 3), np.int64), piece["normals"][some], colors, values)


def _volume(vertices: Float, faces: Int) -> float:
    a, b, c = vertices[faces.T]
    return float((a * np.cross(b, c)).sum()) / 6


def _borders(faces: Int, sides: NDArray[np.bool_]) -> tuple[Int, NDArray[np.bool_]]:
    """The edges (e, 2) with one face, and which of them lie on a cut."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges, count = np.unique(ends, axis=0, return_counts=True)
    alone = edges[count == 1]
    return alone, (sides[alone[:, 0]] & sides[alone[:, 1]]).any(1)


def _places(number: Int, vertices: Float, ends: Int) -> Float:
    """(k, 4) the number and place of each end of the edges."""
    some = np.unique(ends)
    return np.column_stack([number[some], vertices[some]])


def _measure(
    scene: Scene, out: Joined, open_edges: list[Int], cut_edges: list[Int], rims: Float, volume: float
) -> None:
    """Completes `out`: holes, genus, volume."""
    across, count = np.unique(np.sort(np.concatenate(cut_edges), axis=1), axis=0, return_counts=True)
    out.nonmanifold = int((count > 2).sum())
    rim = np.concatenate([*open_edges, across[count == 1]])
    edges = (3 * out.faces + len(rim)) // 2
    out.holes = _holes(scene, rim, rims)
    if not out.nonmanifold:
        euler = out.vertices - edges + out.faces
        out.genus = (2 * out.components - len(out.holes) - euler) // 2
    if out.watertight:
        out.volume = volume * scene.plan.frame.scale**3


def _holes(scene: Scene, rim: Int, rims: Float) -> tuple[Hole, ...]:
    if not len(rim):
        return ()
    numbers, first = np.unique(rims[:, 0].astype(np.int64), return_index=True)
    places = scene.plan.frame.to_world(rims[first, 1:])
    ends = np.searchsorted(numbers, rim)
    used, ends = np.unique(ends, return_inverse=True)
    a, b = ends.reshape(-1, 2).T
    places = places[used]
    count, label = connected_parts(len(used), a, b)
    length = np.bincount(label[a], np.linalg.norm(places[a] - places[b], axis=1), count)
    number = np.bincount(label[a], minlength=count)
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(count))
    low, high = (ufunc.reduceat(places[order], starts) for ufunc in (np.minimum, np.maximum))
    size, middle = high - low, low + 0.5 * (high - low)
    return tuple(
        Hole(int(number[i]), float(length[i]), tuple(size[i].tolist()), tuple(middle[i].tolist()))
        for i in np.argsort(-length, kind="stable")
    )

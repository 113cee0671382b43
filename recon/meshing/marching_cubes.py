"""Marching cubes over bricks: one vertex on each grid edge that changes sign, triangles from a table.

Lorensen and Cline 1987, doi:10.1145/37401.37422. A face whose corners alternate in sign can be cut in
two ways; the saddle of its bilinear interpolant decides (Nielson and Hamann 1991,
doi:10.1109/VISUAL.1991.175782), the same for both cells that share it, so that the mesh is closed. The
table is made here rather than written down: on every face of a cube the cuts lead from where its border,
walked counter-clockwise seen from outside, enters the inside to where it leaves it; over all faces they
close to loops, and loops are cut into triangles. A few loops cannot be cut without a diagonal in a face
of the cube, where the neighbour cell might have the same; they get a vertex in their middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

import torch
from torch import Tensor

from recon.meshing.bricks import CORNER_OFFSETS, SAMPLE_PLACES, Bricks

# The corners of a cube are CORNER_OFFSETS. Its faces: four corners, counter-clockwise seen from outside.
CUBE_FACES = (
    (0b000, 0b001, 0b011, 0b010),
    (0b100, 0b110, 0b111, 0b101),
    (0b000, 0b100, 0b101, 0b001),
    (0b010, 0b011, 0b111, 0b110),
    (0b000, 0b010, 0b110, 0b100),
    (0b001, 0b101, 0b111, 0b011),
)
CUBE_EDGES = [(a, b) for a, b in product(range(8), repeat=2) if b - a in (4, 2, 1) and a & (b - a) == 0]
EDGE_OF = {frozenset(ends): number for number, ends in enumerate(CUBE_EDGES)}
EDGE_AXES = [{4: 0, 2: 1, 1: 2}[b - a] for a, b in CUBE_EDGES]
LOOP_CENTRE = len(CUBE_EDGES)  # the number of the vertex in the middle of a loop; a cell has at most one
# Of an edge, between a vertex and the ends: no triangle is lower than this over √2 cells.
MIN_EDGE_SHARE = 0.1
Triangle = tuple[int, int, int]


def march(bricks: Bricks) -> tuple[Tensor, Tensor]:
    """Vertices (n, 3) float64 in grid indices and faces (m, 3) int32, outward where Φ grows outward."""
    crossings, table = _crossings(bricks), _table(bricks.device)
    vertices, count = [crossings.vertices], len(crossings.vertices)
    faces = [torch.empty((0, 3), dtype=torch.int32, device=bricks.device)]
    for _, around, samples in bricks.neighbourhoods(bricks.active.nonzero().squeeze(1)):
        brick, cell, entry = table.crossed_cells(samples)
        triangle, of = table.triangles_of(entry)
        edge = cell[of, None] * (LOOP_CENTRE + 1) + triangle
        owner = around[brick[of, None], table.owner[edge]]
        face = crossings.vertex(owner, table.slot[edge]).int()
        fan = (triangle[:, 2] == LOOP_CENTRE).nonzero().squeeze(1)
        if len(fan):
            middles, number = torch.unique(of[fan], return_inverse=True)
            sums = face.new_zeros((len(middles), 3), dtype=torch.float64)
            sums.index_add_(0, number, crossings.vertices[face[fan, 0]])
            vertices.append(sums / torch.bincount(number)[:, None])
            face[fan, 2] = (count + number).int()
            count += len(middles)
        faces.append(face)
    return torch.cat(vertices), torch.cat(faces)


@dataclass(frozen=True)
class _Crossings:
    """The vertices, by the edges they are on. A brick owns 24 edges: slot 3 k + axis starts at its sample k.

    Attributes:
        vertices: (n, 3) float64 in grid indices, ordered by brick and slot.
        slots: (bricks,) int32, one bit for each slot whose edge changes sign.
        first: (bricks,) int32, the number of a brick's first vertex.
    """

    vertices: Tensor
    slots: Tensor
    first: Tensor

    def vertex(self, brick: Tensor, slot: Tensor) -> Tensor:
        """The numbers of the vertices on the edges at `slot` of `brick`."""
        return self.first[brick] + _bit_count(self.slots[brick] & ((1 << slot) - 1))


def _crossings(bricks: Bricks) -> _Crossings:
    every = torch.arange(len(bricks.places), device=bricks.device)
    vertices, slots, first, count = [], [], [], 0
    for some, _, samples in bricks.neighbourhoods(every):
        at, below, places = bricks.places[some], [], []
        for slot, (start, end) in enumerate(_SLOTS):
            low, high = samples[:, start], samples[:, end]
            crossed = low * high < 0  # false also where one was not taken
            below.append(crossed.int() << slot)
            row = crossed.nonzero().squeeze(1)
            place = (2 * at[row] + torch.tensor(SAMPLE_PLACES[start], device=bricks.device)).double()
            share = low[row] / (low[row] - high[row])
            place[:, slot % 3] += share.clamp(MIN_EDGE_SHARE, 1 - MIN_EDGE_SHARE).double()
            places.append((row, place))
        mask = torch.stack(below).sum(0, dtype=torch.int32)
        counts = _bit_count(mask)
        begin = torch.cumsum(counts, 0) - counts
        chunk = torch.empty((int(counts.sum()), 3), dtype=torch.float64, device=bricks.device)
        for slot, (row, place) in enumerate(places):
            chunk[begin[row] + _bit_count(mask[row] & ((1 << slot) - 1))] = place
        vertices.append(chunk)
        slots.append(mask)
        first.append((begin + count).int())
        count += len(chunk)
    return _Crossings(torch.cat(vertices), torch.cat(slots), torch.cat(first))


def _bit_count(x: Tensor) -> Tensor:
    """How many of the lower 24 bits are set, elementwise."""
    x = x - ((x >> 1) & 0x555555)
    x = (x & 0x333333) + ((x >> 2) & 0x333333)
    x = (x + (x >> 4)) & 0x0F0F0F
    return (x + (x >> 8) + (x >> 16)) & 0x1F


# Columns of a brick's 27 samples: where the edge of each slot starts and ends; the corners of its 8 cells.
_SLOTS = [
    (SAMPLE_PLACES.index(place), SAMPLE_PLACES.index(tuple(p + (a == axis) for a, p in enumerate(place))))
    for place in CORNER_OFFSETS
    for axis in range(3)
]
_CORNERS = [
    [
        SAMPLE_PLACES.index(tuple(a + b for a, b in zip(cell, corner, strict=True)))
        for corner in CORNER_OFFSETS
    ]
    for cell in CORNER_OFFSETS
]


@dataclass(frozen=True)
class _Table:
    """The triangles of each case of a cell.

    Attributes:
        corners: (8, 8) columns of the corners of each cell of a brick.
        start: (256,) first entry of each case, a case being one bit for each corner inside.
        weight: (256, 6) what an ambiguous face adds to it if its inside corners are joined; 0 for other
            faces.
        count: (entries,) number of triangles.
        triangles: (entries, max, 3) edges of the cell.
        owner: (8 * 13,) the brick that owns an edge of a cell, an index into CORNER_OFFSETS; the 13th is
            none.
        slot: (8 * 13,) the slot of that brick.
    """

    corners: Tensor
    start: Tensor
    weight: Tensor
    count: Tensor
    triangles: Tensor
    owner: Tensor
    slot: Tensor

    def crossed_cells(self, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of the bricks' samples (n, 27): brick, cell and entry of all cells with a surface, each (m,)."""
        inside = samples < 0
        case = torch.zeros((len(samples), 8), dtype=torch.uint8, device=samples.device)
        for corner in range(8):
            case |= inside[:, self.corners[:, corner]].to(torch.uint8) << corner
        brick, cell = ((case != 0) & (case != 255)).nonzero(as_tuple=True)
        entry, weight = self.start[case[brick, cell].long()], self.weight[case[brick, cell].long()]
        twofold = weight.any(1).nonzero().squeeze(1)
        corners = samples[brick[twofold, None], self.corners[cell[twofold]]]
        entry[twofold] += (weight[twofold] * _joined(corners)).sum(1)
        return brick, cell, entry

    def triangles_of(self, entry: Tensor) -> tuple[Tensor, Tensor]:
        """All triangles (m, 3) of the cells `entry`, and which cell each belongs to (m,)."""
        count = self.count[entry]
        cell = torch.repeat_interleave(count)
        first = torch.cumsum(count, 0) - count
        return self.triangles[entry[cell], torch.arange(len(cell), device=cell.device) - first[cell]], cell


def _joined(corners: Tensor) -> Tensor:
    """Whether the saddle of each face's bilinear interpolant is inside: (n, 8) → (n, 6)."""
    a, b, c, d = corners[:, torch.tensor(CUBE_FACES, device=corners.device)].unbind(2)
    return torch.where(a < 0, a * c > b * d, b * d > a * c)


@cache
def _table(device: torch.device) -> _Table:
    start: list[int] = []
    weight: list[list[int]] = []
    entries: list[list[Triangle]] = []
    for case in range(256):
        inside = [bool(case >> corner & 1) for corner in range(8)]
        twofold = [inside[a] == inside[c] != inside[b] == inside[d] for a, b, c, d in CUBE_FACES]
        start.append(len(entries))
        ranks = [sum(twofold[:face]) for face in range(6)]
        weight.append([twofold[face] << ranks[face] for face in range(6)])
        for joined in range(1 << sum(twofold)):
            joins = [bool(joined & weight[-1][face]) for face in range(6)]
            entries.append([t for loop in _loops(inside, joins) for t in triangulated(loop)])
    longest = max(map(len, entries))
    padded = [entry + [(0, 0, 0)] * (longest - len(entry)) for entry in entries]
    owner, slot = [], []
    for cell in range(8):
        for (corner, _), axis in zip(CUBE_EDGES, EDGE_AXES, strict=True):
            place = SAMPLE_PLACES[_CORNERS[cell][corner]]
            owner.append(CORNER_OFFSETS.index(tuple(p // 2 for p in place)))
            slot.append(3 * CORNER_OFFSETS.index(tuple(p % 2 for p in place)) + axis)
        owner.append(0)
        slot.append(0)
    columns = (_CORNERS, start, weight, [len(e) for e in entries], padded, owner, slot)
    return _Table(*(torch.tensor(column, device=device) for column in columns))


def _loops(inside: list[bool], joins: list[bool]) -> list[list[int]]:
    """The loops of edges in which the surface cuts the cube's border, counter-clockwise around the inside."""
    following: dict[int, int] = {}
    for face, join in zip(CUBE_FACES, joins, strict=True):
        border = [(a, face[(k + 1) % 4]) for k, a in enumerate(face)]
        cuts = [
            (EDGE_OF[frozenset(side)], inside[side[1]])
            for side in border
            if inside[side[0]] != inside[side[1]]
        ]
        if not cuts:
            continue
        if not cuts[0][1]:  # begin where the border enters
            cuts = cuts[1:] + cuts[:1]
        enters, leaves = [edge for edge, _ in cuts[::2]], [edge for edge, _ in cuts[1::2]]
        if join:  # around the corners outside, not those inside
            leaves = leaves[-1:] + leaves[:-1]
        following.update(zip(enters, leaves, strict=True))
    loops = []
    while following:
        loop = [next(iter(following))]
        while (edge := following.pop(loop[-1])) != loop[0]:
            loop.append(edge)
        loops.append(loop)
    return loops


def triangulated(loop: list[int]) -> list[Triangle]:
    """Triangles over the polygon through the edges of `loop`, no diagonal of which lies in a face."""
    fan = [(a, loop[(k + 1) % len(loop)], LOOP_CENTRE) for k, a in enumerate(loop)]
    return _triangulated(tuple(loop)) or fan


def _triangulated(loop: tuple[int, ...]) -> list[Triangle] | None:
    if len(loop) < 3:
        return []
    for k in range(1, len(loop) - 1):
        if (k > 1 and _on_a_face(loop[0], loop[k])) or (k < len(loop) - 2 and _on_a_face(loop[k], loop[-1])):
            continue
        left, right = _triangulated(loop[: k + 1]), _triangulated(loop[k:])
        if left is not None and right is not None:
            return [(loop[0], loop[k], loop[-1]), *left, *right]
    return None


def _on_a_face(one: int, other: int) -> bool:
    ends = {*CUBE_EDGES[one], *CUBE_EDGES[other]}
    return any(ends <= set(face) for face in CUBE_FACES)

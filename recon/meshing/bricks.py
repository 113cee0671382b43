"""The samples that a surface needs, and no others: bricks of 2 × 2 × 2 cells in a thin band around it.

1. From coarse to fine, a cube of half-diagonal r around c is dropped if |Φ(c)| > L r: a field with Lipschitz
   bound L has no zero in it. The remaining bricks are the *active* ones.
2. Φ is sampled at the grid points of the active bricks. A sample between the bricks' centres, whose values
   are known, is interpolated if its sign is certain then, and evaluated otherwise.
3. If the bound was too small after all, the surface leaves the active bricks through a face; the brick behind
   it becomes active, too, until the surface leaves no more. Only a closed part that no active brick touches
   is lost.

A brick owns the 8 samples at its lower corner; those on its upper faces belong to its upper neighbours, which
are stored for them even if they are not active. A sparse table in two levels finds a brick by its place:
memory is that of the band, whatever the resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

Progress = Callable[[float], None]

BLOCK_BRICKS = 8  # along the side of a block, the coarse level of the table
CHUNK_BRICKS = 1 << 16  # gathered at a time
COARSEST_CUBES = 16  # along the longest side of the box, at the coarsest level
BOUND_SAMPLES, BOUND_MARGIN = 4096, 1.1
# An interpolated value's sign is trusted above this many times the predicted error, plus a share of a cell.
TRUST_FACTOR, MIN_TRUSTED_VALUE = 4.0, 0.05
CENTRE_OFFSET, AXIS_OFFSETS = 7, (4, 2, 1)  # indices into CORNER_OFFSETS

CORNER_OFFSETS = list(product((0, 1), repeat=3))
SAMPLE_PLACES = list(product((0, 1, 2), repeat=3))  # of the 27 samples of a brick


@dataclass(frozen=True)
class Field:
    """A signed distance on the samples of a grid.

    Attributes:
        values: (n, 3) grid indices, whole or half → (n,) float32 in cells, negative inside, never within 1e-4
            of zero, so that no vertex falls on a grid point.
        slopes: the same → (n,) float32, ‖∇Φ‖.
        exact: of each axis, the indices of planes whose samples are never interpolated.
        wanted: which balls (n,) of centres (n, 3) and radii (n,), in cells, may hold surface that is wanted;
            by default all.
    """

    values: Callable[[Tensor], Tensor]
    slopes: Callable[[Tensor], Tensor]
    exact: tuple[tuple[int, ...], ...] = ((), (), ())
    wanted: Callable[[Tensor, Tensor], Tensor] | None = None


class Bricks:
    """Bricks by number, in a grid of `shape` bricks.

    Attributes:
        places: (n, 3) int32; brick 0 is a placeholder for all that are not stored.
        values: (n, 8) float32, Φ in cells at the samples that each brick owns; NaN if not sampled.
        active: (n,) bool, all 27 samples are present, 8 of its own, 19 of its upper neighbours.
        upper: (n, 8) int32, an active brick and its 7 upper neighbours, ordered as CORNER_OFFSETS.
    """

    def __init__(self, shape: tuple[int, int, int], device: torch.device | str) -> None:
        self.shape = torch.tensor(shape, device=device)
        self.device = torch.device(device)
        self._offsets = torch.tensor(CORNER_OFFSETS, dtype=torch.int32, device=device)
        blocks = [n // BLOCK_BRICKS + 1 for n in shape]
        self._strides = torch.tensor([blocks[1] * blocks[2], blocks[2], 1], device=device)
        self._blocks = torch.zeros(blocks[0] * blocks[1] * blocks[2], dtype=torch.int32, device=device)
        self._numbers = torch.zeros((1, BLOCK_BRICKS**3), dtype=torch.int32, device=device)  # block 0: none
        self.places = torch.full((1, 3), -2, dtype=torch.int32, device=device)
        self.values = torch.full((1, 8), torch.nan, device=device)
        self.active = torch.zeros(1, dtype=torch.bool, device=device)
        self.upper = torch.zeros((1, 8), dtype=torch.int32, device=device)
        self._wanted = torch.zeros((1, 8), dtype=torch.bool, device=device)

    def find(self, places: Tensor) -> Tensor:
        """Numbers (n,) of the bricks at `places` (n, 3); 0 if there is none."""
        there = ((places >= 0) & (places <= self.shape)).all(1)
        block, cell = self._address(places.clamp_min(0).minimum(self.shape))
        return torch.where(there, self._numbers[self._blocks[block].long(), cell].long(), 0)

    def activate(self, places: Tensor) -> Tensor:
        """Activates the bricks at `places` (n, 3), distinct and inactive; returns their numbers."""
        numbers = self._stored(places)
        self.active[numbers] = True
        self._wanted[numbers] = True
        self.upper[numbers, 0] = numbers.int()
        for index, offset in enumerate(CORNER_OFFSETS[1:], start=1):
            shared = [k for k, local in enumerate(CORNER_OFFSETS) if not any(map(int.__and__, local, offset))]
            neighbours = self._stored(places + self._offsets[index])
            self.upper[numbers, index] = neighbours.int()
            for k in shared:
                self._wanted[neighbours, k] = True
        return numbers

    def interpolate(self, places: Tensor, centres: Tensor, exact: tuple[tuple[int, ...], ...]) -> None:
        """Fills the samples that the `centres` (n,) of bricks at `places` (n, 3) predict well enough.

        Those on the planes `exact` of each axis are left out.
        """
        numbers = self._stored(places)
        value = self.values.new_full((len(self.places),), torch.nan)  # and so is all that follows from it
        value[numbers] = centres
        before, error = self._behind(value)
        for some in self._wanted.any(1).nonzero().squeeze(1).split(CHUNK_BRICKS):
            for k, local in enumerate(CORNER_OFFSETS):
                around = [some]  # the bricks whose centres are around the sample
                for axis, at_centre in enumerate(local):
                    if not at_centre:
                        around += [before[one, axis].long() for one in around]
                mean = torch.stack([value[one] for one in around]).mean(0)
                errors = torch.stack([error[one] for one in around]).amax(0)
                sure = (
                    ~mean.isnan()
                    if k == CENTRE_OFFSET
                    else mean.abs() > TRUST_FACTOR * errors + MIN_TRUSTED_VALUE
                )
                sure &= self._wanted[some, k]
                for axis, planes in enumerate(exact):
                    for plane in planes:
                        sure &= 2 * self.places[some, axis] + local[axis] != plane
                self.values[some, k] = torch.where(sure, mean, torch.nan)

    def _behind(self, centres: Tensor) -> tuple[Tensor, Tensor]:
        """The preceding bricks (n, 3) int32 on each axis; the error (n,) of interpolating `centres` (n,)."""
        before = torch.zeros((len(centres), 3), dtype=torch.int32, device=self.device)
        error = torch.zeros_like(centres)
        for axis, k in enumerate(AXIS_OFFSETS):
            after = torch.empty(len(centres), dtype=torch.int32, device=self.device)
            for part in _chunks(len(centres)):
                after[part] = self.find(self.places[part] + self._offsets[k]).int()
                numbers = torch.arange(part.start, part.stop, dtype=torch.int32, device=self.device)
                before[after[part].long(), axis] = numbers
            before[0] = 0
            for part in _chunks(len(centres)):
                beside = centres[after[part].long()] + centres[before[part, axis].long()]
                error[part] += (beside - 2 * centres[part]).abs() / 8
        return before, error

    def sample(self, field: Field, progress: Progress) -> None:
        """Evaluates all samples that are needed and missing."""
        missing = self._wanted & self.values.isnan()
        total, done = int(missing.sum()), 0
        for k in range(8):
            for some in missing[:, k].nonzero().squeeze(1).split(CHUNK_BRICKS):
                self.values[some, k] = field.values(2 * self.places[some] + self._offsets[k])
                done += len(some)
                progress(done / total)

    def neighbourhoods(self, numbers: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yields chunks of `numbers` (c,), with upper neighbours (c, 8) and samples (c, 27)."""
        flat = self.values.view(-1)
        for some in numbers.split(CHUNK_BRICKS):
            upper = self.upper[some].long()
            owned = upper * 8
            columns = [flat[owned[:, k] + local] for k, local in _OWNERS]
            yield some, upper, torch.stack(columns, dim=1)

    def complete(self) -> None:
        """Gives inactive bricks the neighbours that their edges can lead to."""
        for numbers in (~self.active).nonzero().squeeze(1).split(CHUNK_BRICKS):
            self.upper[numbers, 0] = numbers.int()
            for k in AXIS_OFFSETS:
                self.upper[numbers, k] = self.find(self.places[numbers] + self._offsets[k]).int()

    def _stored(self, places: Tensor) -> Tensor:
        """Numbers of the bricks at `places`, all different, which are stored if they were not."""
        numbers = self.find(places)
        absent = numbers == 0
        fresh = places[absent]
        block, cell = self._address(fresh)
        blocks = torch.unique(block[self._blocks[block] == 0])
        self._blocks[blocks] = torch.arange(
            len(self._numbers), len(self._numbers) + len(blocks), dtype=torch.int32, device=self.device
        )
        self._numbers = torch.cat([self._numbers, self._numbers.new_zeros((len(blocks), BLOCK_BRICKS**3))])
        count = len(self.places)
        given = torch.arange(count, count + len(fresh), device=self.device)
        self._numbers[self._blocks[block].long(), cell] = given.int()
        numbers[absent] = given
        self.places = torch.cat([self.places, fresh])
        self.values = torch.cat([self.values, self.values.new_full((len(fresh), 8), torch.nan)])
        self.active = torch.cat([self.active, self.active.new_zeros(len(fresh))])
        self.upper = torch.cat([self.upper, self.upper.new_zeros((len(fresh), 8))])
        self._wanted = torch.cat([self._wanted, self._wanted.new_zeros((len(fresh), 8))])
        return numbers

    def _address(self, places: Tensor) -> tuple[Tensor, Tensor]:
        block = (places // BLOCK_BRICKS * self._strides).sum(1)
        x, y, z = (places % BLOCK_BRICKS).unbind(1)
        return block, ((x * BLOCK_BRICKS + y) * BLOCK_BRICKS + z).long()


def _chunks(n: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK_BRICKS, n)) for start in range(0, n, CHUNK_BRICKS))


# Of each of the 27 samples: whose it is, an index into CORNER_OFFSETS, and which of its owner's 8.
_OWNERS = [
    (CORNER_OFFSETS.index(tuple(p // 2 for p in place)), CORNER_OFFSETS.index(tuple(p % 2 for p in place)))
    for place in SAMPLE_PLACES
]


def bricks_around_surface(
    field: Field,
    shape: tuple[int, int, int],
    device: torch.device | str,
    lipschitz: float | None,
    progress: Progress,
) -> Bricks | int:
    """All bricks that the surface passes through, sampled; if there are none, the sign of the field."""
    places, centres, near, sign = _near_surface(field, shape, device, lipschitz)
    progress(0.1)
    bricks = Bricks(shape, device)
    fresh = bricks.activate(places[near])
    bricks.interpolate(places, centres, field.exact)
    while len(fresh):
        bricks.sample(field, lambda share: progress(0.1 + 0.9 * share))
        fresh = bricks.activate(_entered(bricks, fresh, field))
    bricks.complete()
    return bricks if bricks.active.any() else sign


def _near_surface(
    field: Field, shape: tuple[int, int, int], device: torch.device | str, lipschitz: float | None
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Places (n, 3) and central values (n,) of bricks, which (n,) the bound leaves, and the coarsest sign."""
    bricks = torch.tensor(shape, dtype=torch.int32, device=device)
    size = 1 << max(0, (max(shape) // COARSEST_CUBES).bit_length() - 1)  # of a cube, in bricks
    sides = [torch.arange(-(-n // size), dtype=torch.int32, device=device) for n in shape]
    cubes = torch.cartesian_prod(*sides)
    children = torch.tensor(CORNER_OFFSETS, dtype=torch.int32, device=device)
    sign = 0
    while True:
        low, high = cubes * size, torch.minimum((cubes + 1) * size, bricks)
        centres = (low + high).double()  # a brick is two cells
        radius = (high - low).double().norm(dim=1)
        if field.wanted is not None:
            wanted = field.wanted(centres, radius)
            cubes, centres, radius = cubes[wanted], centres[wanted], radius[wanted]
        values = field.values(centres)
        sign = sign or int(values.sign().mean()) if len(values) else sign
        near = values.abs() <= _bound(field, centres, values, radius, lipschitz) * radius
        if size == 1:
            return cubes, values, near, sign
        cubes = cubes[near]
        size //= 2
        cubes = (2 * cubes[:, None] + children).reshape(-1, 3)
        cubes = cubes[(cubes * size < bricks).all(1)]


def _bound(field: Field, centres: Tensor, values: Tensor, radius: Tensor, lipschitz: float | None) -> float:
    """`lipschitz`, or the largest slope, and some, at the centres of the cubes that it may decide about."""
    if lipschitz is not None:
        return lipschitz
    near = (values.abs() <= 2 * radius).nonzero().squeeze(1)
    some = near[:: max(1, len(near) // BOUND_SAMPLES)]
    return BOUND_MARGIN * float(field.slopes(centres[some]).max()) if len(some) else 1.0


def _entered(bricks: Bricks, numbers: Tensor, field: Field) -> Tensor:
    """Distinct places (m, 3) of inactive, wanted bricks that the surface enters from those `numbers`."""
    found = []
    for some, _, samples in bricks.neighbourhoods(numbers):
        inside = samples < 0
        for axis, side in product(range(3), (0, 2)):
            face = inside[:, [k for k, place in enumerate(SAMPLE_PLACES) if place[axis] == side]]
            crossed = face.any(1) & ~face.all(1)
            behind = bricks.places[some[crossed]]
            behind[:, axis] += side - 1
            behind = behind[((behind >= 0) & (behind < bricks.shape)).all(1)]
            number = bricks.find(behind)
            found.append(behind[~bricks.active[number]])
    places = torch.unique(torch.cat(found), dim=0)
    if field.wanted is None:
        return places
    return places[field.wanted(2.0 * places + 1, places.new_full((len(places),), 1).double() * 3**0.5)]

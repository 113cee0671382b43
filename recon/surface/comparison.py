"""Where a mesh and its reference differ: signed distances, and the worst places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from recon.base.files import atomic_path
from recon.geometry import Float, Frame, Mesh, PointCloud
from recon.meshing.triangles import CHUNK_POINTS, Triangles
from recon.surface.evaluation import Evaluation, Samples, measure

WORST_PLACES = 6
APART = 0.05  # of the reference's diagonal: places nearer than this are one


@dataclass(frozen=True, eq=False)
class Comparison:
    """A mesh and its reference, and samples of each with their distances to the other, world.

    Distances are positive in front of the other surface and negative behind it, so those of the mesh are
    positive where it lies outside. A reference of points without normals has no such sides: then those of the
    mesh are not signed.

    Attributes:
        evaluation: the statistics of these distances.
        on_mesh: points of the mesh.
        on_reference: points of the reference.
    """

    mesh: Mesh
    reference: Mesh | PointCloud
    evaluation: Evaluation
    on_mesh: Samples
    on_reference: Samples

    @property
    def signed(self) -> bool:
        """Whether the distances of the mesh have a sign."""
        return isinstance(self.reference, Mesh) or self.reference.normals is not None

    @property
    def unit(self) -> str | None:
        """The name of the coordinates' unit, if the reference states it."""
        return self.reference.unit if isinstance(self.reference, PointCloud) else None

    @cached_property
    def diagonal(self) -> float:
        """Of the box of the reference's samples."""
        return float(np.linalg.norm(np.ptp(self.on_reference.points, axis=0)))

    def to_reference(self, points: Float) -> Float:
        """The distances (n,) from `points` (n, 3) to the reference, signed if it has sides, world."""
        return self._sides.distances(points)

    @cached_property
    def _sides(self) -> _Sided:
        return _Sided(self.reference, Frame.around(self.on_reference.points, margin=0.0))

    def worst_places(self) -> list[Place]:
        """The points of both that are farthest from the other surface, each the worst around, worst first."""
        points = np.concatenate([self.on_mesh.points, self.on_reference.points])
        distances = np.concatenate([self.on_mesh.distances, self.on_reference.distances])
        size, found = np.abs(distances), list[Place]()
        while len(found) < WORST_PLACES and size.any():
            worst = int(size.argmax())
            is_mesh = worst < len(self.on_mesh.points)
            found.append(Place(is_mesh, points[worst], float(distances[worst])))
            size[np.linalg.norm(points - points[worst], axis=1) < APART * self.diagonal] = 0.0
        return found

    def write_csv(self, path: str | Path, overwrite: bool = False) -> None:
        """Write all samples as rows `surface,x,y,z,distance`. Raises OutputError."""
        with atomic_path(path, overwrite) as temporary, temporary.open("w", encoding="ascii") as stream:
            stream.write("surface,x,y,z,distance\n")
            for name, samples in (("mesh", self.on_mesh), ("reference", self.on_reference)):
                rows = np.column_stack([samples.points, samples.distances])
                np.savetxt(stream, rows, f"{name},%.10g,%.10g,%.10g,%.6g")


@dataclass(frozen=True, eq=False)
class Place:
    """A point that is far from the other surface.

    Attributes:
        is_mesh: whether it is a point of the mesh: else of the reference, where the mesh lacks something.
        point: (3,) world.
        distance: to the other surface, signed as in `Comparison`, world.
    """

    is_mesh: bool
    point: Float
    distance: float


def compare(mesh: Mesh, reference: Mesh | PointCloud, *, samples: int = 200_000, seed: int = 0) -> Comparison:
    """Where `mesh` and `reference` differ. Arguments and errors are those of `recon.evaluate`."""
    evaluation, on_mesh, on_reference = measure(mesh, reference, samples, seed)
    frame = Frame.around(on_reference.points, margin=0.0)
    signed = (
        replace(part, distances=_Sided(other, frame).distances(part.points))
        for part, other in ((on_mesh, reference), (on_reference, mesh))
    )
    return Comparison(mesh, reference, evaluation, *signed)


class _Sided:
    """A mesh or cloud in `frame`, to measure to."""

    def __init__(self, thing: Mesh | PointCloud, frame: Frame) -> None:
        self.frame, self.normals = frame, thing.normals
        self.triangles = Triangles(thing, frame, "the mesh") if isinstance(thing, Mesh) else None
        self.points = frame.to_unit(thing.points) if isinstance(thing, PointCloud) else np.zeros((0, 3))

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)

    def distances(self, points: Float) -> Float:
        """(n,): of `points` (n, 3), signed if the thing has sides, all world."""
        points = self.frame.to_unit(points)
        if self.triangles:
            parts = np.split(points, range(CHUNK_POINTS, len(points), CHUNK_POINTS))
            return self.frame.scale * np.concatenate([self.triangles.signed(part)[0] for part in parts])
        distance, nearest = self._tree.query(points)
        if self.normals is not None:
            behind = np.einsum("ij,ij->i", points - self.points[nearest], self.normals[nearest]) < 0
            distance = np.where(behind, -distance, distance)
        return self.frame.scale * distance

"""Where a mesh and its reference differ: signed distances, and the worst places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from recon.base.files import atomic_path
from recon.geometry import Float, Frame, Mesh, PointCloud, vertex_normals
from recon.meshing.triangles import CHUNK_POINTS, Triangles
from recon.scan.preparation.spacing import point_spacing
from recon.surface.evaluation import Evaluation, Samples, measure

WORST_PLACES = 6
APART = 0.05  # of the reference's diagonal: places nearer than this are one
NEIGHBOURS = 16  # points of a cloud, of which one should face the same way
PLANE_REACH_SPACINGS = 2.0  # from a point, within which its tangent plane stands for the surface


@dataclass(frozen=True, eq=False)
class Comparison:
    """A mesh and its reference, and samples of each with their distances to the other, world.

    Distances are positive in front of the other surface and negative behind it, so those of the mesh are
    positive where it lies outside. To a cloud they are those to the tangent planes of near points that face
    the same way, so that gaps between points do not count. Points without normals have neither planes nor
    sides: then the distances of the mesh are to the nearest point, and not signed.

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
        return isinstance(self.reference, Mesh) or _has_planes(self.reference)

    @property
    def unit(self) -> str | None:
        """The name of the coordinates' unit, if the reference states it."""
        return self.reference.unit if isinstance(self.reference, PointCloud) else None

    @cached_property
    def diagonal(self) -> float:
        """Of the box of the reference's samples."""
        return float(np.linalg.norm(np.ptp(self.on_reference.points, axis=0)))

    def to_reference(self, mesh: Mesh) -> Float:
        """The distances (n,) from the vertices of `mesh` to the reference, signed if it has sides, world."""
        normals = vertex_normals(mesh) if mesh.normals is None else mesh.normals
        return self._sides.distances(mesh.vertices, normals)

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
        replace(part, distances=_Sided(other, frame).distances(part.points, part.normals))
        for part, other in ((on_mesh, reference), (on_reference, mesh))
    )
    return Comparison(mesh, reference, evaluation, *signed)


def _has_planes(cloud: PointCloud) -> bool:
    return cloud.normals is not None and len(cloud) > NEIGHBOURS


class _Sided:
    """A mesh or cloud in `frame`, to measure to."""

    def __init__(self, thing: Mesh | PointCloud, frame: Frame) -> None:
        self.frame = frame
        self.normals = thing.normals if isinstance(thing, PointCloud) and _has_planes(thing) else None
        self.triangles = Triangles(thing, frame, "the mesh") if isinstance(thing, Mesh) else None
        self.points = frame.to_unit(thing.points) if isinstance(thing, PointCloud) else np.zeros((0, 3))

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points)

    def distances(self, points: Float, facing: Float | None) -> Float:
        """(n,): of `points` (n, 3) of a surface `facing` (n, 3), signed if the thing has sides, all world."""
        points = self.frame.to_unit(points)
        if self.triangles:
            parts = np.split(points, range(CHUNK_POINTS, len(points), CHUNK_POINTS))
            return self.frame.scale * np.concatenate([self.triangles.signed(part)[0] for part in parts])
        if self.normals is None:
            return self.frame.scale * self._tree.query(points)[0]
        distance, near = self._tree.query(points, NEIGHBOURS)
        alike = np.zeros(len(points), np.int64)
        if facing is not None:  # a thin wall has points on both of its sides
            alike = (np.einsum("ikj,ij->ik", self.normals[near], facing) > 0).argmax(1)
        rows = np.arange(len(points))
        away, nearest = distance[rows, alike], near[rows, alike]
        height = np.einsum("ij,ij->i", points - self.points[nearest], self.normals[nearest])
        flat = away < PLANE_REACH_SPACINGS * self._spacing
        return self.frame.scale * np.where(flat, height, np.where(height < 0, -away, away))

    @cached_property
    def _spacing(self) -> float:
        return point_spacing(self.points)

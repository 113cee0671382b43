"""How far a mesh is from the truth.

Distances are exact, from points to triangles, by libigl's bounding-volume tree. They are measured in the
frame in which the reference's box is centred and its longest side spans [-1, 1], so survey offsets and tiny
units cost no precision, and are reported in thousandths of that half side.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import igl
import numpy as np
from scipy.spatial import cKDTree

from recon.errors import ScanError, UsageError, check_number
from recon.geometry import Float, Frame, Int, Mesh, PointCloud
from recon.meshing.topology import Topology, topology
from recon.scan.files import MAX_SAMPLES, MAX_SEED

F_SCORE_THRESHOLDS = (1, 2, 5)  # in thousandths of half the reference's longest side
CHUNK_POINTS = 100_000  # query points at a time


@dataclass(frozen=True)
class Distances:
    """Statistics of the distances from samples of one surface to another."""

    mean: float
    rms: float
    median: float
    p95: float
    p99: float
    largest: float

    @classmethod
    def of(cls, d: Float) -> "Distances":
        """The statistics of distances (n,)."""
        median, p95, p99 = np.percentile(d, (50, 95, 99))
        rms = np.sqrt(np.mean(d * d))
        return cls(*(float(x) for x in (d.mean(), rms, median, p95, p99, d.max())))

    def times(self, factor: float) -> "Distances":
        """The same distances in another unit."""
        return Distances(*(factor * getattr(self, f.name) for f in fields(self)))


@dataclass(frozen=True)
class Evaluation:
    """A mesh against its reference. All `Distances` are in thousandths of half the reference's longest side.

    With a cloud as reference, reference → mesh is exact, but mesh → reference goes to the nearest point and
    so includes the cloud's spacing; `both`, `f_score` and `reference` are then None. Cosines are signed, so a
    mesh inside out has -1; they are None for a cloud without normals. `unit` is one thousandth in world
    units.
    """

    unit: float
    mesh_to_reference: Distances
    reference_to_mesh: Distances
    both: Distances | None
    f_score: Mapping[int, float] | None
    cosine_mesh_to_reference: float | None
    cosine_reference_to_mesh: float | None
    mesh: Topology
    reference: Topology | None

    @property
    def cosine(self) -> float | None:
        """Mean normal cosine of the two directions."""
        if self.cosine_mesh_to_reference is None or self.cosine_reference_to_mesh is None:
            return None
        return 0.5 * (self.cosine_mesh_to_reference + self.cosine_reference_to_mesh)

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON; distances in both units."""
        ways = {k: getattr(self, k) for k in ("mesh_to_reference", "reference_to_mesh", "both")}
        return {
            "unit": self.unit,
            "distance": {k: d and asdict(d) for k, d in ways.items()},
            "distance_world": {k: d and asdict(d.times(self.unit)) for k, d in ways.items()},
            "f_score": self.f_score and {str(t): f for t, f in self.f_score.items()},
            "normal_cosine": {
                "mesh_to_reference": self.cosine_mesh_to_reference,
                "reference_to_mesh": self.cosine_reference_to_mesh,
                "both": self.cosine,
            },
            "mesh": asdict(self.mesh),
            "reference": self.reference and asdict(self.reference),
        }

    def lines(self) -> list[str]:
        """A short table for people."""
        target = "reference" if self.reference else "nearest point"
        ways = {f"mesh → {target}": self.mesh_to_reference, "reference → mesh": self.reference_to_mesh}
        if self.both:
            ways["both ways"] = self.both
        rows = [["distance", *(f.name for f in fields(Distances))]]
        rows += [[name, *(f"{x:.3f}" for x in asdict(d).values())] for name, d in ways.items()]
        rows += [
            [f"{name}, world", *(f"{x:.4g}" for x in asdict(d.times(self.unit)).values())]
            for name, d in ways.items()
        ]
        out = [f"distances in 0.001 of half the reference's longest side (1 = {self.unit:.4g} world)"]
        out += _columns(rows)
        if self.f_score:
            out.append("F-score  " + ", ".join(f"{f:.4f} at {t}" for t, f in self.f_score.items()))
        if self.cosine is not None:
            out.append(f"normal cosine  {self.cosine:.4f}")
        kinds = {"mesh": self.mesh} | ({"reference": self.reference} if self.reference else {})
        names = [f.name for f in fields(Topology)]
        rows = [["surface", *kinds]]
        rows += [[n.replace("_", " "), *(_word(getattr(t, n)) for t in kinds.values())] for n in names]
        return out + _columns(rows)


def _word(value: object) -> str:
    return {True: "yes", False: "no", None: "–"}[value] if isinstance(value, bool | None) else str(value)


def _columns(rows: list[list[str]]) -> list[str]:
    width = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([r[0].ljust(width[0]), *(c.rjust(w) for c, w in zip(r[1:], width[1:], strict=True))])
        for r in rows
    ]


class _Surface:
    """The triangles of a mesh in `frame`, to sample and to measure to; those without area are dropped."""

    def __init__(self, mesh: Mesh, frame: Frame, name: str) -> None:
        self.vertices = frame.to_unit(mesh.vertices)
        a, b, c = (self.vertices[mesh.faces[:, k]] for k in range(3))
        self._cross = np.cross(b - a, c - a)
        self._twice_area = np.sqrt(np.einsum("ij,ij->i", self._cross, self._cross))
        self.faces = mesh.faces
        if not (solid := self._twice_area > 0).all():
            self.faces, self._cross = self.faces[solid], self._cross[solid]
            self._twice_area = self._twice_area[solid]
        if not len(self.faces):
            raise ScanError(f"{name} has only faces without area; give a mesh with a surface")

    @cached_property
    def normals(self) -> Float:
        return self._cross / self._twice_area[:, None]

    @cached_property
    def cumulated_area(self) -> Float:
        return np.cumsum(self._twice_area)

    @cached_property
    def _tree(self) -> igl.AABB:
        tree = igl.AABB()
        tree.init(self.vertices, self.faces)
        return tree

    def sample(self, count: int, rng: np.random.Generator) -> tuple[Float, Int]:
        """`count` points uniform by area, stratified along the list of faces, and their faces."""
        u = (np.arange(count) + rng.random(count)) / count * self.cumulated_area[-1]
        face = np.searchsorted(self.cumulated_area, u, side="right").clip(max=len(self.faces) - 1)
        s, t = np.sqrt(rng.random((count, 1))), rng.random((count, 1))
        a, b, c = self.vertices[self.faces[face].T]
        return (1 - s) * a + s * (1 - t) * b + s * t * c, face

    def nearest(self, points: Float) -> tuple[Float, Int]:
        """Distance of each point to the surface, and the nearest face."""
        distance, face = np.empty(len(points)), np.empty(len(points), np.int64)
        for i in range(0, len(points), CHUNK_POINTS):
            part = slice(i, i + CHUNK_POINTS)
            squared, face[part], _ = self._tree.squared_distance(self.vertices, self.faces, points[part])
            distance[part] = np.sqrt(squared)
        return distance, face


def _used_vertices(mesh: Mesh, name: str) -> Float:
    """The vertices that faces use, checked to make a surface."""
    if len(mesh.faces) == 0:
        raise ScanError(f"{name} has no faces; give a triangle mesh")
    used = np.zeros(len(mesh.vertices), bool)
    used[mesh.faces] = True
    return _checked(mesh.vertices[used], name)


def _checked(points: Float, name: str) -> Float:
    if not np.isfinite(points).all():
        raise ScanError(f"{name} has coordinates that are not finite; remove them first")
    if not np.ptp(points, axis=0).any():
        raise ScanError(f"{name} has no extent: all its points coincide")
    return points


def distance_to_mesh(points: Float, mesh: Mesh) -> Float:
    """Exact distances (n,) float64 of `points` (n, 3) to the triangles of `mesh`, in the same frame and unit.

    Raises ScanError for a mesh without faces or with coordinates that are not finite.
    """
    frame = Frame.around(_used_vertices(mesh, "the mesh"), margin=0.0)
    distance, _ = _Surface(mesh, frame, "the mesh").nearest(frame.to_unit(points))
    return distance * frame.scale


def surface_points(mesh: Mesh, count: int, rng: np.random.Generator) -> tuple[Float, Int]:
    """(count, 3) points of `mesh`, uniform by area, in its own unit, and the corners (count, 3) around each.

    Errors as `distance_to_mesh`.
    """
    frame = Frame.around(_used_vertices(mesh, "the mesh"), margin=0.0)
    surface = _Surface(mesh, frame, "the mesh")
    points, face = surface.sample(count, rng)
    return frame.to_world(points), surface.faces[face]


def evaluate(
    mesh: Mesh, reference: Mesh | PointCloud, *, samples: int = 200_000, seed: int = 0
) -> Evaluation:
    """Distances, normals and topology of `mesh` against `reference`, both in the same world frame.

    Args:
        mesh: what is evaluated.
        reference: the truth; a cloud has no surface between its points.
        samples: points drawn from each surface, uniform by area; of larger clouds, as many are drawn.
        seed: of the draw.

    Raises:
        ScanError: for an empty mesh or cloud, or one that is not finite.
        UsageError: for samples or a seed out of range.
    """
    if not (isinstance(mesh, Mesh) and isinstance(reference, Mesh | PointCloud)):
        raise UsageError("evaluate takes a Mesh, and a Mesh or PointCloud to compare it with")
    check_number("samples", samples, 1, MAX_SAMPLES, whole=True)
    check_number("seed", seed, 0, MAX_SEED, whole=True)
    rng = np.random.default_rng(seed)
    _used_vertices(mesh, "the mesh")
    if isinstance(reference, PointCloud):
        if len(reference) == 0:
            raise ScanError("the reference has no points; give a cloud or a mesh")
        frame = Frame.around(_checked(reference.points, "the reference"), margin=0.0)
    else:
        frame = Frame.around(_used_vertices(reference, "the reference"), margin=0.0)

    surface = _Surface(mesh, frame, "the mesh")
    points, face = surface.sample(samples, rng)
    truth_normals: Float | None
    nearest_normals: Float | None
    if isinstance(reference, PointCloud):
        cloud = reference
        forth, nearest = cKDTree(frame.to_unit(cloud.points)).query(points)
        nearest_normals = None if cloud.normals is None else cloud.normals[nearest]
        if len(cloud) > samples:
            cloud = cloud.select(rng.choice(len(cloud), samples, replace=False))
        truth, truth_normals = frame.to_unit(cloud.points), cloud.normals
    else:
        other = _Surface(reference, frame, "the reference")
        truth, other_face = other.sample(samples, rng)
        truth_normals = other.normals[other_face]
        forth, nearest = other.nearest(points)
        nearest_normals = other.normals[nearest]
    back, nearest = surface.nearest(truth)

    forth, back = 1e3 * forth, 1e3 * back
    exact = isinstance(reference, Mesh)
    return Evaluation(
        unit=1e-3 * frame.scale,
        mesh_to_reference=Distances.of(forth),
        reference_to_mesh=Distances.of(back),
        both=Distances.of(np.concatenate([forth, back])) if exact else None,
        f_score={t: _f_score(forth, back, t) for t in F_SCORE_THRESHOLDS} if exact else None,
        cosine_mesh_to_reference=_mean_cosine(surface.normals[face], nearest_normals),
        cosine_reference_to_mesh=_mean_cosine(surface.normals[nearest], truth_normals),
        mesh=topology(mesh),
        reference=topology(reference) if isinstance(reference, Mesh) else None,
    )


def _mean_cosine(a: Float, b: Float | None) -> float | None:
    if b is None:
        return None
    known = b.any(1)  # points may lack theirs
    return float(np.einsum("ij,ij->i", a[known], b[known]).mean()) if known.any() else None


def _f_score(forth: Float, back: Float, threshold: float) -> float:
    precision, recall = float((forth <= threshold).mean()), float((back <= threshold).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

"""How far a mesh is from the truth.

Distances are measured in the frame in which the reference's box is centred and its longest side spans
[-1, 1], and are reported in thousandths of that half side.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from recon.errors import ScanError, UsageError, check_number
from recon.geometry import Float, Frame, Mesh, PointCloud
from recon.meshing.topology import Topology, topology
from recon.meshing.triangles import Triangles, checked, used_vertices
from recon.scan.files import MAX_SAMPLES, MAX_SEED

F_SCORE_THRESHOLDS = (1, 2, 5)  # in thousandths of half the reference's longest side


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


@dataclass(frozen=True, eq=False)
class Samples:
    """Points drawn on one surface and how far they are from the other, world.

    Attributes:
        points: (n, 3) float64.
        distances: (n,) float64.
        normals: (n, 3) float64 unit vectors, or None: of the surface that they lie on.
    """

    points: Float
    distances: Float
    normals: Float | None


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
    return measure(mesh, reference, samples, seed)[0]


def measure(
    mesh: Mesh, reference: Mesh | PointCloud, samples: int, seed: int
) -> tuple[Evaluation, Samples, Samples]:
    """`evaluate`, and the points of the mesh and of the reference that it comes from."""
    if not (isinstance(mesh, Mesh) and isinstance(reference, Mesh | PointCloud)):
        raise UsageError("evaluate takes a Mesh, and a Mesh or PointCloud to compare it with")
    check_number("samples", samples, 1, MAX_SAMPLES, whole=True)
    check_number("seed", seed, 0, MAX_SEED, whole=True)
    rng = np.random.default_rng(seed)
    used_vertices(mesh, "the mesh")
    if isinstance(reference, PointCloud):
        if len(reference) == 0:
            raise ScanError("the reference has no points; give a cloud or a mesh")
        frame = Frame.around(checked(reference.points, "the reference"), margin=0.0)
    else:
        frame = Frame.around(used_vertices(reference, "the reference"), margin=0.0)

    surface = Triangles(mesh, frame, "the mesh")
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
        other = Triangles(reference, frame, "the reference")
        truth, other_face = other.sample(samples, rng)
        truth_normals = other.normals[other_face]
        forth, nearest = other.nearest(points)
        nearest_normals = other.normals[nearest]
    back, nearest = surface.nearest(truth)

    drawn = (
        Samples(frame.to_world(points), frame.scale * forth, surface.normals[face]),
        Samples(frame.to_world(truth), frame.scale * back, truth_normals),
    )
    forth, back = 1e3 * forth, 1e3 * back
    exact = isinstance(reference, Mesh)
    found = Evaluation(
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
    return found, *drawn


def _mean_cosine(a: Float, b: Float | None) -> float | None:
    if b is None:
        return None
    known = b.any(1)  # points may lack theirs
    return float(np.einsum("ij,ij->i", a[known], b[known]).mean()) if known.any() else None


def _f_score(forth: Float, back: Float, threshold: float) -> float:
    precision, recall = float((forth <= threshold).mean()), float((back <= threshold).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0

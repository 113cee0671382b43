"""What a scan or a mesh holds, and what is wrong with it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from recon.geometry import Float, Mesh, PointCloud
from recon.scan.clean import LARGEST, MIN_POINTS, first_of_each
from recon.scan.files import read_any
from recon.topology import Measures, Topology, measures, topology

SAMPLE = 20_000  # points whose neighbours are looked at
NEIGHBOURS = 12
LARGEST_CUBED = 1e90  # volumes of coordinates stay finite
CLOSED = 0.1  # share of the area that the area vectors of a closed surface's points may sum to
OPPOSED = 0.05  # share of opposed neighbours that edges and noise alone do not reach as a rule
AGREEMENT = 0.7  # mean cosine that noise alone does not fall below as a rule; 0.5 is chance
FLOAT32_LOSS = 0.1  # of the spacing: single precision that moves points further spoils the scan


@dataclass(frozen=True)
class Normals:
    """How good a cloud's normals are, by the neighbours of a sample of its points.

    agreement  mean |cosine| to the direction of least spread among the neighbours; 1 on a smooth surface
    opposed    share of pairs of neighbours whose normals point to opposite sides
    outward    whether they point out of the solid, by the sign of the volume that the points enclose;
               None where they enclose none for certain: an open scan, a room seen from inside
    """

    agreement: float
    opposed: float
    outward: bool | None


@dataclass(frozen=True)
class Info:
    """The content of a file; world frame, lengths in the file's own unit.

    points      points of a cloud, or vertices of a mesh; with `faces` 0 it is a cloud
    low, high   corners of the box of the finite points; None where there are none
    spacing     median distance of a finite point to the nearest other place, of a sample
    not_finite  points with a coordinate that is not finite
    duplicates  finite points at the place of an earlier one
    bad_normals normals that are zero or not finite
    sensors     different places that the points were seen from; 0 where none is known
    values      the names of the points' other scalars
    unit        the name of the coordinates' unit where the file states it
    problems    what stands in the way of a good surface, a sentence each
    """

    path: str
    format: str
    points: int
    faces: int
    has_normals: bool
    has_colors: bool
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    spacing: float | None
    not_finite: int
    duplicates: int
    bad_normals: int
    sensors: int
    values: tuple[str, ...]
    unit: str | None
    normals: Normals | None
    topology: Topology | None
    measures: Measures | None
    problems: tuple[str, ...]

    @property
    def kind(self) -> str:
        """ "mesh" or "cloud"."""
        return "mesh" if self.faces else "cloud"

    @property
    def diagonal(self) -> float | None:
        """Of the box."""
        if self.low is None or self.high is None:
            return None
        return float(np.linalg.norm(np.subtract(self.high, self.low)))

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        return {"kind": self.kind, "diagonal": self.diagonal, **asdict(self)}

    def lines(self) -> list[str]:
        """The same for people."""
        out = [f"file      {self.path}: {self.format}, a {self.kind}"]
        what = f"{self.points:,} points"
        if self.faces:
            what = f"{self.points:,} vertices, {self.faces:,} faces"
        has = [name for name, there in (("normals", self.has_normals), ("colours", self.has_colors)) if there]
        out.append(f"holds     {what}, {' and '.join(has) or 'neither normals nor colours'}")
        if self.low is not None and self.high is not None:
            sides = " x ".join(f"{b - a:.6g}" for a, b in zip(self.low, self.high, strict=True))
            corner = ", ".join(f"{a:.9g}" for a in self.low)
            out.append(f"box       {sides} from ({corner}), diagonal {self.diagonal:.6g}")
        if self.unit:
            out.append(f"unit      {self.unit}, as the file states")
        if self.sensors:
            out.append(
                f"sensors   {self.sensors:,} {_plural(self.sensors, 'place')} that points were seen from"
            )
        if self.values:
            out.append(f"values    {', '.join(self.values)}")
        if self.spacing is not None:
            out.append(f"spacing   {self.spacing:.4g} between neighbours")
        if self.normals:
            where = {True: "outward", False: "inward", None: "open scan, no outside for certain"}
            fit = f"mean cosine to the surface {self.normals.agreement:.3f}"
            opposed = f"{self.normals.opposed:.1%} of neighbours opposed"
            out.append(f"normals   {where[self.normals.outward]}; {fit}, {opposed}")
        if self.topology:
            t = self.topology
            closed = "watertight" if t.watertight else f"open, {t.boundary_edges:,} boundary edges{_holes(t)}"
            genus = "no genus" if t.genus is None else f"genus {t.genus}"
            out.append(f"surface   {closed}, {t.components:,} {_plural(t.components, 'part')}, {genus}")
        if self.measures:
            out.append(f"size      {self.measures.line()}")
        out += [f"problem   {problem}" for problem in self.problems] or ["problems  none found"]
        return out


def inspect(path: str | Path, *, threads: int = 1) -> Info:
    """What `path`, a scan or a mesh, holds, and what is wrong with it. Raises ScanError where it cannot be
    read."""
    content = read_any(path)
    points = content.vertices if isinstance(content, Mesh) else content.points
    finite = np.isfinite(points).all(1)
    shape, size = _shape(content) if isinstance(content, Mesh) else (None, None)
    good = (
        np.ones(len(points), bool)
        if content.normals is None
        else np.isfinite(content.normals).all(1) & content.normals.any(1)
    )
    sound = points[finite]
    places = sound[first_of_each(sound)]
    sensors = content.sensors if isinstance(content, PointCloud) else None
    low, high = (sound.min(0), sound.max(0)) if len(sound) else (None, None)
    spacing = _spacing(places, threads)
    normals = None
    if isinstance(content, PointCloud) and content.normals is not None:
        kept = finite & good
        normals = _normals(points[kept], content.normals[kept], threads)
    info = Info(
        path=str(path),
        format=Path(path).suffix[1:].lower(),
        points=len(points),
        faces=shape.faces if shape else 0,
        has_normals=content.normals is not None,
        has_colors=content.colors is not None,
        low=None if low is None else tuple(low.tolist()),
        high=None if high is None else tuple(high.tolist()),
        spacing=spacing,
        not_finite=int((~finite).sum()),
        duplicates=len(sound) - len(places),
        bad_normals=int((~good).sum()),
        sensors=0 if sensors is None else int(first_of_each(sensors).sum()),
        values=tuple(content.values),
        unit=content.unit if isinstance(content, PointCloud) else None,
        normals=normals,
        topology=shape,
        measures=size,
        problems=(),
    )
    return replace(info, problems=tuple(_problems(info)))


def _shape(mesh: Mesh) -> tuple[Topology, Measures | None]:
    """Of a mesh whose volume may be beyond computing: `outward` and the measures are then None."""
    if (np.abs(mesh.vertices) < LARGEST_CUBED).all():
        shape = topology(mesh)
        return shape, measures(mesh, shape)
    with np.errstate(all="ignore"):
        return replace(topology(mesh), outward=None), None


def _chosen(count: int) -> np.ndarray:
    """Some of `count` points, spread over the file."""
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLE)).astype(np.int64))


def _spacing(places: Float, threads: int) -> float | None:
    if len(places) < 2 or np.abs(places).max() > LARGEST:
        return None
    centred = places - places[0]
    distance, _ = cKDTree(centred).query(centred[_chosen(len(places))], 2, workers=threads)
    return float(np.median(distance[:, 1]))


def _normals(points: Float, normals: Float, threads: int) -> Normals | None:
    """Of points and normals that are finite, the normals not zero."""
    first = np.flatnonzero(first_of_each(points))
    if len(first) <= NEIGHBOURS or np.abs(points).max() > LARGEST:
        return None
    points, normals = points[first] - points[first[0]], normals[first]
    normals = normals / np.abs(normals).max(1, keepdims=True)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    chosen = _chosen(len(points))
    distance, near = cKDTree(points).query(points[chosen], NEIGHBOURS + 1, workers=threads)
    patch = points[near] - points[near].mean(1, keepdims=True)
    patch /= distance[:, -1, None, None]
    flat = np.linalg.eigh(patch.transpose(0, 2, 1) @ patch)[1][:, :, 0]
    own = normals[chosen]
    agreement = np.abs((own * flat).sum(1)).mean()
    opposed = ((own[:, None] * normals[near[:, 1:]]).sum(2) < 0).mean()

    reach = distance[:, -1] / distance[:, -1].max()  # each point stands for the disc of its neighbours
    area = reach[:, None] ** 2 * own
    outward = None
    if np.linalg.norm(area.sum(0)) < CLOSED * (reach**2).sum():
        outward = bool((area * (points[chosen] - points[chosen].mean(0))).sum() > 0)
    return Normals(float(agreement), float(opposed), outward)


def _problems(info: Info) -> list[str]:
    out = []
    n = info.points
    if info.not_finite:
        out.append(f"{info.not_finite:,} of {n:,} points are not finite: they are left out")
    if info.duplicates and not info.faces:
        out.append(f"{info.duplicates:,} of {n:,} points repeat another one: they are left out")
    if not info.faces and n - info.not_finite - info.duplicates < MIN_POINTS:
        out.append(f"too few points: a surface needs at least {MIN_POINTS} different ones")
    if info.low is not None and info.high is not None:
        largest = max(map(abs, (*info.low, *info.high)))
        if largest > LARGEST:
            out.append(f"coordinates of {largest:.3g} are too large to compute with")
        elif info.spacing is not None:
            lost = largest * 2.0**-24
            if lost > FLOAT32_LOSS * info.spacing:
                out.append(
                    f"coordinates up to {largest:.9g} are large against the spacing: they are kept in double "
                    f"precision, but programs in single precision move points by up to {lost:.2g}"
                )
    return out + (_mesh_problems(info.topology) if info.topology else _normal_problems(info))


def _normal_problems(info: Info) -> list[str]:
    if not info.has_normals:
        side = "they face the sensors" if info.sensors else "which side is outside is guessed"
        return [f"no normals: they are estimated, and {side}"]
    out = []
    if 2 * info.bad_normals > info.points:
        out.append(
            f"{info.bad_normals:,} of {info.points:,} normals are zero or not finite: all are left out"
        )
    elif info.bad_normals:
        out.append(f"{info.bad_normals:,} normals are zero or not finite: their points are left out")
    if info.normals:
        if info.normals.outward is False:
            out.append("the normals point inward: the surface would be inside out")
        if info.normals.agreement < AGREEMENT:
            cosine = f"mean cosine {info.normals.agreement:.2f} to the surface"
            out.append(f"the normals fit the points badly ({cosine}): they are wrong, or the noise is large")
        if info.normals.opposed > OPPOSED:
            out.append(
                f"{info.normals.opposed:.1%} of neighbouring normals point to opposite sides: some are "
                "turned round, or walls are thinner than the spacing"
            )
    return out


def _mesh_problems(t: Topology) -> list[str]:
    out = []
    if t.boundary_edges:
        out.append(f"the mesh is open: {t.boundary_edges:,} boundary edges{_holes(t)}")
    if t.nonmanifold_edges:
        out.append(f"{t.nonmanifold_edges:,} {_plural(t.nonmanifold_edges, 'edge')} with more than two faces")
    if not t.consistent:
        out.append("neighbouring faces turn to opposite sides")
    if t.outward is False:
        out.append("the faces turn inward: the mesh is inside out")
    if t.components > 1:
        out.append(f"the mesh is in {t.components:,} parts")
    return out


def _holes(t: Topology) -> str:
    loops = t.boundary_loops
    return "" if loops is None else f" around {loops:,} {_plural(loops, 'hole')}"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"

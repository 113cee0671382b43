"""What is known of a scan or a mesh, as values and as sentences: problems, and what is done about them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from recon.meshing.topology import Measures, Topology
from recon.scan.preparation.cleaning import MAX_COORDINATE, MIN_EXTENT, MIN_POINTS, MIN_SOUND_SHARE
from recon.scan.preparation.dimension import FILLED
from recon.scan.preparation.normal_reliability import NormalCheck
from recon.surface.settings import STANDARD

MAX_POINTS = STANDARD.scan.most
MIN_NOISE = 1e-6  # of the spacing: less comes from rounding
MAX_FLOAT32_LOSS = 0.1  # of the spacing: if single precision moves points further, it spoils the scan


@dataclass(frozen=True)
class Survey:
    """Properties of a cloud's usable points that matter for a surface; lengths in the file's unit.

    Noise and closed are None if too few points are left without the outliers.

    Attributes:
        density: median number of points per square unit of area.
        noise: standard deviation of the points from their surface.
        outliers: number of points that are not part of a surface.
        closed: whether the points surround a solid, but for small holes.
        fills_space: whether they fill space rather than lie on a surface.
        depth_image: whether they are the pixels of a camera at the origin.
        rounded: whether its depths are rounded.
        thinned: whether `recon mesh` uses a part of them.
        sampled: whether noise, outliers, closed and the normals' reliability come from a sample.
    """

    density: float
    noise: float | None
    outliers: int
    closed: bool | None
    fills_space: bool
    depth_image: bool
    rounded: bool
    thinned: bool
    sampled: bool

    def lines(self) -> list[str]:
        """Some of that as text."""
        out = []
        if self.noise is not None and self.noise < MIN_NOISE / math.sqrt(self.density):
            out.append("noise     none that neighbours show (neither do rounded coordinates)")
        elif self.noise is not None:
            out.append(f"noise     points are about {self.noise:.3g} off the surface (standard deviation)")
        if self.closed is not None:
            out.append(f"surface   {'closed but for small holes' if self.closed else 'open'}")
        return out


@dataclass(frozen=True)
class Info:
    """The content of a file; world frame, lengths in the file's unit.

    Attributes:
        path: as given.
        format: the file's ending.
        points: number of points, or of vertices of a mesh.
        faces: number of faces; 0 for a cloud.
        has_normals: whether the file has normals.
        has_colors: whether the file has colours.
        low: lower corner of the box of the finite points, if any.
        high: upper corner of it.
        spacing: median distance from a finite point to the nearest other one, of a sample.
        not_finite: number of points with a coordinate that is not finite.
        duplicates: number of finite points at the place of an earlier one.
        bad_normals: number of normals that are zero or not finite.
        sensors: number of known scanner positions.
        values: names of the points' other scalars.
        unit: the name of the coordinates' unit if the file states it.
        normals: their reliability, in a cloud that can be fitted.
        survey: of a cloud that a surface can be fitted to.
        topology: of a mesh.
        measures: of a mesh.
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
    normals: NormalCheck | None
    survey: Survey | None
    topology: Topology | None
    measures: Measures | None

    @property
    def kind(self) -> str:
        """Either "mesh" or "cloud"."""
        return "mesh" if self.faces else "cloud"

    @property
    def diagonal(self) -> float | None:
        """Of the box; None if there is none, or it overflows."""
        if self.low is None or self.high is None:
            return None
        length = math.dist(self.high, self.low)
        return length if math.isfinite(length) else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What stands in the way of a good surface, one sentence each."""
        return tuple(_problems(self))

    @property
    def notes(self) -> tuple[str, ...]:
        """What `recon mesh` does with a valid cloud, one sentence each."""
        return tuple(_notes(self))

    def as_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON."""
        said = {"problems": list(self.problems), "notes": list(self.notes)}
        return {"kind": self.kind, "diagonal": self.diagonal, **asdict(self), **said}

    def lines(self) -> list[str]:
        """Everything, as text."""
        out = [f"file      {self.path}: {self.format}, a {self.kind}"]
        what = f"{self.points:,} points"
        if self.faces:
            what = f"{self.points:,} vertices, {self.faces:,} faces"
        has = [name for name, there in (("normals", self.has_normals), ("colours", self.has_colors)) if there]
        out.append(f"holds     {what}, {' and '.join(has) or 'neither normals nor colours'}")
        if self.low is not None and self.high is not None:
            sides = " x ".join(f"{b - a:.6g}" for a, b in zip(self.low, self.high, strict=True))
            corner = ", ".join(f"{a:.9g}" for a in self.low)
            diagonal = math.inf if self.diagonal is None else self.diagonal
            out.append(f"box       {sides} from ({corner}), diagonal {diagonal:.6g}")
        if self.unit:
            out.append(f"unit      {self.unit}, as the file states")
        if self.sensors:
            out.append(f"sensors   {self.sensors:,} scanner {_plural(self.sensors, 'position')}")
        if self.values:
            out.append(f"values    {', '.join(self.values)}")
        if self.spacing is not None:
            unit = f"square {self.unit}" if self.unit else "square unit of area"
            density = f", {self.survey.density:,.4g} points a {unit}" if self.survey else ""
            out.append(f"spacing   {self.spacing:.4g} between neighbours{density}")
        if self.normals:
            where = {True: "outward", False: "inward", None: "no outside for certain"}
            fit = f"mean cosine to the surface {self.normals.agreement:.3f}"
            out.append(f"normals   {where[self.normals.outward]}; {fit}, {self.normals.turned:.1%} flipped")
        if self.survey:
            out += self.survey.lines()
        if self.topology:
            t = self.topology
            closed = "watertight" if t.watertight else f"open, {t.boundary_edges:,} boundary edges{_holes(t)}"
            genus = "no genus" if t.genus is None else f"genus {t.genus}"
            out.append(f"surface   {closed}, {t.components:,} {_plural(t.components, 'part')}, {genus}")
        if self.measures:
            out.append(f"size      {self.measures.line(self.unit)}")
        out += [f"note      {note}" for note in self.notes]
        out += [f"problem   {problem}" for problem in self.problems] or ["problems  none found"]
        return out


def _problems(info: Info) -> list[str]:
    out = []
    n = info.points
    if info.not_finite:
        out.append(f"{info.not_finite:,} of {n:,} points are not finite: they are dropped")
    if info.duplicates and not info.faces:
        out.append(f"{info.duplicates:,} of {n:,} points are duplicates: they are dropped")
    if not info.faces and n - info.not_finite - info.duplicates < MIN_POINTS:
        out.append(f"too few points: a surface needs at least {MIN_POINTS} different ones")
    if info.low is not None and info.high is not None:
        largest = max(map(abs, (*info.low, *info.high)))
        if largest > MAX_COORDINATE:
            out.append(f"coordinates of {largest:.3g} are too large to compute with")
        elif 0 < (extent := max(map(float.__sub__, info.high, info.low))) < MIN_EXTENT:
            out.append(f"a size of {extent:.3g} is too small to compute with")
        elif info.spacing is not None:
            lost = largest * 2.0**-24
            if lost > MAX_FLOAT32_LOSS * info.spacing:
                out.append(
                    f"coordinates up to {largest:.9g} are large against the spacing: they are kept in double "
                    f"precision, but programs in single precision move points by up to {lost:.2g}"
                )
    if info.topology:
        return out + _mesh_problems(info.topology)
    if info.survey and info.survey.outliers:
        about = "about " if info.survey.sampled else ""
        share = f"{about}{info.survey.outliers:,} points ({info.survey.outliers / n:.2%})"
        out.append(f"{share} are outliers: recon mesh drops them (--set scan.outliers=off keeps them)")
    if info.survey and info.survey.fills_space:
        out.append(f"{FILLED}: recon mesh will make little of them")
    return out + _normal_problems(info)


def _normal_problems(info: Info) -> list[str]:
    if not info.has_normals:
        return [f"no normals: {_estimates(info)}"]
    out = []
    if info.bad_normals:
        bad = f"{info.bad_normals:,} of {info.points:,} normals are zero or not finite"
        few = info.points - info.bad_normals < MIN_SOUND_SHARE * info.points
        face = (
            f"all are dropped, and {_estimates(info)}"
            if few
            else "they are estimated, and face as the others do"
        )
        out.append(f"{bad}: {face}")
    if info.normals is None:
        return out
    if info.normals.unfit:
        cosine = f"mean cosine {info.normals.agreement:.2f} to the surface"
        out.append(f"the normals fit the points badly ({cosine}): {_estimates(info)}")
        return out
    if info.normals.mixed:
        flipped = f"{info.normals.turned:.1%} of the normals are flipped"
        out.append(f"{flipped}: recon mesh flips them back (--normals file keeps them)")
    if info.normals.outward is False:
        out.append("the normals point inward: recon mesh flips them (--normals file keeps them)")
    return out


def _estimates(info: Info) -> str:
    seen = info.sensors or (info.survey and info.survey.depth_image)
    side = "they face the sensors" if seen else "the shape tells which side is outside"
    return f"they are estimated, and {side}"


def _notes(info: Info) -> list[str]:
    out: list[str] = []
    if info.survey is None:
        return out
    if info.survey.thinned:
        out.append(
            f"more than {MAX_POINTS:,} points: recon mesh cuts the scan into blocks (--blocks off keeps that "
            "many points, evenly spaced)"
        )
    if info.survey.depth_image:
        rounded = ", and draws its rounded depths anew between the steps" if info.survey.rounded else ""
        out.append(f"a depth image taken from the origin, which recon mesh takes to be outside{rounded}")
    if info.survey.closed is False:
        out.append("an open scan: recon mesh cuts the surface where its points end (--trim off closes it)")
    return out


def _mesh_problems(t: Topology) -> list[str]:
    out = []
    if t.boundary_edges:
        out.append(f"the mesh is open: {t.boundary_edges:,} boundary edges{_holes(t)}")
    if t.nonmanifold_edges:
        out.append(f"{t.nonmanifold_edges:,} {_plural(t.nonmanifold_edges, 'edge')} with more than two faces")
    if not t.consistent:
        out.append("neighbouring faces have opposite orientations")
    if t.outward is False:
        out.append("the faces point inward: the mesh is inside out")
    if t.components > 1:
        out.append(f"the mesh is in {t.components:,} parts")
    return out


def _holes(t: Topology) -> str:
    loops = t.boundary_loops
    return "" if loops is None else f" around {loops:,} {_plural(loops, 'hole')}"


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"

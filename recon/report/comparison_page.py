"""`recon eval --report`: where a mesh differs from its reference, as one page."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from html import escape
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from recon.base.files import check_writable
from recon.geometry import Float, Mesh, PointCloud
from recon.meshing.levels import coarser
from recon.render.camera import Camera, directions, fitted, usual_view
from recon.render.figures import check_plots, svg
from recon.render.legend import Legend, beside, legend_width
from recon.render.palette import DIVERGING, SEQUENTIAL
from recon.render.plots import two_way_histogram
from recon.render.ray_casting import drawn, picture
from recon.report.page import figure, page, template, view, write_page
from recon.report.scene import HIGH_PERCENTILE, MAX_FACES, MAX_POINTS, drawn_data, scalar
from recon.report.tables import html_tiles
from recon.surface.comparison import Comparison, Place
from recon.version import VERSION

PICTURE_SIZE = (480, 480)  # pixels
PLACE_SIZE, GAP = (360, 300), 10
PLACE_RADIUS = 0.08  # of the reference's diagonal, around a place; or so many times its distance:
PLACE_DISTANCES = 3.0
DISTANCE = "distance to the reference"


def write_comparison(
    found: Comparison,
    out: str | Path,
    names: tuple[str, str],
    command: str,
    remarks: Sequence[str] = (),
    *,
    overwrite: bool = False,
    progress: Callable[[float, str], None] = lambda share, text: None,
) -> None:
    """Write the page.

    Args:
        found: what is compared.
        out: the page.
        names: of the mesh and of the reference.
        command: that makes it again.
        remarks: sentences to begin with.
        overwrite: replace `out` if it exists.
        progress: called with the fraction done and the next stage.

    Raises:
        OutputError: if the page cannot be written.
        MissingLibraryError: without matplotlib.
    """
    check_plots()
    check_writable(out, overwrite)
    progress(0.0, "distances")
    shown = _measured(found)
    legend = _legend(found, shown)
    progress(0.4, "pictures")
    painted = replace(shown, colors=legend.colors(shown.values[DISTANCE]))
    pictures = _pictures(painted, legend)
    progress(0.7, "places")
    places = found.worst_places()
    rows = "\n".join(_place(found, place, legend, number) for number, place in enumerate(places, 1))
    sides = "positive outside the reference, negative inside" if found.signed else "without a sign"
    if found.signed and isinstance(found.reference, PointCloud):
        sides += ", and to the planes of its points, where the figures above are to the points"
    body = template("comparison.html").substitute(
        notices=_notices(found, shown, remarks),
        tiles=html_tiles(_tiles(found)),
        view=view("reference"),
        colors=f"The mesh is coloured by its distance to the reference, {sides}.",
        pictures=pictures,
        signs=f"The distances of the mesh are {sides}. Those of the reference are positive outside the mesh: "
        "there, the mesh lacks something.",
        histogram=figure(svg(two_way_histogram(*_both(found), found.unit)), "histogram"),
        distances=_distances(found),
        places=rows or "<p>There is none: both surfaces are the same.</p>",
        command=escape(command),
    )
    progress(0.9, "page")
    text = page(" and ".join(names), f"recon {VERSION}: a mesh and its reference", body, _scene(found, shown))
    write_page(text, Path(out), overwrite)
    progress(1.0, "")


def _measured(found: Comparison) -> Mesh:
    """The mesh with few triangles; each vertex has the distance of the nearest vertex of the whole."""
    small = coarser(found.mesh, MAX_FACES)
    near = small
    if small is not found.mesh:
        places = found.mesh.vertices[cKDTree(found.mesh.vertices).query(small.vertices)[1]]
        near = replace(small, vertices=places)
    return replace(small, values={DISTANCE: found.to_reference(near)})


def _legend(found: Comparison, shown: Mesh) -> Legend:
    values = shown.values[DISTANCE]
    limit = float(np.percentile(np.abs(values), HIGH_PERCENTILE)) or np.finfo(float).tiny
    low = -limit if found.signed else 0.0
    beyond = bool(found.signed and values.min() < low), bool(values.max() > limit)
    colors = DIVERGING if found.signed else SEQUENTIAL
    return Legend(DISTANCE, found.unit or "world unit", low, limit, colors, beyond)


def _pictures(mesh: Mesh, legend: Legend) -> str:
    direction, up = usual_view(mesh)
    column = legend_width([legend], PICTURE_SIZE[1])
    names = ("the mesh", "from one side", "from behind", "from the other side")
    ways = zip(names, directions(direction, up, len(names)), strict=True)
    return "\n".join(
        figure(beside(picture(mesh, PICTURE_SIZE, way, up), legend, column), name) for name, way in ways
    )


def _place(found: Comparison, place: Place, legend: Legend, number: int) -> str:
    """The figure of a place: both surfaces around it, and words."""
    radius = max(PLACE_RADIUS * found.diagonal, PLACE_DISTANCES * abs(place.distance))
    around = [_around(thing, place.point, radius) for thing in (found.mesh, found.reference)]
    camera = _camera(around[0 if place.is_mesh else 1], place.point, radius)
    if isinstance(around[0], Mesh) and len(around[0].faces):
        distances = found.to_reference(around[0])
        around[0] = replace(around[0], colors=legend.colors(distances), values={})
    images = [_seen(thing, camera) for thing in around]
    where = ", ".join(f"{x:.6g}" for x in place.point)
    what = "surface of the mesh" if place.is_mesh else "surface of the reference"
    size = f"{abs(place.distance):.4g}" + (f" {found.unit}" if found.unit else "")
    words = f"{number}. {what}, {size} from the other, at {where}"
    images.insert(1, np.full((PLACE_SIZE[1], GAP, 3), 255, np.uint8))
    return figure(np.concatenate(images, axis=1), words)


def _around(thing: Mesh | PointCloud, place: Float, radius: float) -> Mesh | PointCloud:
    """The points of a cloud within the radius, or the triangles of a mesh whose boxes reach there."""
    if isinstance(thing, PointCloud):
        return thing.select(np.linalg.norm(thing.points - place, axis=1) < radius)
    corners = thing.vertices[thing.faces] - place
    inside = ((corners.min(1) < radius) & (corners.max(1) > -radius)).all(1)
    near = np.zeros(len(thing.vertices), bool)
    near[thing.faces[inside]] = True
    return thing.select(near)


def _camera(thing: Mesh | PointCloud, place: Float, radius: float) -> Camera:
    """Looks at `place` from in front of the surface there."""
    box = place + radius * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    direction, up = usual_view(thing)
    return fitted(box, PLACE_SIZE, direction, up)


def _seen(thing: Mesh | PointCloud, camera: Camera) -> np.ndarray:
    empty = len(thing.faces) == 0 if isinstance(thing, Mesh) else len(thing) == 0
    width, height = camera.size
    return np.full((height, width, 3), 255, np.uint8) if empty else drawn(thing, camera)


def _both(found: Comparison) -> tuple[Float, Float]:
    return found.on_mesh.distances, found.on_reference.distances


def _notices(found: Comparison, shown: Mesh, remarks: Sequence[str]) -> str:
    said = list(remarks)
    if len(shown.faces) < len(found.mesh.faces):
        said.append(
            f"View and pictures show {len(shown.faces):,} of the mesh's {len(found.mesh.faces):,} triangles, "
            "simplified; figures and plots are of all of them."
        )
    return "\n".join(f"<p class='notice'>{escape(text)}</p>" for text in said)


def _tiles(found: Comparison) -> list[tuple[str, str, str]]:
    e = found.evaluation
    target = "reference" if e.reference else "nearest point"
    rows = [
        (f"mean distance, {name}", f"{d.mean * e.unit:.4g}", f"95 % below {d.p95 * e.unit:.4g}")
        for name, d in (
            (f"mesh to {target}", e.mesh_to_reference),
            ("reference to mesh", e.reference_to_mesh),
        )
    ]
    means = " and ".join(f"{d.mean:.3f}" for d in (e.mesh_to_reference, e.reference_to_mesh))
    rows.append(("in thousandths of half the longest side", means, f"1 is {e.unit:.4g}"))
    if e.f_score:
        scores = ", ".join(f"{score:.4f}" for score in e.f_score.values())
        rows.append(("F-score", scores, f"at {', '.join(map(str, e.f_score))} of these thousandths"))
    if e.cosine is not None:
        rows.append(("normal cosine", f"{e.cosine:.4f}", "1: all normals agree"))
    for name, shape in (("mesh", e.mesh), ("reference", e.reference)):
        if shape is not None:
            genus = "" if shape.genus is None else f"genus {shape.genus}, "
            closed = "watertight" if shape.watertight else "open"
            parts = "1 part" if shape.components == 1 else f"{shape.components:,} parts"
            rows.append((name, f"{shape.faces:,} triangles", f"{closed}, {genus}{parts}"))
    return rows


def _distances(found: Comparison) -> str:
    e = found.evaluation
    ways = {"mesh to reference": e.mesh_to_reference, "reference to mesh": e.reference_to_mesh}
    if e.both:
        ways["both ways"] = e.both
    head = "".join(f"<th>{name}</th>" for name in ("distance", *asdict(e.mesh_to_reference)))
    rows = "".join(
        f"<tr><td>{name}</td>{''.join(f'<td>{x:.4g}</td>' for x in asdict(d.times(e.unit)).values())}</tr>"
        for name, d in ways.items()
    )
    return f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"


def _scene(found: Comparison, shown: Mesh) -> dict[str, object]:
    points, distances = found.on_reference.points, found.on_reference.distances
    step = -(-len(points) // MAX_POINTS)
    cloud = PointCloud(points[::step], unit=found.unit)
    name = DISTANCE + (", outside positive" if found.signed else "")
    scalars = [
        scalar(name, None, shown.values[DISTANCE], found.unit, None if found.signed else 0.0, found.signed),
        scalar("distance of the reference to the mesh", distances[::step], None, found.unit, signed=True),
    ]
    return drawn_data(shown, cloud, scalars, name)

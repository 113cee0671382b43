"""`recon report`: a run as one page."""

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

from recon.base.device import choose_device
from recon.base.files import check_writable
from recon.base.run_files import RUN_FILE, read_result
from recon.errors import FitError, ScanError, check_callable, check_path
from recon.geometry import Float, Mesh, PointCloud
from recon.render.camera import directions, usual_view
from recon.render.figures import check_plots, pixels, svg
from recon.render.plots import distance_slices, histogram, history, norm_slices
from recon.render.ray_casting import picture
from recon.report.page import figure, page, template, view, write_page
from recon.report.scene import Surface, scene_data, surface_of
from recon.report.tables import Training, settings, sources, tiles, tiles_without_mesh
from recon.surface.conversion import mesh_statistics
from recon.surface.scenes.reconstruction import Reconstruction, SceneReconstruction, load_either
from recon.surface.slices import axis_slices

REPORT_FILE = "report.html"
PICTURE_SIZE = (480, 480)  # pixels


def write_report(
    run: str | Path,
    out: str | Path | None = None,
    *,
    overwrite: bool = False,
    progress: Callable[[float, str], None] = lambda share, text: None,
) -> Path:
    """Write the page of a run folder, finished or not.

    Args:
        run: the run folder.
        out: the page, report.html in it by default.
        overwrite: replace `out` if it exists.
        progress: called with the fraction done and the next stage.

    Returns:
        The page's path.

    Raises:
        ScanError: for a folder without a run.
        FitError: for a scene in blocks that is not finished.
        OutputError: if the page cannot be written.
        MissingLibraryError: without matplotlib.
    """
    run = check_path("run", run)
    out = run / REPORT_FILE if out is None else check_path("out", out)
    check_callable("progress", progress)
    if (run / "index.html").is_file() and not (run / RUN_FILE).exists():
        raise ScanError(f"{run} is the folder of a batch; its report is {run / 'index.html'}")
    check_plots()
    result = load_either(run, choose_device("auto"))
    check_writable(out, overwrite)
    summary = read_result(run)
    if isinstance(result, SceneReconstruction) and "steps" not in summary:
        raise FitError(f"{run} holds a scene that was stopped before the end: start it again")
    write_page(run_page(run.resolve().name, result, summary, progress), out, overwrite)
    progress(1.0, "")
    return out


def run_page(
    name: str,
    result: Reconstruction | SceneReconstruction,
    summary: dict[str, Any],
    progress: Callable[[float, str], None],
) -> str:
    """The page of the run `name`; `summary` is the last command's, or empty."""
    origin = result.description.get("origin", {})
    progress(0.0, "meshing")
    surface = surface_of(result)
    progress(0.6, "slices")
    slices, unit = axis_slices(result), result.scan.unit
    progress(0.7, "pictures")
    pictures = _pictures(surface)
    progress(0.9, "plots")
    preset = origin.get("preset", "standard")
    training, found = _training(result, summary), _found(result, surface, summary)
    rows = training.history
    body = template("run.html").substitute(
        view=view("scan"),
        notices=_notices(training, surface, found),
        tiles=tiles(found, result.scan, training) if found else tiles_without_mesh(result.scan, training),
        pictures=pictures,
        distance=figure(pixels(distance_slices(slices, unit)), "Φ on three planes"),
        norm=figure(pixels(norm_slices(slices, unit)), "‖∇Φ‖ on three planes"),
        history=figure(svg(history(rows)), "terms of the loss over the steps") if rows else "",
        histogram=figure(svg(histogram(surface.distances, unit)), "histogram") if found else "",
        settings=settings(result.config, preset),
        preset=escape(preset),
        command=escape(origin.get("command", "made from Python, or by a batch: no command was kept")),
        sources=sources(origin, summary),
    )
    about = f"recon {origin.get('versions', {}).get('recon', '')}, run {name}"
    return page(_title(origin, name), about, body, scene_data(surface, result))


def _title(origin: dict[str, Any], name: str) -> str:
    inputs = [Path(file["path"]).name for file in origin.get("inputs", ())]
    return inputs[0] + (f" and {len(inputs) - 1} more" if inputs[1:] else "") if inputs else name


def _training(result: Reconstruction | SceneReconstruction, summary: dict[str, Any]) -> Training:
    if isinstance(result, SceneReconstruction):
        return Training(summary["steps"], summary["seconds"]["fit"], summary["recoveries"])
    done = result.snapshot
    return Training(done.step, done.seconds, done.recoveries, result.trained, done.history)


def _found(
    result: Reconstruction | SceneReconstruction, surface: Surface, summary: dict[str, Any]
) -> dict[str, Any] | None:
    """The mesh in figures: a scene's were found when it was joined."""
    if isinstance(result, SceneReconstruction):
        return summary
    return None if surface.mesh is None else mesh_statistics(result, surface.mesh, surface.distances)


def _notices(training: Training, surface: Surface, found: dict[str, Any] | None) -> str:
    said = []
    if training.share < 1:
        said.append(
            f"The training has not finished: this is its state at step {training.steps:,}, "
            f"{training.share:.0%} of the way. The command below goes on from there."
        )
    if surface.mesh is None or surface.shown is None or found is None:
        said.append("The field has no surface yet: there is no mesh to show.")
    elif len(surface.shown.faces) < found["faces"]:
        all_of_it = "figures" if len(surface.mesh.faces) < found["faces"] else "figures, pictures"
        said.append(
            f"The view in 3-D shows {len(surface.shown.faces):,} of the mesh's {found['faces']:,} "
            f"triangles, simplified; {all_of_it} and plots are of all of them."
        )
    said += [f"Look at this with care: {doubt}." for doubt in (found or {}).get("doubts", ())]
    return "\n".join(f"<p class='notice'>{escape(text)}</p>" for text in said)


def _pictures(surface: Surface) -> str:
    cloud, mesh = surface.cloud, surface.mesh
    direction, up = usual_view(mesh or cloud)
    shown: list[tuple[str, Mesh | PointCloud, Float]] = [("the scan", cloud, direction)]
    if mesh is not None:
        names = ("the mesh", "from one side", "from behind", "from the other side")
        ways = directions(direction, up, len(names))
        shown += [(name, mesh, way) for name, way in zip(names, ways, strict=True)]
        shown.append(("from above", mesh, up + 1e-2 * direction))
    return "\n".join(figure(picture(thing, PICTURE_SIZE, way, up), name) for name, thing, way in shown)

"""The options of every command."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from recon.base.options import point, seconds, settings_help
from recon.cli.fit import add_fit_options, size
from recon.cli.learn import add_complete_options, add_learn_options
from recon.cli.solve import add_solve_options
from recon.cli.study import add_study_options
from recon.surface.options import add_setting_options
from recon.surface.settings import STANDARD


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build_parser(**work: Callable[[argparse.Namespace], dict[str, Any]]) -> argparse.ArgumentParser:
    """The parser of all commands; `work` has what each of them does."""
    from recon import __version__

    parser = argparse.ArgumentParser("recon")
    parser.description = "Point scans to surfaces with a neural signed distance field."
    parser.add_argument("--version", action="version", version=f"recon {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help: str, **more: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help, **more)
        sub.set_defaults(command=work[name])
        _add_common(sub)
        return sub

    raw = argparse.RawDescriptionHelpFormatter
    mesh = command(
        "mesh",
        "one scan, of one file or several, to one mesh",
        epilog=settings_help(STANDARD),
        formatter_class=raw,
    )
    mesh.add_argument(
        "scans",
        metavar="SCAN",
        nargs="+",
        help="ply pcd las laz e57 ptx pts xyz txt csv pwn npy npz, or a mesh to sample; several: one scene",
    )
    mesh.add_argument(
        "-o",
        "--output",
        metavar="MESH",
        help="ply obj stl glb off (default, of one SCAN: SCAN.mesh.ply here)",
    )
    add_setting_options(mesh)
    mesh.add_argument("--run", metavar="DIR", help="keep checkpoints there; given again, it resumes")
    mesh.add_argument(
        "--preview", type=seconds, metavar="10s", help="write DIR/preview.ply and preview.png that often"
    )
    mesh.add_argument(
        "--tensorboard", metavar="DIR", help="write terms, slices and pictures there for TensorBoard"
    )
    mesh.add_argument(
        "--view",
        action="store_true",
        help="show mesh and scan at the end, with --preview from the start",
    )
    mesh.add_argument("--device", default="auto", metavar="auto|cpu|cuda[:N]", help="default: auto")
    mesh.add_argument("--overwrite", action="store_true", help="replace MESH where it exists")

    folder = command(
        "batch",
        "every scan below a folder to a mesh, in the same tree; given again, it does what is left",
        epilog=settings_help(STANDARD),
        formatter_class=raw,
    )
    add_batch_options(folder)

    info = command("info", "what a scan or mesh holds, and what is wrong with it")
    info.add_argument("file", metavar="FILE")

    compare = command("eval", "accuracy of a mesh against a reference mesh or cloud")
    compare.add_argument("mesh", metavar="MESH")
    compare.add_argument("reference", metavar="REFERENCE")
    compare.add_argument(
        "--samples", type=int, default=200_000, help="points a direction (default: %(default)s)"
    )
    compare.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")

    query = command("query", "signed distance and gradient of a trained field at given points")
    query.add_argument("run", metavar="RUN", help="a folder that `recon mesh --run` made")
    query.add_argument("points", metavar="POINTS", help="a point file")
    query.add_argument("-o", "--output", metavar="CSV", help="default: stdout")
    query.add_argument("--overwrite", action="store_true", help="replace CSV where it exists")

    report = command("report", "a run as one HTML page that needs nothing else: 3-D view, plots, settings")
    report.add_argument("run", metavar="RUN", help="a folder that `recon mesh --run` made, finished or not")
    report.add_argument("-o", "--output", metavar="HTML", help="default: RUN/report.html")
    report.add_argument("--overwrite", action="store_true", help="replace HTML where it exists")

    text = "a picture, sound or film as a field: fitted, inpainted, blended, from derivatives"
    fitting = commands.add_parser("fit", help=text, description=text)
    fitting.set_defaults(command=work["fit"])
    add_fit_options(fitting, _add_common)

    text = "a boundary-value problem: waves in a medium, or the medium from waves"
    solving = commands.add_parser("solve", help=text, description=text)
    solving.set_defaults(command=work["solve"])
    add_solve_options(solving, _add_common)

    text = "what makes it work, shown: initialisation, activations, bandwidth"
    studying = commands.add_parser("study", help=text, description=text)
    studying.set_defaults(command=work["study"])
    add_study_options(studying, _add_common)

    text = "a space of pictures or shapes, to complete others of their kind from a part"
    learning = commands.add_parser("learn", help=text, description=text)
    learning.set_defaults(command=work["learn"])
    add_learn_options(learning, _add_common)

    add_complete_options(command("complete", "a picture or shape from a part of it, by a learnt space"))

    view = command("view", "show meshes, scans, run folders, or all that is in a folder")
    view.add_argument(
        "files", metavar="FILE", nargs="+", help="a mesh, scan or run folder, or a folder of them"
    )
    view.add_argument(
        "--screenshot", metavar="PNG", help="write a picture of each, without a window or a screen"
    )
    view.add_argument("--turntable", metavar="MP4|GIF", help="write a film of them going round, likewise")
    view.add_argument("--views", type=int, metavar="N", help="pictures of each, from N sides (default: 1)")
    view.add_argument("--size", type=size, metavar="WxH", help="of each picture (default: 700x700)")
    view.add_argument(
        "--from", dest="direction", type=point, metavar="X,Y,Z", help="--from=-1,-2,1: seen from there"
    )
    view.add_argument("--up", type=point, metavar="X,Y,Z", help="--up=0,1,0: what is up (default: mostly z)")
    view.add_argument(
        "--color",
        default="auto",
        metavar="HOW",
        help="auto plain scan normal height distance curvature, or a scalar's name (default: %(default)s)",
    )
    view.add_argument(
        "--window", choices=("auto", "modern", "classic"), default="auto", help="default: %(default)s"
    )
    view.add_argument("--overwrite", action="store_true", help="replace PNG, MP4 or GIF where it exists")
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    """What every command takes."""
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress, no summary")
    threads = "CPU threads (default: %(default)s)"
    parser.add_argument("--threads", type=int, metavar="N", default=_cores(), help=threads)


def add_batch_options(parser: argparse.ArgumentParser) -> None:
    """What `recon batch` takes."""
    parser.add_argument("folder", metavar="FOLDER", help="where the scans are, and in folders below")
    parser.add_argument("out", metavar="OUT", help="where the meshes go, an index.html and a summary.csv")
    parser.add_argument("--pattern", metavar="GLOB", help="only scans like '*.e57' or 'rooms/*'")
    parser.add_argument(
        "--config", metavar="YAML", help="options for all scans and by pattern (docs/batch.md)"
    )
    parser.add_argument(
        "--format", choices=("ply", "obj", "stl", "glb", "off"), default="ply", help="default: ply"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="scans at a time (default: one a GPU, or a core)"
    )
    parser.add_argument("--time-limit", type=seconds, metavar="30m", help="for each scan")
    parser.add_argument("--memory-limit", type=_bytes, metavar="8G", help="for each scan")
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Dask scheduler, as tcp://HOST:8786; or local:N, N workers here",
    )
    parser.add_argument("--gather", action="store_true", help="for clusters that do not share the folders")
    add_setting_options(parser)
    parser.add_argument("--run", metavar="DIR", help="keep the runs there, in the same tree")
    parser.add_argument(
        "--preview", type=seconds, metavar="10s", help="write preview.ply in each run that often"
    )
    parser.add_argument(
        "--tensorboard", metavar="DIR", help="write terms, slices and pictures there, likewise"
    )
    parser.add_argument(
        "--device", default="auto", metavar="auto|cpu|cuda[:N]", help="default: auto, all GPUs"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace meshes in OUT that no batch has made"
    )
    parser.set_defaults(threads=None)


def _bytes(text: str) -> int:
    units = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    number, unit = (text[:-1], text[-1].upper()) if text and text[-1].upper() in units else (text, "")
    try:
        return int(float(number) * units.get(unit, 1.0))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"'{text}' is no size: 8G or 500M") from None

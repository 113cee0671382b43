"""`recon view`: a window, a page for browsers, pictures and films."""

from __future__ import annotations

import argparse
import threading
from contextlib import closing, suppress
from typing import Any

from recon.base.options import Parser, add_choice, file, output_file, point, whole_between
from recon.base.progress import Bar
from recon.cli.common import FILES, add_common, add_overwrite, say, size
from recon.errors import UsageError
from recon.viewer.web_server import LOOPBACK, MAX_PORT, import_viser, is_loopback

EXAMPLES = (
    "recon view MESH.ply SCAN.ply RUN",
    "recon view MESH.ply --screenshot P.png --views 4 --from=-1,-2,1",
    "recon view --web FOLDER --color curvature --up=0,1,0",
)
WITHOUT_TORCH = True  # as long as no run is shown


def add_options(parser: Parser) -> None:
    files = parser.group(FILES)
    files.add_argument(
        "files", metavar="FILE", nargs="+", type=file, help="a mesh, scan or run folder, or a folder of them"
    )
    files.add_argument(
        "--screenshot",
        metavar="PNG",
        type=output_file,
        help="write a picture of each, without window or screen",
    )
    files.add_argument(
        "--turntable", metavar="MP4|GIF", type=output_file, help="write a film of them turning, likewise"
    )
    add_overwrite(files, "PNG, MP4 or GIF if it exists")
    web = parser.group("in a browser")
    web.add_argument(
        "--web", action="store_true", help="show them in browsers instead of a window, until Ctrl-C"
    )
    web.add_argument(
        "--host", metavar="ADDRESS", help="0.0.0.0: for all who reach this machine (default: for it alone)"
    )
    web.add_argument(
        "--port",
        type=whole_between(0, MAX_PORT),
        metavar="N",
        help="0: any that is free (default: the first free one from 8080 on)",
    )
    look = parser.group("appearance")
    look.add_argument(
        "--color",
        default="auto",
        metavar="HOW",
        help="auto plain scan normal height distance curvature, or a scalar's name (default: %(default)s)",
    )
    look.add_argument(
        "--from",
        dest="direction",
        type=point,
        metavar="X,Y,Z",
        help="direction they are seen from, as --from=-1,-2,1",
    )
    look.add_argument(
        "--up", type=point, metavar="X,Y,Z", help="up direction, as --up=0,1,0 (default: mostly z)"
    )
    look.add_argument("--size", type=size, metavar="WxH", help="size of each picture (default: 700x700)")
    look.add_argument(
        "--views",
        type=whole_between(1, 64),
        metavar="N",
        help="pictures of each, from N directions (default: 1)",
    )
    add_choice(look, "--window", ("auto", "modern", "classic"), "default: auto", default="auto")
    add_common(parser)


def run(options: argparse.Namespace) -> dict[str, Any]:
    if (options.host is not None or options.port is not None) and not options.web:
        raise UsageError("--host and --port are for --web")
    if options.web and (options.screenshot or options.turntable or options.window != "auto"):
        raise UsageError("--web is a view of its own: leave out --screenshot, --turntable and --window")
    if not (options.screenshot or options.turntable):
        if options.views or options.size:
            raise UsageError("--views and --size are for --screenshot PNG or --turntable MP4|GIF")
        if options.web:
            serve(options)
            return {}
        open_viewer(options.files, options.window, options.color, options.direction, options.up)
        return {}
    from recon.viewer.scene import Scene
    from recon.viewer.screenshot import Shot, screenshot, turntable

    given = {name: getattr(options, name) for name in ("size", "views", "direction", "up", "color")}
    shot = Shot(**{name: value for name, value in given.items() if value is not None})
    scene, written = Scene(options.files), {}
    if options.screenshot:
        picture = screenshot(scene, options.screenshot, shot, overwrite=options.overwrite)
        written["screenshot"] = options.screenshot
        say([f"picture {options.screenshot}: {picture.shape[1]} x {picture.shape[0]}"], options.quiet)
    if options.turntable:
        with Bar("turning", show=not options.quiet) as bar:
            turntable(scene, options.turntable, shot, overwrite=options.overwrite, progress=bar.to)
        written["turntable"] = options.turntable
        say([f"film    {options.turntable}"], options.quiet)
    return written


def serve(options: argparse.Namespace) -> None:
    """Show the files in browsers until Ctrl-C."""
    from recon.viewer.scene import Scene
    from recon.viewer.stage import Stage
    from recon.viewer.web import WebPage

    import_viser()  # before files are read, for a while
    stage = Stage(Scene(options.files), options.color, options.direction, options.up)
    shared = not is_loopback(options.host or LOOPBACK)
    with closing(WebPage(stage, options.host or LOOPBACK, options.port)) as page, suppress(KeyboardInterrupt):
        lines = [f"open {' or '.join(page.addresses)} in a browser; Ctrl-C ends it"]
        say(lines + ["whoever reaches this machine sees what is shown"] * shared, options.quiet)
        page.serve(threading.Event())


def open_viewer(
    files: list[str], kind: str, color: str = "auto", direction: Any = None, up: Any = None
) -> None:
    """A window, in a process of its own unless its kind is given, which is what that process does."""
    from recon.viewer.launch import open_window, show

    if kind != "auto":
        show(files, kind, color, direction, up)
        return
    vectors = {"--from": direction, "--up": up}
    given = [f"{name}={','.join(map(repr, vector))}" for name, vector in vectors.items() if vector]
    if code := open_window(files, [f"--color={color}", *given]):
        raise SystemExit(code)  # the window's process has said why

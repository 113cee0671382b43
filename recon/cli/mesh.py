"""`recon mesh`: scans to a mesh."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any

from recon.base.options import Parser, file, folder, memory, seconds
from recon.base.progress import Bar
from recon.base.provenance import command_origin
from recon.cli.common import (
    FILES,
    MACHINE,
    RUNNING,
    add_common,
    add_device,
    add_output,
    add_strict,
    add_tensorboard,
    say,
)
from recon.cli.view import open_viewer
from recon.errors import UsageError
from recon.surface.options import add_setting_options, config_from

EXAMPLES = (
    "recon mesh SCAN.ply -o MESH.ply",
    "recon mesh A.e57 B.e57 -o ALL.ply --preset fine --faces 200000",
    "recon mesh SCAN.ply --run RUN --preview 10s --set fit.steps=4000",
)


def add_options(parser: Parser) -> None:
    files = parser.group(FILES)
    files.add_argument(
        "scans",
        metavar="SCAN",
        nargs="+",
        type=file,
        help="ply pcd las laz e57 ptx pts npy npz, text (xyz csv …), or a mesh to sample; several, or a "
        "folder of them: one scan",
    )
    output = "ply obj stl glb off 3mf, by extension (default, of one SCAN: SCAN.mesh.ply here)"
    add_output(parser, "MESH", output, "MESH if it exists")
    files.add_argument("--run", metavar="DIR", type=folder, help="keep the run there; given again, resume it")
    files.add_argument("--tiles", metavar="DIR", type=folder, help="write the mesh as 3D Tiles there, too")
    add_setting_options(parser)
    running = parser.group(RUNNING)
    running.add_argument(
        "--preview", type=seconds, metavar="10s", help="write DIR/preview.ply and preview.png this often"
    )
    running.add_argument(
        "--view",
        action="store_true",
        help="show mesh and scan at the end; with --preview, from the start",
    )
    add_strict(parser)
    add_tensorboard(parser, "terms, slices and pictures")
    add_common(parser, "CPU threads; of a scene in blocks as many blocks at a time (default: %(default)s)")
    add_device(parser)
    machine = parser.group(MACHINE)
    machine.add_argument(
        "--cluster", metavar="ADDRESS", help="of a Dask scheduler, or local:N, for the blocks of a scene"
    )
    machine.add_argument(
        "--memory", type=memory, metavar="4G", help="for all blocks at a time (default: what is free)"
    )


def _where(cluster: str | None) -> Callable[[Path, int, str], Any]:
    """What works on the blocks of a scene."""
    if cluster is None:
        from recon.surface.scenes.processes import LocalBlocks

        return LocalBlocks
    from recon.batching.scene_cluster import ClusterBlocks

    return partial(ClusterBlocks, cluster)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon.base.files import check_writable, remove_leftovers
    from recon.base.lock import locked
    from recon.base.runs import claims, lock_path, run_folder
    from recon.meshing.files import check_mesh_path
    from recon.meshing.texture_files import files_beside
    from recon.meshing.tiles import check_tiles_folder
    from recon.surface.conversion import summary_lines
    from recon.surface.scenes.conversion import convert
    from recon.training.callbacks import ProgressBar
    from recon.viewer.launch import LiveWindow
    from recon.viewer.requirements import check_screen

    if len(options.scans) > 1 and not options.output:
        raise UsageError("several scans become one mesh: say with -o MESH where to write it")
    out = Path(options.output or f"{Path(options.scans[0]).stem}.mesh.ply")
    config = config_from(vars(options))
    check_mesh_path(out, config.mesh.uncertainty, bool(config.mesh.texture))
    check_writable(out, overwrite=True)
    for beside in files_beside(out) if config.mesh.texture else ():
        check_writable(beside, options.overwrite)
    tiles = check_tiles_folder(options.tiles) if options.tiles else None
    if options.view:
        check_screen()
    if options.preview and not options.run:
        raise UsageError("--preview needs --run DIR, the folder to write it to")
    show = not options.quiet
    callbacks: list[Any] = [ProgressBar(show=show)]
    with ExitStack() as ending:
        ending.enter_context(locked(lock_path(out), str(out)))
        run = ending.enter_context(run_folder(options.run, out))
        overwrite = options.overwrite or claims(run, out)  # a killed command's, all but finished
        check_writable(out, overwrite)
        remove_leftovers(out)
        before = ending.enter_context(Bar("preparing", show, ends=True))
        bar = ending.enter_context(Bar("meshing", show))
        if options.view and options.preview:
            callbacks.append(ending.enter_context(closing(LiveWindow(run))))
        _, summary = convert(
            options.scans,
            out,
            config,
            run,
            device=options.device,
            preview=options.preview,
            tensorboard=options.tensorboard,
            overwrite=overwrite,
            callbacks=callbacks,
            preparing=before.to,
            meshing=bar.to,
            memory=options.memory,
            tiles=tiles,
            work=_where(options.cluster),
            origin=command_origin(options.arguments, options.preset or "standard"),
        )
    say(summary_lines(summary), options.quiet)
    if options.view:
        open_viewer([str(out), *([options.run] if options.run else options.scans)], "auto")
    return summary

"""The command line. Results go to files and, with --json, to stdout; all else goes to stderr."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from recon.base.progress import Bar, LinesBesideBars
from recon.base.provenance import command_origin
from recon.cli.parser import build_parser
from recon.errors import ReconError, UsageError
from recon.surface.options import config_from

STOPPED, SOME_FAILED = 130, 3


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong usage, 3 some scans of a batch
    failed, 130 stopped."""
    parser = build_parser(
        mesh=_mesh,
        batch=_batch,
        info=_info,
        eval=_eval,
        query=_query,
        report=_report,
        view=_view,
        fit=_fit,
        solve=_solve,
        study=_study,
        learn=_learn,
        complete=_complete,
    )
    options = parser.parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else arguments
    if options.threads is not None and options.threads < 1:
        print(f"recon: error: {options.threads} threads, wanted at least 1", file=sys.stderr)
        return UsageError.exit_code
    if options.threads is not None and options.command is not _view:  # which mostly does without torch
        import torch

        torch.set_num_threads(options.threads)
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(format="recon: %(message)s", level=level, handlers=[LinesBesideBars()], force=True)
    try:
        with _stoppable():
            result = options.command(options)
    except ReconError as error:
        print(f"recon: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        kept = (
            "" if options.command is _study else "; what it had is kept: the same command goes on from there"
        )
        print(f"\nrecon: stopped{kept}", file=sys.stderr)
        return STOPPED
    if options.json:
        print(json.dumps(result))
    return SOME_FAILED if result.get("failed") else 0


@contextmanager
def _stoppable() -> Iterator[None]:
    """Who ends the command, or closes its terminal, stops it as Ctrl-C does: what it had is kept, what it has
    started is ended."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) is signal.SIG_DFL:  # under nohup, e.g., it is not
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _mesh(options: argparse.Namespace) -> dict[str, Any]:
    from recon.base.files import check_writable
    from recon.meshing.files import check_mesh_path
    from recon.surface.conversion import convert, run_folder, summary_lines
    from recon.training.callbacks import ProgressBar
    from recon.viewer.launch import LiveWindow, check_screen

    if len(options.scans) > 1 and not options.output:
        raise UsageError("several scans become one mesh: say with -o MESH where to write it")
    out = Path(options.output or f"{Path(options.scans[0]).stem}.mesh.ply")
    check_mesh_path(out)
    check_writable(out, options.overwrite)
    if options.view:
        check_screen()
    config = config_from(vars(options))
    if options.preview and not options.run:
        raise UsageError("--preview needs --run DIR, the folder to write it to")
    show = not options.quiet
    callbacks: list[Any] = [ProgressBar(show=show)]
    with ExitStack() as ending:
        run = ending.enter_context(run_folder(options.run, out))
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
            overwrite=options.overwrite,
            callbacks=callbacks,
            preparing=before.to,
            meshing=bar.to,
            origin=command_origin(options.arguments, options.preset or "standard"),
        )
    _say(summary_lines(summary), options.quiet)
    if options.view:
        _window([str(out), *([options.run] if options.run else options.scans)], "auto")
    return summary


def _batch(options: argparse.Namespace) -> dict[str, Any]:
    from recon import batch
    from recon.batching.config_file import OPTIONS
    from recon.batching.summary import report, table
    from recon.surface.settings import STANDARD

    folder, out = Path(options.folder), Path(options.out)
    results = batch(
        folder,
        out,
        options.config or STANDARD,
        overrides={"*": {name: getattr(options, name) for name in OPTIONS}},
        pattern=options.pattern,
        format=options.format,
        device=options.device,
        jobs=options.jobs,
        threads=options.threads,
        time_limit=options.time_limit,
        memory_limit=options.memory_limit,
        cluster=options.cluster,
        gather=options.gather,
        overwrite=options.overwrite,
        run=options.run,
        preview=options.preview,
        tensorboard=options.tensorboard,
        progress=not options.quiet,
    )
    done = sorted(results, key=lambda result: result.scan)
    _say(table(done, out.absolute()), options.quiet)
    return report(done, folder, out.absolute())


def _info(options: argparse.Namespace) -> dict[str, Any]:
    from recon.info.inspection import inspect

    info = inspect(options.file, threads=options.threads)
    _say(info.lines(), options.quiet)
    return info.as_dict()


def _eval(options: argparse.Namespace) -> dict[str, Any]:
    from recon.geometry import PointCloud
    from recon.meshing.files import read_mesh
    from recon.scan.files import read_any
    from recon.scan.preparation.cleaning import clean
    from recon.surface.evaluation import evaluate

    mesh, reference = read_mesh(options.mesh), read_any(options.reference)
    if isinstance(reference, PointCloud):
        reference, _ = clean(reference)
    result = evaluate(mesh, reference, samples=options.samples, seed=options.seed)
    _say(result.lines(), options.quiet)
    return result.as_dict()


def _query(options: argparse.Namespace) -> dict[str, Any]:
    import numpy as np

    from recon.base.files import atomic_path
    from recon.scan.files import read_cloud
    from recon.surface.reconstruction import load

    points = read_cloud(options.points).points
    distance, gradient = load(options.run).distance_and_gradient(points)
    table = np.column_stack([points, distance, gradient])
    header = "x,y,z,distance,gradient_x,gradient_y,gradient_z"
    if options.output:
        with atomic_path(options.output, options.overwrite) as temporary:
            np.savetxt(temporary, table, "%.10g", ",", header=header, comments="")
        _say([f"{len(points):,} signed distances, negative inside: {options.output}"], options.quiet)
        return {"points": len(points), "output": str(options.output)}
    if not options.json:
        np.savetxt(sys.stdout, table, "%.10g", ",", header=header, comments="")
    return {"points": points.tolist(), "distance": distance.tolist(), "gradient": gradient.tolist()}


def _report(options: argparse.Namespace) -> dict[str, Any]:
    from recon.report.page import write_report

    with Bar("report", show=not options.quiet) as bar:
        path = write_report(options.run, options.output, overwrite=options.overwrite, progress=bar.to)
    size = path.stat().st_size
    _say([f"report  {path}: {size / 1e6:.1f} MB, for any browser"], options.quiet)
    return {"report": str(path), "bytes": size}


def _view(options: argparse.Namespace) -> dict[str, Any]:
    if not (options.screenshot or options.turntable):
        if options.views or options.size:
            raise UsageError("--views and --size are for --screenshot PNG or --turntable MP4|GIF")
        _window(options.files, options.window, options.color, options.direction, options.up)
        return {}
    from recon.viewer.scene import Scene
    from recon.viewer.screenshot import Shot, screenshot, turntable

    given = {name: getattr(options, name) for name in ("size", "views", "direction", "up", "color")}
    shot = Shot(**{name: value for name, value in given.items() if value is not None})
    scene, written = Scene(options.files), {}
    if options.screenshot:
        picture = screenshot(scene, options.screenshot, shot, overwrite=options.overwrite)
        written["screenshot"] = options.screenshot
        _say([f"picture {options.screenshot}: {picture.shape[1]} x {picture.shape[0]}"], options.quiet)
    if options.turntable:
        with Bar("turning", show=not options.quiet) as bar:
            turntable(scene, options.turntable, shot, overwrite=options.overwrite, progress=bar.to)
        written["turntable"] = options.turntable
        _say([f"film    {options.turntable}"], options.quiet)
    return written


def _fit(options: argparse.Namespace) -> dict[str, Any]:
    from recon.cli.fit import fit_lines, run_fit

    summary = run_fit(options)
    _say(fit_lines(summary), options.quiet)
    return summary


def _solve(options: argparse.Namespace) -> dict[str, Any]:
    from recon.cli.solve import run_solve, solve_lines

    summary = run_solve(options)
    _say(solve_lines(summary), options.quiet)
    return summary


def _study(options: argparse.Namespace) -> dict[str, Any]:
    from recon.cli.study import run_study

    summary = run_study(options)
    _say([f"study   {summary['page']}, {summary['csv']}"], options.quiet)
    return summary


def _learn(options: argparse.Namespace) -> dict[str, Any]:
    from recon.cli.learn import learn_lines, run_learn

    summary = run_learn(options)
    _say(learn_lines(summary), options.quiet)
    return summary


def _complete(options: argparse.Namespace) -> dict[str, Any]:
    from recon.cli.learn import complete_lines, run_complete

    summary = run_complete(options)
    _say(complete_lines(summary), options.quiet)
    return summary


def _window(files: list[str], kind: str, color: str = "auto", direction: Any = None, up: Any = None) -> None:
    from recon.viewer.launch import open_window, show

    if kind != "auto":
        show(files, kind, color, direction, up)
        return
    vectors = {"--from": direction, "--up": up}
    given = [f"{name}={','.join(map(repr, vector))}" for name, vector in vectors.items() if vector]
    if code := open_window(files, [f"--color={color}", *given]):
        raise SystemExit(code)  # the window's process has said why


def _say(lines: list[str], quiet: bool) -> None:
    if not quiet:
        print("\n".join(lines), file=sys.stderr)

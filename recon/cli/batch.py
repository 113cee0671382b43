"""`recon batch`: every scan below a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recon.base.options import Parser, add_choice, file, folder, memory, seconds, whole_between
from recon.cli.common import (
    FILES,
    MACHINE,
    RUNNING,
    add_common,
    add_device,
    add_overwrite,
    add_strict,
    add_tensorboard,
    say,
)
from recon.surface.options import OPTIONS, add_setting_options
from recon.surface.settings import STANDARD

EXAMPLES = (
    "recon batch FOLDER OUT",
    "recon batch FOLDER OUT --pattern '*.e57' --preset draft --faces 50000",
    "recon batch FOLDER OUT --config batch.yaml --cluster local:2",
)
FORMATS = ("ply", "obj", "stl", "glb", "off", "3mf")


def add_options(parser: Parser) -> None:
    files = parser.group(FILES)
    files.add_argument(
        "folder", metavar="FOLDER", type=folder, help="folder of the scans, searched with all its subfolders"
    )
    files.add_argument(
        "out", metavar="OUT", type=folder, help="folder for the meshes, index.html and summary.csv"
    )
    files.add_argument("--pattern", metavar="GLOB", help="only scans like '*.e57' or 'rooms/*'")
    files.add_argument(
        "--config", metavar="YAML", type=file, help="options for all scans and by pattern (docs/batch.md)"
    )
    add_choice(files, "--format", FORMATS, "of the meshes (default: ply)", default="ply")
    files.add_argument("--run", metavar="DIR", type=folder, help="keep the runs there, in the same tree")
    add_overwrite(files, "meshes in OUT that no batch has made")
    add_setting_options(parser)
    running = parser.group(RUNNING)
    running.add_argument(
        "--preview", type=seconds, metavar="10s", help="write preview.ply in each run this often"
    )
    add_strict(parser)
    add_tensorboard(parser, "terms, slices and pictures of each scan")
    add_common(parser, "CPU threads of each scan (default: 1; on GPUs, the cores shared out)")
    add_device(parser, "default: auto, all GPUs")
    machine = parser.group(MACHINE)
    machine.add_argument(
        "--jobs",
        type=whole_between(1, 1024),
        metavar="N",
        help="scans at a time (default: one per GPU, or per core)",
    )
    machine.add_argument("--time-limit", type=seconds, metavar="30m", help="per scan")
    machine.add_argument("--memory-limit", type=memory, metavar="8G", help="per scan")
    machine.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Dask scheduler, tls://HOST:8786 or tcp://…; or local:N, N workers here",
    )
    machine.add_argument("--gather", action="store_true", help="for clusters that do not share the folders")
    parser.set_defaults(threads=None)


def run(options: argparse.Namespace) -> dict[str, Any]:
    from recon import batch
    from recon.batching.summary import report, table

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
    say(table(done, out.absolute()), options.quiet)
    return report(done, folder, out.absolute())

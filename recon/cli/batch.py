"""`recon batch`: every scan below a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from recon.base.options import seconds, settings_help
from recon.cli.common import add_common, add_device, say
from recon.surface.options import add_setting_options
from recon.surface.settings import STANDARD

HELP = "every scan below a folder to a mesh, in the same tree; given again, it does what is left"


def add_options(parser: argparse.ArgumentParser) -> None:
    add_common(parser)
    parser.epilog, parser.formatter_class = settings_help(STANDARD), argparse.RawDescriptionHelpFormatter
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
    add_device(parser, "default: auto, all GPUs")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace meshes in OUT that no batch has made"
    )
    parser.set_defaults(threads=None)


def run(options: argparse.Namespace) -> dict[str, Any]:
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
    say(table(done, out.absolute()), options.quiet)
    return report(done, folder, out.absolute())


def _bytes(text: str) -> int:
    units = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    number, unit = (text[:-1], text[-1].upper()) if text and text[-1].upper() in units else (text, "")
    try:
        return int(float(number) * units.get(unit, 1.0))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"'{text}' is no size: 8G or 500M") from None

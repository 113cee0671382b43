"""Seconds and memory of meshing one trained field at rising resolutions.

The field is that of --run, a folder kept by `recon mesh --run`, or is trained once on --scan (into
OUT/extraction.run, where a later call finds it). Each resolution is meshed --repeats times, in processes of
their own: seconds are the median of `Reconstruction.mesh` alone; memory is the peak of the whole process,
which only loads the field, meshes it and writes the arrays.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from statistics import median

from benchmarks.accuracy import names
from benchmarks.processes import cores, measured, own_command, recon_command
from benchmarks.report import Row, append, header, publish, setting, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--scan", type=Path, help="to train a field on")
    source.add_argument("--run", dest="kept", type=Path, help="folder of a trained field")
    parser.add_argument("--options", default="", help="for `recon mesh`, as one string")
    parser.add_argument("--resolutions", type=names, default=["256", "512", "1024", "2048"])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:N]")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    kept = args.kept.resolve() if args.kept else trained(args)
    rows = []
    for resolution in map(int, args.resolutions):
        row: Row = {
            "field": args.kept.name if args.kept else args.scan.name,
            "options": args.options,
            "resolution": resolution,
            "device": args.device,
            **setting(args.threads, args.device),
            **meshed(kept, resolution, args),
        }
        append(args.out / "extraction.jsonl", row)
        rows.append(row)
        print(markdown([row])[-1], flush=True)
    publish(args.out / "extraction.md", [*header(args.threads, args.device), "", *markdown(rows)], rows)


def trained(args: argparse.Namespace) -> Path:
    """The run folder of a field trained on the scan; a finished one that is there is taken as it is."""
    folder, mesh = args.out / "extraction.run", args.out / "extraction.ply"
    options = ["--resolution", 64, "--overwrite", "--threads", args.threads, "--device", args.device]
    words = ["mesh", args.scan.resolve(), "-o", mesh, "--run", folder, *options]
    done = measured(recon_command(*words, *shlex.split(args.options)), mesh, args.threads)
    if "error" in done:
        raise SystemExit(f"the field could not be trained: {done['error']}")
    return folder


def meshed(kept: Path, resolution: int, args: argparse.Namespace) -> Row:
    """One resolution: medians over the repeats, and what the mesh is."""
    from recon.geometry import Mesh
    from recon.meshing.topology import topology

    output = args.out / "extraction.npz"
    options = ["--resolution", resolution, "--threads", args.threads, "--device", args.device, "--json"]
    runs = []
    for _ in range(args.repeats):
        row = measured(own_command("one-mesh", kept, output, *options), output, args.threads)
        if "error" in row:
            return row
        runs.append(row)
    import numpy as np

    with np.load(output) as arrays:
        shape = topology(Mesh(arrays["vertices"], arrays["faces"]))
    output.unlink()
    return {
        "seconds": median(row["summary"]["seconds"] for row in runs),
        "memory_mb": median(row["memory_mb"] for row in runs),
        "memory_before_mb": median(row["summary"]["memory_before_mb"] for row in runs),
        "vertices": shape.vertices,
        "faces": shape.faces,
        "watertight": shape.watertight,
        "others": max(row["others"] for row in runs),
        "runs": [row["summary"]["seconds"] for row in runs],
    }


def markdown(rows: list[Row]) -> list[str]:
    head = ["field", "resolution", "seconds", "memory MB", "of it before", "vertices", "faces", "watertight"]
    return table(head, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    start = [row["field"], str(row["resolution"])]
    if "error" in row:
        return [*start, row["error"]]
    return [
        *start,
        f"{row['seconds']:.2f}",
        f"{row['memory_mb']:.0f}",
        f"{row['memory_before_mb']:.0f}",
        f"{row['vertices']:,}",
        f"{row['faces']:,}",
        "yes" if row["watertight"] else "no",
    ]

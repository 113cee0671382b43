"""`recon mesh` beside Open3D's screened Poisson reconstruction, against true surfaces.

For each scan DIR/NAME.KIND.ply with its truth DIR/NAME.gt.ply, every method runs in a process of its own:
wall time and peak memory are that process's, from start to written mesh. Results go to OUT/accuracy.jsonl
as they come and to OUT/accuracy.md in the end, meshes to OUT/meshes. What was measured there before is not
measured again, unless --fresh asks for it or `recon` may differ: another commit, or uncommitted changes.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from benchmarks.processes import measured, own_command, recon_command
from benchmarks.report import Results, Row, header, publish, setting, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scan_arguments(parser, kinds=["clean", "sparse", "scan"], depths=["7", "8", "9"])
    parser.add_argument("--methods", type=names, default=["poisson", "recon"])


def add_scan_arguments(parser: argparse.ArgumentParser, kinds: list[str], depths: list[str]) -> None:
    """What all commands that compare meshes with true surfaces are told."""
    parser.add_argument("--shapes", type=Path, required=True, help="folder of NAME.KIND.ply, NAME.gt.ply")
    parser.add_argument("--only", type=names, help="names of shapes; all of the folder's by default")
    parser.add_argument("--kinds", type=names, default=kinds)
    parser.add_argument("--depths", type=names, default=depths, help="of Poisson's octree")
    parser.add_argument("--trims", type=names, default=["0"], help="shares cut off Poisson's meshes")
    parser.add_argument("--options", default="", help="for `recon mesh`, as one string")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="for every method")
    parser.add_argument("--samples", type=int, default=200_000, help="of each surface")
    parser.add_argument("--fresh", action="store_true", help="measure rows again that are there")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def run(args: argparse.Namespace) -> None:
    args.shapes, args.out = args.shapes.resolve(), args.out.resolve()
    meshes = args.out / "meshes"
    meshes.mkdir(parents=True, exist_ok=True)
    results = Results(args.out / "accuracy.jsonl", identity, args.fresh)
    rows: list[Row] = []
    for shape, kind, scan, truth in scans(args):
        for method, command in methods(args):
            mesh = meshes / f"{shape}.{kind}.{method.replace(' ', '')}.ply"
            row: Row = {
                "shape": shape,
                "kind": kind,
                "method": method,
                "options": args.options if method == "recon" else "",
                "samples": args.samples,
                **setting(args.threads),
            }
            known = results.find(row)
            if known is None:
                command = [word.format(scan=scan, mesh=mesh) for word in command]
                row |= measured(command, mesh, args.threads)
                if "error" not in row:
                    row |= graded(mesh, truth, args.samples)
                results.add(row)
            rows.append(known or row)
            print(_cells(rows[-1], None), flush=True)
    publish(args.out / "accuracy.md", [*header(args.threads), "", *markdown(rows)], rows)


def scans(args: argparse.Namespace) -> Iterator[tuple[str, str, Path, Path]]:
    """Name, kind, file and truth of each scan that is asked for; ends the program where there is none."""
    found = 0
    for truth in sorted(args.shapes.glob("*.gt.ply")):
        shape = truth.name.removesuffix(".gt.ply")
        for kind in args.kinds:
            scan = args.shapes / f"{shape}.{kind}.ply"
            if scan.exists() and (args.only is None or shape in args.only):
                found += 1
                yield shape, kind, scan, truth
    if not found:
        sys.exit(f"no NAME.KIND.ply with NAME.gt.ply in {args.shapes} for kinds {', '.join(args.kinds)}")


def methods(args: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Name and command of each method; {scan} and {mesh} stand for the files."""
    if "poisson" in args.methods:
        yield from poisson_methods(args)
    if "recon" in args.methods:
        options = ["--overwrite", "--threads", args.threads, *shlex.split(args.options)]
        yield "recon", recon_command("mesh", "{scan}", "-o", "{mesh}", *options)


def poisson_methods(args: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    for depth, trim in product(args.depths, args.trims):
        options = ["--depth", depth, "--trim", trim, "--threads", args.threads]
        name = f"poisson {depth}" + (f" trimmed {trim}" if float(trim) else "")
        yield name, own_command("poisson", "{scan}", "{mesh}", *options)


def graded(mesh: Path, truth: Path, samples: int) -> Row:
    """How far a mesh is from its truth, both ways."""
    from recon.meshing.files import read_mesh
    from recon.surface.evaluation import evaluate

    return evaluate(read_mesh(mesh), read_mesh(truth), samples=samples).as_dict()


def identity(row: Row) -> tuple:
    """Poisson does not depend on the commit."""
    commit = row["commit"] if row["method"] == "recon" else ""
    return (commit, *(row[k] for k in ("shape", "kind", "method", "options", "threads", "samples")))


def markdown(rows: list[Row]) -> list[str]:
    """The table; distances in thousandths of half the longest side of the truth's box."""
    head = "shape, kind, method, seconds, memory MB, mean distance, largest, normal cosine, F-score at 1, "
    head += "watertight, components, genus (truth), mean / best Poisson"
    lines = table(head.split(", "), [], words=3)
    for row in rows:
        best = [
            r["distance"]["both"]["mean"]
            for r in rows
            if r["method"].startswith("poisson") and "error" not in r
            if (r["shape"], r["kind"]) == (row["shape"], row["kind"])
        ]
        lines.append(_cells(row, min(best, default=None)))
    return lines


def _cells(row: Row, best: float | None) -> str:
    if "error" in row:
        return f"| {row['shape']} | {row['kind']} | {row['method']} | {row['error']} |"
    distance, mesh = row["distance"]["both"], row["mesh"]
    cells = [
        row["shape"],
        row["kind"],
        f"{row['method']} {row['options']}".strip(),
        f"{row['seconds']:.1f}",
        f"{row['memory_mb']:.0f}",
        f"{distance['mean']:.3f}",
        f"{distance['largest']:.1f}",
        f"{row['normal_cosine']['both']:.4f}",
        f"{row['f_score']['1']:.4f}",
        "yes" if mesh["watertight"] else "no",
        str(mesh["components"]),
        f"{'–' if mesh['genus'] is None else mesh['genus']} ({row['reference']['genus']})",
        f"{distance['mean'] / best:.2f}" if best and row["method"] == "recon" else "",
    ]
    return f"| {' | '.join(cells)} |"

"""Scenes of millions of points: `recon mesh` in blocks beside Open3D's screened Poisson at an equal grid.

For each number of points `make_city` makes a scan from the air and the surfaces that were met. Distances
are from surfaces to the mesh, at points where the aircraft saw them, without noise; and from the mesh to the
surfaces: what is further than `INVENTED` metres from any is invented. Poisson's depth is the first whose
cells are no larger than those of recon's mesh; it gets normals by Open3D, turned towards the aircraft, and is
cut where its density is lowest. Seconds and peak memory are those of a process from start to written mesh.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from benchmarks.accuracy import names
from benchmarks.processes import measured, own_command, recon_command
from benchmarks.report import ROOT, Results, Row, header, publish, setting, table

INVENTED = 1.0  # metres
CELLS = 0.3  # metres: the edge of a cell of both meshes
SAMPLES = 200_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--points", type=names, default=["1000000", "4000000"])
    parser.add_argument("--methods", type=names, default=["recon", "poisson"])
    parser.add_argument("--trims", type=names, default=["0.02"], help="shares cut off Poisson's meshes")
    parser.add_argument("--cell", type=float, default=CELLS, help="of the meshes' grids, metres")
    parser.add_argument("--options", default="--preset draft", help="for `recon mesh`, as one string")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--fresh", action="store_true", help="measure rows again that are there")
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    args.out = args.out.resolve()
    (args.out / "meshes").mkdir(parents=True, exist_ok=True)
    results = Results(args.out / "scenes.jsonl", identity, args.fresh)
    rows: list[Row] = []
    for points in map(int, args.points):
        scan, truth, seen = made(points, args)
        for method, trim in [(m, t) for m in args.methods for t in (args.trims if m == "poisson" else ["0"])]:
            mesh = args.out / "meshes" / f"city{points}.{method}{trim}.ply"
            row: Row = {"points": points, "method": method, "trim": trim, "cell": args.cell}
            row |= {"options": args.options if method == "recon" else ""} | setting(args.threads)
            known = results.find(row)
            if known is None:
                row |= measured(command(method, trim, scan, mesh, args), mesh, args.threads)
                if "error" not in row:
                    row |= graded(mesh, truth, seen)
                results.add(row)
            rows.append(known or row)
            print(rows[-1].get("error") or cells(rows[-1]), flush=True)
    publish(args.out / "scenes.md", [*header(args.threads), "", *markdown(rows)], rows)


def made(points: int, args: argparse.Namespace) -> tuple[Path, Path, Path]:
    """The scan, the true surfaces, and exact points on those that the aircraft saw."""
    scan, truth, seen = (args.out / f"city{points}.{kind}.ply" for kind in ("scan", "truth", "seen"))
    tool = ROOT / "tools" / "make_city.py"
    for path, options in (
        (scan, ["--sensors", "--truth", truth]),
        (seen, ["--noise", "0", "--seed", "0", "--draws", "1"]),
    ):
        if not path.exists():
            words = [sys.executable, tool, path, "--points", points, *options]
            done = os.spawnv(os.P_WAIT, sys.executable, [str(word) for word in words])
            if done:
                sys.exit("the city could not be made")
    return scan, truth, seen


def command(method: str, trim: str, scan: Path, mesh: Path, args: argparse.Namespace) -> list[str]:
    """Of one method."""
    if method == "recon":
        options = ["--cell", args.cell, "--overwrite", "--threads", args.threads]
        return recon_command("mesh", scan, "-o", mesh, *options, *shlex.split(args.options))
    import numpy as np

    from recon.scan.files import read_cloud

    side = 1.1 * float(np.ptp(read_cloud(scan).points, axis=0).max())  # Open3D's box around the points
    depth = int(np.ceil(np.log2(side / args.cell)))
    options = ["--depth", depth, "--trim", trim, "--threads", args.threads, "--estimate"]
    return own_command("poisson", scan, mesh, *options)


def graded(mesh: Path, truth: Path, seen: Path) -> Row:
    """Distances in metres, and the share of the mesh that is invented."""
    import numpy as np

    from recon.meshing.files import read_mesh
    from recon.meshing.triangles import distance_to_mesh, surface_points
    from recon.scan.files import read_cloud

    found, true, rng = read_mesh(mesh), read_mesh(truth), np.random.default_rng(0)
    points = read_cloud(seen).points
    some = points[rng.choice(len(points), min(SAMPLES, len(points)), replace=False)]
    forth = distance_to_mesh(some, found)
    back = distance_to_mesh(surface_points(found, SAMPLES, rng)[0], true)
    near = back[back <= INVENTED]
    return {
        "faces": len(found.faces),
        "seen_to_mesh": float(forth.mean()),
        "mesh_to_truth": float(near.mean()),
        "invented": float((back > INVENTED).mean()),
        "missed": float((forth > INVENTED).mean()),
    }


def identity(row: Row) -> tuple:
    """Poisson does not depend on the commit."""
    commit = row["commit"] if row["method"] == "recon" else ""
    return (commit, *(row[k] for k in ("points", "method", "trim", "options", "cell", "threads")))


def markdown(rows: list[Row]) -> list[str]:
    """The table; distances in millimetres."""
    head = "points, method, seconds, memory MB, faces, seen to mesh, mesh to truth, invented, missed"
    lines = table(head.split(", "), [], words=2)
    return lines + [row.get("error") or cells(row) for row in rows]


def cells(row: Row) -> str:
    """A row of the table."""
    trimmed = f" trimmed {row['trim']}" if row["trim"] != "0" else ""
    parts = [
        f"{row['points']:,}",
        f"{row['method']} {row['options']}".strip() + trimmed,
        f"{row['seconds']:.0f}",
        f"{row['memory_mb']:.0f}",
        f"{row['faces']:,}",
        f"{1000 * row['seen_to_mesh']:.1f}",
        f"{1000 * row['mesh_to_truth']:.1f}",
        f"{row['invented']:.2%}",
        f"{row['missed']:.2%}",
    ]
    return f"| {' | '.join(parts)} |"

"""`recon mesh` beside Open3D's screened Poisson reconstruction, in one run.

    python tools/benchmark.py accuracy --shapes DIR [--only rocker,elephant] [--kinds clean,sparse,scan]
        [--methods poisson,recon] [--options "--preset fine"] [-o out/benchmark]

For each scan DIR/NAME.KIND.ply with its truth DIR/NAME.gt.ply, every method runs in a process of its own:
wall time and peak memory are that process's, from start to written mesh. Results go to OUT/accuracy.jsonl
as they come and to OUT/accuracy.md in the end, meshes to OUT/meshes. What was measured there before is not
measured again, unless --fresh asks for it or `recon` may differ: another commit, or uncommitted changes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from recon.evaluation import evaluate
from recon.mesh.files import read_mesh

ROOT = Path(__file__).resolve().parent.parent
Row = dict[str, Any]

# A process inherits the peak memory of the one that starts it, so a small one stands between.
MEASURE = """
import json, os, subprocess, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(subprocess.Popen(sys.argv[2:]).pid, 0)
used = {"seconds": time.perf_counter() - start, "memory_mb": usage.ru_maxrss / 1024}
with open(sys.argv[1], "w") as file:
    json.dump(used, file)
sys.exit(os.waitstatus_to_exitcode(status) and 1)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    accuracy = commands.add_parser("accuracy", help="recon and Poisson against true surfaces")
    accuracy.add_argument("--shapes", type=Path, required=True, help="folder of NAME.KIND.ply, NAME.gt.ply")
    accuracy.add_argument("--only", type=_names, help="names of shapes; all of the folder's by default")
    accuracy.add_argument("--kinds", type=_names, default=["clean", "sparse", "scan"])
    accuracy.add_argument("--methods", type=_names, default=["poisson", "recon"])
    accuracy.add_argument("--depths", type=_names, default=["7", "8", "9"], help="of Poisson's octree")
    accuracy.add_argument("--options", default="", help="for `recon mesh`, as one string")
    accuracy.add_argument("--threads", type=int, default=os.cpu_count(), help="for every method")
    accuracy.add_argument("--samples", type=int, default=200_000, help="of each surface")
    accuracy.add_argument("--fresh", action="store_true", help="measure rows again that are there")
    accuracy.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))
    poisson = commands.add_parser("poisson", help="one Poisson reconstruction, as `accuracy` starts it")
    poisson.add_argument("scan", type=Path)
    poisson.add_argument("mesh", type=Path)
    poisson.add_argument("--depth", type=int, required=True)
    poisson.add_argument("--threads", type=int, default=-1)
    args = parser.parse_args()
    if args.command == "poisson":
        run_poisson(args.scan, args.mesh, args.depth, args.threads)
    else:
        run_accuracy(args)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def run_poisson(scan: Path, mesh_path: Path, depth: int, threads: int) -> None:
    """Screened Poisson of Kazhdan and Hoppe (doi:10.1145/2487228.2487237) as Open3D ships it, untrimmed.

    It computes in single precision: the cloud is centred and scaled to unit size, and its mesh back.
    """
    import numpy as np
    import open3d as o3d

    cloud = o3d.io.read_point_cloud(scan)
    points = np.asarray(cloud.points)
    low, high = points.min(0), points.max(0)
    center, scale = (low + high) / 2, (high - low).max() / 2
    cloud.points = o3d.utility.Vector3dVector((points - center) / scale)
    mesh, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(
        cloud, depth=depth, linear_fit=False, n_threads=threads
    )
    mesh.vertices = o3d.utility.Vector3dVector(np.asarray(mesh.vertices) * scale + center)
    if not o3d.io.write_triangle_mesh(mesh_path, mesh):
        sys.exit(f"Open3D could not write {mesh_path}")


def run_accuracy(args: argparse.Namespace) -> None:
    args.shapes, args.out = args.shapes.resolve(), args.out.resolve()
    meshes = args.out / "meshes"
    meshes.mkdir(parents=True, exist_ok=True)
    table = args.out / "accuracy.jsonl"
    commit = _commit()
    old = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []
    known = {_key(row): row for row in old if "error" not in row and not row["commit"].endswith("changes")}
    rows: list[Row] = []
    for shape, kind, scan in _scans(args.shapes, args.only, args.kinds):
        for method, command in _methods(args):
            mesh = meshes / f"{shape}.{kind}.{method.replace(' ', '')}.ply"
            row: Row = {
                "shape": shape,
                "kind": kind,
                "method": method,
                "commit": commit if method == "recon" else "",
                "options": args.options if method == "recon" else "",
                "threads": args.threads,
                "samples": args.samples,
            }
            if _key(row) in known and not args.fresh:
                row = known[_key(row)]
            else:
                command = [word.format(scan=scan, mesh=mesh) for word in command]
                row |= measured(command, mesh, args.threads)
                if "error" not in row:
                    truth = read_mesh(args.shapes / f"{shape}.gt.ply")
                    row |= evaluate(read_mesh(mesh), truth, samples=args.samples).as_dict()
                known[_key(row)] = row
                partial = table.with_suffix(".partial")
                partial.write_text("".join(json.dumps(r) + "\n" for r in known.values()))
                partial.replace(table)
            rows.append(row)
            print(_cells(row, None), flush=True)
    if not rows:
        sys.exit(f"no NAME.KIND.ply with NAME.gt.ply in {args.shapes} for kinds {', '.join(args.kinds)}")
    report = "\n".join([*_header(commit, args.threads), "", *markdown(rows), ""])
    (args.out / "accuracy.md").write_text(report)
    print(report)


def _scans(folder: Path, only: list[str] | None, kinds: list[str]) -> Iterator[tuple[str, str, Path]]:
    for truth in sorted(folder.glob("*.gt.ply")):
        shape = truth.name.removesuffix(".gt.ply")
        for kind in kinds:
            scan = folder / f"{shape}.{kind}.ply"
            if scan.exists() and (only is None or shape in only):
                yield shape, kind, scan


def _methods(args: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Name and command of each method; {scan} and {mesh} stand for the files."""
    python, threads = sys.executable, ["--threads", str(args.threads)]
    if "poisson" in args.methods:
        for depth in args.depths:
            script = [python, str(Path(__file__).resolve()), "poisson", "{scan}", "{mesh}"]
            yield f"poisson {depth}", [*script, "--depth", depth, *threads]
    if "recon" in args.methods:
        options = ["--json", "--overwrite", *threads, *shlex.split(args.options)]
        yield "recon", [python, "-m", "recon", "mesh", "{scan}", "-o", "{mesh}", *options]


def measured(command: list[str], mesh: Path, threads: int) -> Row:
    """Runs `command`; its seconds, peak memory and --json summary, or the last line of what went wrong."""
    mesh.unlink(missing_ok=True)
    used = mesh.with_suffix(".json")
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-S", "-c", MEASURE, str(used), *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    row = json.loads(used.read_text())
    used.unlink()
    if done.returncode or not mesh.exists():
        return {"error": (done.stderr.strip().splitlines() or ["no mesh was written"])[-1]}
    return row | ({"summary": json.loads(done.stdout)} if "--json" in command else {})


def _key(row: Row) -> tuple:
    return tuple(row[k] for k in ("shape", "kind", "method", "commit", "options", "threads", "samples"))


def markdown(rows: list[Row]) -> list[str]:
    """The table; distances in thousandths of half the longest side of the truth's box."""
    head = "shape, kind, method, seconds, memory MB, mean distance, largest, normal cosine, F-score at 1, "
    head += "watertight, components, genus (truth), mean / best Poisson"
    names = head.split(", ")
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * 3 + "--:|" * (len(names) - 3)]
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


def _header(commit: str, threads: int) -> list[str]:
    """What is needed to repeat the run: command, code, machine, versions."""
    cpu = Path("/proc/cpuinfo")
    models = [s.split(":")[1].strip() for s in cpu.read_text().splitlines() if s.startswith("model name")]
    packages = [f"{name} {_version(name)}" for name in ("torch", "numpy", "libigl", "open3d")]
    return [
        f"    python {shlex.join([os.path.relpath(__file__), *sys.argv[1:]])}",
        "",
        f"{datetime.now(timezone.utc):%Y-%m-%d}, commit {commit}, "
        f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, {threads} threads, "
        f"Python {platform.python_version()}, {', '.join(packages)}.",
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _commit() -> str:
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    status = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
    name = head.stdout.strip() if head.returncode == 0 else "none"
    return f"{name} with changes" if status.stdout or head.returncode else name


if __name__ == "__main__":
    main()

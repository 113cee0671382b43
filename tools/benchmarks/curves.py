"""Error against wall time: recon at several budgets, the published method as it goes on, Poisson.

For scans DIR/NAME.KIND.ply and truths DIR/NAME.gt.ply, as `accuracy`. Seconds are all in, from the start of
the program to the written mesh. recon runs once for every budget of --budgets (its schedules depend on it),
in a process of its own: `recon mesh --time`. The published method (tools/reference.py) runs once, for
--reference-seconds, and is meshed at moments spaced geometrically; a moment's seconds are those of starting,
of training so far and of its own mesh, not of the meshes and measurements before it. It is shown as it is
and with those parts removed that recon removes from its own meshes ("parts auto"): as it is, ghosts in empty
space are most of its error.

The headline: to within 5 % of the smallest mean distance the published method reaches, how long does it take,
and how long does recon take to the same distance? Both are read off their curves the same way, on straight
lines between what was measured, in logarithms; ≤ where already the first measurement is below.

Results go to OUT/curves.jsonl as they come, to OUT/curves.md and to OUT/curves.NAME.KIND.png. What was
measured there before is not measured again, unless --fresh asks for it or it may differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import benchmarks.headline as head
from benchmarks.accuracy import add_scan_arguments, graded, names, poisson_methods, scans
from benchmarks.processes import environment, measured, own_command, recon_command
from benchmarks.report import ROOT, Results, Row, header, publish, setting

REFERENCE = ("reference", "reference, parts auto")
MOMENTS_A_DOUBLING = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_scan_arguments(parser, kinds=["clean"], depths=["8", "9"])
    parser.add_argument("--methods", type=names, default=["poisson", "recon", "reference"])
    parser.add_argument("--budgets", type=_numbers, default=[5, 10, 20, 40, 80], help="of training, seconds")
    parser.add_argument("--reference-seconds", type=float, default=1000, help="of training")
    parser.add_argument("--resolution", type=int, default=256, help="of recon's and the reference's meshes")
    parser.add_argument("--device", default="cpu", help="cpu or cuda[:N]")


def _numbers(text: str) -> list[float]:
    return [float(number) for number in names(text)]


def run(args: argparse.Namespace) -> None:
    args.shapes, args.out = args.shapes.resolve(), args.out.resolve()
    (args.out / "meshes").mkdir(parents=True, exist_ok=True)
    results = Results(args.out / "curves.jsonl", identity, args.fresh)
    lines, every = header(args.threads, args.device), list[Row]()
    for shape, kind, scan, truth in scans(args):
        start = {"shape": shape, "kind": kind}
        rows = []
        for row in measurements(args, start, scan, truth, results):
            rows.append(row)
            print(head.cells(row), flush=True)
        lines += ["", *head.markdown(rows)]
        every += rows
        plot(rows, args.out / f"curves.{shape}.{kind}.png")
    publish(args.out / "curves.md", lines, every)


def measurements(
    args: argparse.Namespace, start: Row, scan: Path, truth: Path, results: Results
) -> Iterator[Row]:
    """The rows of one scan, as they come."""
    folder = args.out / "meshes"
    for wanted, command in _single_runs(args):
        row = _row(args, {**start, **wanted})
        known = results.find(row)
        if known is None:
            label = f"{row['method']}{row['budget'] or ''}".replace(" ", "")
            mesh = folder / f"{start['shape']}.{start['kind']}.{label}.ply"
            row |= measured([w.format(scan=scan, mesh=mesh) for w in command], mesh, args.threads)
            if "error" not in row:
                row |= graded(mesh, truth, args.samples)
            results.add(row)
        yield known or row
    if "reference" not in args.methods:
        return
    times = moments(args.budgets[0], args.reference_seconds)
    wanted_rows = [_row(args, {**start, "method": m, "budget": t}) for t in times for m in REFERENCE]
    found = [results.find(row) for row in wanted_rows]
    if all(found):
        yield from (row for row in found if row)
        return
    for measurement in _reference_run(args, times, scan, truth):
        row = _row(args, {**start, **measurement})
        results.add(row)
        yield row


def _single_runs(args: argparse.Namespace) -> Iterator[tuple[Row, list[str]]]:
    """What is run once a row, and its command; {scan} and {mesh} stand for the files."""
    if "poisson" in args.methods:
        for method, command in poisson_methods(args):
            yield {"method": method, "budget": None}, command
    if "recon" in args.methods:
        options = ["--overwrite", "--threads", args.threads, "--device", args.device]
        options += ["--resolution", args.resolution, *shlex.split(args.options)]
        for budget in args.budgets:
            command = recon_command("mesh", "{scan}", "-o", "{mesh}", "--time", budget, *options)
            yield {"method": "recon", "budget": budget}, command


def _reference_run(args: argparse.Namespace, times: list[float], scan: Path, truth: Path) -> Iterator[Row]:
    words = [scan, truth, "--moments", ",".join(map(str, times)), "--resolution", args.resolution]
    words += ["--threads", args.threads, "--samples", args.samples, "--device", args.device]
    words += ["--began", time.time(), "--mesh", args.out / "meshes" / "reference.ply"]
    command = own_command("one-reference", *words)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(args.threads), stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            yield json.loads(line)
    if process.returncode:
        raise SystemExit(f"the published method's run failed: {shlex.join(command)}")


def moments(first: float, last: float) -> list[float]:
    """Seconds from `first` to `last`, in equal ratios."""
    if last <= first:
        return [last]
    count = math.ceil(MOMENTS_A_DOUBLING * math.log2(last / first))
    return [round(first * (last / first) ** (k / count), 2) for k in range(count + 1)]


def _row(args: argparse.Namespace, start: Row) -> Row:
    method = start["method"]
    return {
        **start,
        "options": args.options if method == "recon" else "",
        "resolution": None if method.startswith("poisson") else args.resolution,
        "samples": args.samples,
        "device": args.device,
        **setting(args.threads, args.device),
        "reference_code": _reference_code() if method in REFERENCE else "",
    }


def _reference_code() -> str:
    """A name for the reference as it is written now: it does not change with recon's training."""
    return hashlib.sha256((ROOT / "tools" / "reference.py").read_bytes()).hexdigest()[:12]


def identity(row: Row) -> tuple:
    """recon's rows depend on the commit, the reference's on its own code, Poisson's on neither."""
    commit = row["commit"] if row["method"] == "recon" else ""
    keys = (
        "shape, kind, method, budget, options, resolution, samples, device, threads, hardware, reference_code"
    )
    return (commit, *(row[key] for key in keys.split(", ")))


def plot(rows: list[Row], path: Path) -> None:
    """Mean and largest distance against seconds, both logarithmic. Colours of Okabe and Ito, which all
    eyes tell apart, and a marker of its own for each method."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    looks = {"recon": ("#0072B2", "o"), REFERENCE[0]: ("#D55E00", "s"), REFERENCE[1]: ("#E69F00", "^")}
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, measure in zip(panels, ("mean", "largest"), strict=True):
        for method in dict.fromkeys(row["method"] for row in rows):
            points = head.curve(rows, method, measure)
            colour, marker = looks.get(method, ("#000000", "D" if method.endswith("8") else "P"))
            if points:
                panel.loglog(*zip(*points, strict=True), color=colour, marker=marker, label=method)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(LogFormatter())
            axis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
        panel.set_xlabel("seconds, all in")
        panel.set_ylabel(f"{measure} distance, 0.001 of half the longest side")
        panel.grid(True, which="both", linewidth=0.3)
    panels[0].legend()
    figure.suptitle(
        f"{rows[0]['shape']}, {rows[0]['kind']}: {rows[0]['hardware']}, {rows[0]['threads']} threads"
    )
    figure.savefig(path, dpi=150)

"""Error bars against errors: how many vertices are as near to the true surface as theirs say.

For Gaussian errors 68 % are within one error bar, 95 % within two. With --holes, ten balls of 2 to 6.5 % of
the diagonal are cut out of each scan, and what fills them is compared on its own.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.accuracy import names
from benchmarks.processes import cores
from benchmarks.report import Row, append, header, publish, setting, table

HOLES, SMALLEST_HOLE, HOLE_STEP = 10, 0.02, 0.005  # balls; radius of the first, and from one to the next
SAMPLES = 50_000  # vertices that are measured
FIFTHS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--shapes", type=Path, required=True, help="folder of NAME.KIND.ply and NAME.gt.ply")
    parser.add_argument("--only", type=names, help="names of shapes; all of the folder's by default")
    parser.add_argument("--kinds", type=names, default=["noisy", "scan", "clean", "sparse"])
    parser.add_argument("--holes", action="store_true", help="cut balls out of each scan")
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("-o", "--out", type=Path, default=Path("out/benchmark"))


def run(args: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for kind in args.kinds:
        for path in sorted(args.shapes.glob(f"*.{kind}.ply")):
            shape = path.name.removesuffix(f".{kind}.ply")
            if args.only and shape not in args.only:
                continue
            found = measured(path, path.with_name(f"{shape}.gt.ply"), args.preset, args.holes)
            rows.append({"shape": shape, "kind": kind, **found} | setting(args.threads))
            append(args.out / "uncertainty.jsonl", rows[-1])
            print(markdown(rows)[-1], flush=True)
    publish(args.out / "uncertainty.md", [*header(args.threads), "", *markdown(rows)], rows)


def measured(scan: Path, reference: Path, preset: str, holes: bool) -> Row:
    """Shares of the vertices within their error bars; errors in thousandths of half the longest side."""
    import numpy as np

    from recon import reconstruct
    from recon.meshing.files import read_mesh
    from recon.meshing.triangles import distance_to_mesh
    from recon.scan.files import read_cloud
    from recon.surface.settings import PRESETS

    cloud, truth = read_cloud(scan), read_mesh(reference)
    config = PRESETS[preset].with_(mesh={"trim": "off"} if holes else {})
    kept, inside = with_holes(cloud) if holes else (cloud, lambda points: np.zeros(len(points), bool))
    mesh = reconstruct(kept, config).mesh(uncertainty=True)
    some = np.random.default_rng(0).choice(
        len(mesh.vertices), min(SAMPLES, len(mesh.vertices)), replace=False
    )
    places, bar = mesh.vertices[some], mesh.values["uncertainty"][some]
    error = distance_to_mesh(places, truth)
    unit = 5e-4 * float(np.ptp(truth.vertices, axis=0).max())
    order = np.array_split(np.argsort(bar), FIFTHS)
    filled = inside(places)
    return {
        "within_one": float((error < bar).mean()),
        "within_two": float((error < 2 * bar).mean()),
        "filled": float((error < bar)[filled].mean()) if filled.any() else None,
        "bar": float(np.median(bar)) / unit,
        "error": float(np.median(error)) / unit,
        "fifths": [float(np.sqrt(np.mean(error[part] ** 2))) / unit for part in order],
        "bars": [float(np.sqrt(np.mean(bar[part] ** 2))) / unit for part in order],
    }


def with_holes(cloud: Any) -> tuple[Any, Any]:
    """`cloud` without the points in some balls, and what says of places (n, 3) whether they are in one."""
    import numpy as np

    diagonal = np.linalg.norm(np.ptp(cloud.points, axis=0))
    centres = cloud.points[np.random.default_rng(0).choice(len(cloud), HOLES, replace=False)]
    radii = diagonal * (SMALLEST_HOLE + HOLE_STEP * np.arange(HOLES))

    def inside(points: Any) -> Any:
        return (np.linalg.norm(points[:, None] - centres, axis=2) < radii).any(1)

    return cloud.select(~inside(cloud.points)), inside


def markdown(rows: list[Row]) -> list[str]:
    head = ["shape", "kind", "within 1 %", "within 2 %", "filled, within 1 %", "error bar", "error"]
    return table(
        [*head, "rms errors by fifths of the bar", "rms bars"], [_cells(row) for row in rows], words=2
    )


def _cells(row: Row) -> list[str]:
    shares = [row["within_one"], row["within_two"], row["filled"]]
    fifths = [" ".join(f"{value:.2g}" for value in row[name]) for name in ("fifths", "bars")]
    percent = ["-" if share is None else f"{100 * share:.0f}" for share in shares]
    return [row["shape"], row["kind"], *percent, f"{row['bar']:.3f}", f"{row['error']:.3f}", *fifths]

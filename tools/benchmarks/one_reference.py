"""One run of the published method, as `curves` starts it: a JSON line for each mesh at each moment."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from benchmarks.accuracy import graded, names
from benchmarks.processes import Company
from benchmarks.report import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scan", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--moments", type=names, required=True, help="seconds of training, rising")
    parser.add_argument("--mesh", type=Path, required=True, help="where each mesh is written, over the last")
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--began", type=float, default=time.time(), help="when the process was started")


def run(args: argparse.Namespace) -> None:
    import torch
    from reference import Reference

    import recon
    from recon.meshing.components import keep_parts

    torch.set_num_threads(args.threads)
    cloud = recon.read_cloud(args.scan)
    training = Reference(cloud, device=args.device)
    start = time.time() - args.began
    company = Company()
    for moment in map(float, args.moments):
        training.train(seconds=moment)
        common: Row = {"budget": moment, "steps": training.steps, "train_seconds": training.seconds}
        common["others"] = company.cores()
        began = time.perf_counter()
        try:
            mesh = training.mesh(args.resolution)
        except recon.ReconError as error:
            common["error"] = str(error)
        extracted = time.perf_counter() - began
        for method, parts in (("reference", "all"), ("reference, parts auto", "auto")):
            row = {"method": method, **common}
            if "error" not in row:
                began = time.perf_counter()
                kept, _ = keep_parts(mesh, parts, cloud.points)
                recon.write_mesh(kept, args.mesh, overwrite=True)
                row["mesh_seconds"] = extracted + time.perf_counter() - began
                row["seconds"] = start + training.seconds + row["mesh_seconds"]
                row |= graded(args.mesh, args.truth, args.samples)
            print(json.dumps(row), flush=True)
        company = Company()

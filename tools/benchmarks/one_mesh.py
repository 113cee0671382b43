"""One mesh of a trained field, as `extraction` starts it."""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kept", type=Path, help="folder of a trained field")
    parser.add_argument("arrays", type=Path, help="NPZ to write vertices and faces to")
    parser.add_argument("--resolution", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON object, as it always does")


def run(args: argparse.Namespace) -> None:
    import numpy as np
    import torch

    import recon

    torch.set_num_threads(args.threads)
    field = recon.load(args.kept, args.device)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = time.perf_counter()
    mesh = field.mesh(args.resolution)
    seconds = time.perf_counter() - start
    np.savez(args.arrays, vertices=mesh.vertices, faces=mesh.faces)
    print(json.dumps({"seconds": seconds, "memory_before_mb": before}))

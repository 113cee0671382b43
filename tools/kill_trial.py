"""Commands killed at random moments and given again: what they write is what they would have written.

    python tools/kill_trial.py SCAN PICTURE -o OUT [--kills 20] [--seed 0] [--only blocks,cluster]

Each of `recon mesh` with --run, without, and in blocks, and `recon fit`, is timed undisturbed; then killed
(SIGKILL) `--kills` times, each time from nothing: at any moment, and every other time within the last second
that it took. Given again it has to exit with 0, with the same bytes and no other file beside them. With
"cluster" the blocks are those of two Dask workers, one of which is killed, and another one comes; the command
has to go on, and to the bytes that it writes without a cluster. The exit code is 1 if once it does not.
(`batch_trial.py` does the same to batches.)
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

LAST_SECONDS = 1.0
MESH = ["--preset", "draft", "--resolution", "64", "--set", "fit.steps=200", "--threads", "1", "--quiet"]
FIT = ["--set", "fit.steps=100", "--set", "field.width=64", "--threads", "1", "--quiet"]
RUN = ["--run", "run"]
BLOCKS = [*RUN, "--blocks", "4", *MESH]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scan", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", type=lambda text: text.split(","), help="some of the names that are printed"
    )
    args = parser.parse_args()
    draw, faults = random.Random(args.seed), 0
    scan, picture = str(args.scan.resolve()), str(args.picture.resolve())
    commands = {
        "run": ["mesh", scan, "-o", "mesh.ply", *RUN, *MESH],
        "mesh": ["mesh", scan, "-o", "mesh.ply", *MESH],
        "blocks": ["mesh", scan, "-o", "mesh.ply", *BLOCKS],
        "cluster": ["mesh", scan, "-o", "mesh.ply", *BLOCKS],
        "image": ["fit", "image", picture, "-o", "fit.png", "--derivatives", *FIT],
    }
    for name, words in commands.items():
        if args.only and name not in args.only:
            continue
        began = time.monotonic()
        wanted, tried = results(args.out, words), cluster_results if name == "cluster" else results
        took = time.monotonic() - began
        moments = [
            took - draw.uniform(0, LAST_SECONDS) if kill % 2 else draw.uniform(0, took)
            for kill in range(args.kills)
        ]
        wrong = [moment for moment in moments if tried(args.out, words, moment) != wanted]
        faults += len(wrong)
        said = ", ".join(f"{moment:.2f} s" for moment in wrong) or "none"
        print(
            f"{name}: {took:.1f} s; killed {args.kills} times, another result of kills at: {said}", flush=True
        )
    return 1 if faults else 0


def results(out: Path, words: list[str], moment: float | None = None) -> dict[str, bytes] | int:
    """The files that a command leaves in the empty folder `out`, without its run folder, or its exit code."""
    make_empty(out)
    command = [sys.executable, "-m", "recon", *words]
    code = None
    if moment is not None:
        process = subprocess.Popen(command, cwd=out, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        process.kill()
        code = process.wait()
    if code != 0:  # else it has come to its end before the kill
        code = subprocess.run(command, cwd=out, check=False).returncode
    return code or files(out)


def cluster_results(out: Path, words: list[str], moment: float) -> dict[str, bytes] | int:
    """The same of a command whose blocks two Dask workers do, if one of them is killed at a `moment`."""
    make_empty(out)
    with TemporaryDirectory() as folder, ExitStack() as ending:
        address = Path(folder) / "scheduler.json"

        def dask(what: str, *options: str) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-m", f"distributed.cli.dask_{what}", "--scheduler-file", str(address)]
            process = subprocess.Popen([*command, *options], cwd=folder, stderr=subprocess.DEVNULL)
            ending.enter_context(process)
            ending.callback(process.kill)
            return process

        dask("scheduler", "--host", "127.0.0.1", "--port", "0")
        workers = [dask("worker", "--nthreads", "1", "--no-nanny") for _ in range(2)]
        while not address.exists():
            time.sleep(0.1)
        there = json.loads(address.read_text())["address"]
        command = [sys.executable, "-m", "recon", *words, "--cluster", there]
        with subprocess.Popen(command, cwd=out) as process:
            time.sleep(moment)
            workers[0].kill()
            dask("worker", "--nthreads", "1", "--no-nanny")
        return process.returncode or files(out)


def make_empty(folder: Path) -> None:
    """Makes a folder, without what was in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def files(out: Path) -> dict[str, bytes]:
    """The files in a folder, without the run folder."""
    found = [path for path in out.rglob("*") if path.is_file() and "run" not in path.relative_to(out).parts]
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


if __name__ == "__main__":
    sys.exit(main())

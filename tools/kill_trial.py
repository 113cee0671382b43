"""Commands killed at random moments and given again: what they write is what they would have written.

    python tools/kill_trial.py SCAN PICTURE -o OUT [--kills 20] [--seed 0]

Each of `recon mesh` with --run and without, and `recon fit`, is timed undisturbed; then killed (SIGKILL)
`--kills` times, each time from nothing: at any moment, and every other time within the last second that
it took. Given again it has to exit with 0, with the same bytes and no other file beside them. The exit code
is 1 if once it does not. (`batch_trial.py` does the same to batches.)
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

LAST_SECONDS = 1.0
MESH = ["--preset", "draft", "--resolution", "64", "--set", "fit.steps=200", "--threads", "1", "--quiet"]
FIT = ["--set", "fit.steps=100", "--set", "field.width=64", "--threads", "1", "--quiet"]
RUN = ["--run", "run"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scan", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw, faults = random.Random(args.seed), 0
    scan, picture = str(args.scan.resolve()), str(args.picture.resolve())
    commands = {
        "recon mesh --run": ["mesh", scan, "-o", "mesh.ply", *RUN, *MESH],
        "recon mesh": ["mesh", scan, "-o", "mesh.ply", *MESH],
        "recon fit image": ["fit", "image", picture, "-o", "fit.png", "--derivatives", *FIT],
    }
    for name, words in commands.items():
        began = time.monotonic()
        wanted = results(args.out, words)
        took = time.monotonic() - began
        moments = [
            took - draw.uniform(0, LAST_SECONDS) if kill % 2 else draw.uniform(0, took)
            for kill in range(args.kills)
        ]
        wrong = [moment for moment in moments if results(args.out, words, moment) != wanted]
        faults += len(wrong)
        said = ", ".join(f"{moment:.2f} s" for moment in wrong) or "none"
        print(
            f"{name}: {took:.1f} s; killed {args.kills} times, another result of kills at: {said}", flush=True
        )
    return 1 if faults else 0


def results(out: Path, words: list[str], moment: float | None = None) -> dict[str, bytes] | int:
    """The files that a command leaves in the empty folder `out`, without its run folder, or its exit code."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    command = [sys.executable, "-m", "recon", *words]
    code = None
    if moment is not None:
        process = subprocess.Popen(command, cwd=out, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        process.kill()
        code = process.wait()
    if code != 0:  # else it has come to its end before the kill
        code = subprocess.run(command, cwd=out, check=False).returncode
    files = [path for path in out.rglob("*") if path.is_file() and path.parent.name != "run"]
    return code or {str(path.relative_to(out)): path.read_bytes() for path in files}


if __name__ == "__main__":
    sys.exit(main())

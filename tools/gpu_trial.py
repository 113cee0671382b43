"""Check a CUDA machine from nothing: does recon run there, is it right, how fast is it?

    python tools/gpu_trial.py --out DIR [--minutes 5] [--only parity,steps]
    python tools/gpu_trial.py --out DIR --device cpu --quick

The most important comes first: the machine, parity of GPU and CPU, the GPU tests of the suite, scans to
meshes end to end, steps of training, where a step's time goes, extraction, the finest preset, a batch, memory
checks. Every part runs in a process of its own with a limit of time; what fails says so in the table, and the
next part goes on. DIR gets trial.json and trial.md, written anew after every part, so that a trial that is
killed leaves what it had. --quick makes everything small, so that a machine without a GPU can run all of it
in some seconds.

recon is taken from this checkout; it needs not be installed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # before an installed recon
# The processes that parts run in are forked by one that starts from here, not from this sys.path.
PLACES = [str(ROOT), str(ROOT / "tools"), os.environ.get("PYTHONPATH")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, PLACES))

from trial.parts import PARTS  # noqa: E402
from trial.runner import run_parts  # noqa: E402


def main() -> None:
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--minutes", type=float, default=5.0, help="for all of it (default: 5)")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu (default: cuda)")
    parser.add_argument("--quick", action="store_true", help="everything small")
    names = [part.name for part in PARTS]
    parser.add_argument("--only", help=f"some of {','.join(names)}")
    args = parser.parse_args()
    wanted = args.only.split(",") if args.only else names
    if unknown := set(wanted) - set(names):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    parts = [part for part in PARTS if part.name in wanted]
    failed = run_parts(parts, args.out, args.device, args.quick, 60 * args.minutes)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

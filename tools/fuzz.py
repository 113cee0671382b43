"""Damaged scans, damaged run folders and odd command lines: each is dealt with, or refused in one line.

    python tools/fuzz.py [-n 20000] [--only files,runs,commands] [--seed 0] [-o FOLDER]

Cases run in a process whose memory is bounded, and which a case ends that takes more than `SECONDS` of CPU
time, or waits for `MOST_SECONDS`. Whatever is neither a result nor a ReconError is a finding: its case is
printed, what it read is kept in FOLDER, and the exit code is 1. A case is its kind, its number and the seed:
the same ones are the same again.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]
from fuzzing.good_files import make_good_files  # noqa: E402
from fuzzing.mutations import mutated  # noqa: E402

from recon.errors import ReconError, ScanError  # noqa: E402
from recon.scan.files import read_any  # noqa: E402

SECONDS, MOST_SECONDS = 10, 200  # of CPU time, however busy the machine is, and of all
MEMORY = 1 << 28  # bytes of address space that a case may take beyond what the program has
COMMAND_MEMORY = 1 << 32  # and a command, which loads libraries
MAX_LINE = 1000  # characters of an error


def files(folder: Path) -> Callable[[random.Random], None]:
    originals = {path: path.read_bytes() for path in make_good_files(folder / "good")}
    for path in originals:
        read_any(path)  # what is imported when it is needed takes memory, too
    contents = list(originals.values())

    def case(rng: random.Random) -> None:
        path = rng.choice(list(originals))
        damaged = folder / "case" / path.name
        shutil.rmtree(damaged.parent, ignore_errors=True)
        damaged.parent.mkdir()
        damaged.write_bytes(mutated(rng, originals[path], path.suffix, contents))
        try:
            read_any(damaged)
        except ScanError as error:
            line = str(error)
            assert "\n" not in line and path.name in line and len(line) < MAX_LINE, line

    return case


def runs(folder: Path) -> Callable[[random.Random], None]:
    from fuzzing.run_folders import damage, make_run, read

    good, damaged = folder / "good_run", folder / "case"
    make_run(good)
    read(good)

    def case(rng: random.Random) -> None:
        damage(rng, good, damaged)
        try:
            read(damaged)
        except ReconError as error:
            line = str(error)
            assert "\n" not in line and "case" in line and len(line) < MAX_LINE, line

    return case


def commands(folder: Path) -> Callable[[random.Random], None]:
    from fuzzing.command_lines import line, run

    originals = make_good_files(folder / "good")
    place = folder / "case"

    def case(rng: random.Random) -> None:
        shutil.rmtree(place, ignore_errors=True)
        (place / "made").mkdir(parents=True)
        words = line(rng, place, originals)
        print(" ".join(map(ascii, words)), flush=True)
        run(words, place)

    return case


KINDS = {"files": files, "runs": runs, "commands": commands}


def child(kind: str, seed: int, first: int, last: int, folder: Path) -> None:
    """Tries the cases from `first` to `last`; prints the number of each before it, and what it has raised."""
    case = KINDS[kind](folder)
    case(random.Random(0))
    used = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    most = used + (COMMAND_MEMORY if kind == "commands" else MEMORY)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    warnings.simplefilter("error")
    for number in range(first, last):
        print(f"case {number}", flush=True)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.alarm(MOST_SECONDS)
        try:
            case(random.Random(f"{kind} {seed} {number}"))
        except Exception as error:  # noqa: BLE001 that is what is searched for
            frames = traceback.extract_tb(error.__traceback__)[-4:]
            places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
            said = " ".join(f"{type(error).__name__}: {error}".split())
            print("finding", said[:300], places, flush=True)
            keep = folder / "findings" / f"{kind}_{number}"
            shutil.rmtree(keep, ignore_errors=True)
            keep.parent.mkdir(exist_ok=True)
            (folder / "case").rename(keep)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


def tried(kind: str, seed: int, count: int, folder: Path) -> list[str]:
    """What went wrong in `count` cases of a kind, a line each."""
    found, first = [], 0
    while first < count:
        command = [
            sys.executable,
            __file__,
            "--child",
            kind,
            str(first),
            "-n",
            str(count),
            "--seed",
            str(seed),
        ]
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / "good", ignore_errors=True)
        shutil.rmtree(folder / "good_run", ignore_errors=True)
        done = subprocess.run([*command, "-o", str(folder)], capture_output=True, text=True, check=False)
        number, words = first, ""
        for line in done.stdout.splitlines():
            if line.startswith("case "):
                number, words = int(line.split()[1]), ""
            elif line.startswith("finding "):
                found.append(f"{kind} {number}: {words} {line}")
            else:
                words = line
        if done.returncode == 0:
            return found
        over = done.returncode in (-signal.SIGALRM, -signal.SIGPROF)
        how = "the time limit" if over else f"code {done.returncode}"
        found.append(f"{kind} {number}: {words} ends in {how}: {done.stderr[-300:]}")
        first = number + 1
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-n", type=int, default=20_000, help="cases of all kinds (default: %(default)s)")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds, with commas (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", type=Path, help="keep damaged files there (default: a temporary folder)")
    parser.add_argument("--child", nargs=2, metavar=("KIND", "FIRST"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child[0], args.seed, int(args.child[1]), args.n, args.o)
        return 0
    kinds = args.only.split(",")
    folder = args.o or Path(tempfile.mkdtemp(prefix="recon-fuzz-"))
    share = -(-args.n // len(kinds))
    found = [line for kind in kinds for line in tried(kind, args.seed, share, folder / kind)]
    print(*found, f"{share * len(kinds):,} cases, {len(found)} findings", sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Whatever a file holds, it is read or refused in one line: soon, in little memory, without a crash."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recon.errors import ScanError
from recon.geometry import Mesh, PointCloud
from recon.scan.files import read_any

pytestmark = pytest.mark.slow

CASES = 80  # a file
SECONDS = 5  # a case, on a machine that is busy
MEMORY = 1 << 28  # bytes of address space a case may take beyond what the program has
NUMBER = re.compile(rb"(?<![\w.])-?\d[\d.]*(e-?\d+)?")
NUMBERS = [b"-1", b"0", b"1e999", b"nan", b"-inf", b"4294967295", b"2147483647", b"9" * 25, b"9" * 5000]
NUMBERS += [b"1e300", b"0x10", b"1_0", b"", b"1e5", b"\xb2", b"300000000"]
WHOLES = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1, 10**6, 3 * 10**8]

Mutation = Callable[[random.Random, bytes, bytes], bytes]  # of a file, with another one at hand


def _bytes(rng: random.Random, data: bytes, _: bytes) -> bytes:
    out = bytearray(data)
    reach = rng.choice([len(data), min(len(data), 400)])  # headers tell more lies
    for _ in range(rng.randint(1, 8)):
        out[rng.randrange(reach)] = rng.randrange(256)
    return bytes(out)


def _cut(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _gap(rng: random.Random, data: bytes, _: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 40) :]


def _repeated(rng: random.Random, data: bytes, _: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at : at + rng.randint(1, 300)] * rng.randint(2, 4) + data[at:]


def _spliced(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def _number(rng: random.Random, data: bytes, _: bytes) -> bytes:
    found = [match.span() for match in NUMBER.finditer(data[: rng.choice([500, len(data)])])]
    start, end = rng.choice(found or [(0, 0)])
    return data[:start] + rng.choice(NUMBERS) + data[end:]


def _whole(rng: random.Random, data: bytes, _: bytes) -> bytes:
    length = rng.choice([1, 2, 4, 8])
    at = rng.randrange(rng.choice([len(data), min(len(data), 400)]))
    value = rng.choice(WHOLES) % (1 << 8 * length)
    return data[:at] + value.to_bytes(length, rng.choice(["little", "big"])) + data[at + length :]


def _lines(rng: random.Random, data: bytes, _: bytes) -> bytes:
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


MUTATIONS: list[Mutation] = [
    _bytes,
    _bytes,
    _cut,
    _gap,
    _repeated,
    _spliced,
    _number,
    _number,
    _whole,
    _lines,
]


def run(folder: Path) -> None:
    """Read `CASES` mutations of every file in the folder; stop at the first one that goes wrong, which is
    left beside the folder."""
    import resource

    originals = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    for path in originals:
        read_any(path)  # what is imported when it is needed takes memory, too
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for path, data in originals.items():
        for seed in range(CASES):
            rng = random.Random(f"{path.name} {seed}")
            mutated = data
            for mutation in rng.choices(MUTATIONS, k=rng.choice([1, 1, 2, 3])):
                mutated = mutation(rng, mutated or b" ", originals[rng.choice(list(originals))])
            case = folder.parent / path.name
            case.write_bytes(mutated)
            print(f"{path.name} {seed}", flush=True)
            signal.alarm(SECONDS)
            try:
                content = read_any(case)
            except ScanError as error:
                line = str(error)
                assert "\n" not in line and path.name in line and len(line) < 1000, line
                assert "not fit into memory" not in line, line
            else:
                assert isinstance(content, PointCloud | Mesh)
            signal.alarm(0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory are Linux's")
def test_mutated_files_are_read_or_refused(good_files: list[Path]) -> None:
    command = [sys.executable, "-W", "error", __file__, str(good_files[0].parent)]
    done = subprocess.run(command, capture_output=True, text=True)
    cases = done.stdout.splitlines()
    assert done.returncode == 0, f"{cases[-1:]} ends in {done.returncode}: {done.stderr[-3000:]}"
    assert len(cases) == CASES * len(good_files) > 2000


if __name__ == "__main__":
    run(Path(sys.argv[1]))

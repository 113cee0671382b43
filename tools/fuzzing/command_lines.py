"""Command lines with odd values for any options; nothing is trained."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

from recon.cli.main import COMMANDS, build_parser, main
from recon.errors import FitError
from recon.pde import solve_inverse
from recon.training.trainer import _Run

ODD = [
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1",
    "1e308",
    "1e-308",
    "²",
    "1e14",
    "9" * 30,
    "2**63",
    "",
    "x",
    "true",
]
ODD += [
    "nan,nan,nan",
    "1,2",
    "0,0,0",
    "1e999,0,0",
    "-1s",
    "nans",
    "1h",
    "64x64",
    "-1x0",
    "local:0",
    "tls://a:1",
]
ODD += [
    "x" * 300,
    "a\nb",
    "\x1b[2J",
    "../..",
    "/dev/null",
    "/dev/zero",
    "9223372036854775808",
    "1_000",
    "0x10",
]
CODES = {0, 1, 2, 3}
SLOW = {"--gather", "--view", "--cluster", "--window", "-h", "--help"}  # open windows, wait for a network


def leaves(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple, list]]:
    """The words of each command and kind, and its actions."""
    subs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not subs:
        yield words, parser._actions
    for action in subs:
        for name, sub in action.choices.items():
            yield from leaves(sub, (*words, name))


def line(rng: random.Random, folder: Path, files: list[Path]) -> list[str]:
    """A command with up to four options of odd values; outputs are below `folder`."""
    words, actions = rng.choice(list(leaves(build_parser(COMMANDS))))
    found = list(words)
    for action in actions:
        if not action.option_strings:
            count = 1 if action.nargs is None or action.nargs == "?" else rng.randint(1, 2)
            found += [str(rng.choice([*files, folder, folder / "none.ply"])) for _ in range(count)]
    options = [a for a in actions if a.option_strings and not SLOW & set(a.option_strings)]
    for action in rng.sample(options, min(len(options), rng.randint(0, 4))):
        name = action.option_strings[-1]
        if action.nargs == 0:
            found.append(name)
        elif name in ("--output", "--run", "--tensorboard", "--screenshot", "--turntable"):
            found.append(f"{name}={folder / rng.choice(['out.ply', 'run', 'a' * 250 + '.png', 'b.mp4'])}")
        else:
            values = [*ODD, *(list(action.choices) if action.choices else [])]
            found.append(f"{name}={rng.choice(values)}")
    if "--output" not in " ".join(found) and any("--output" in a.option_strings for a in actions):
        found.append(f"--output={folder / 'made' / rng.choice(['m.ply', 'p.png', 's.wav', 'r'])}")
    return found


def run(words: list[str], folder: Path) -> None:
    """Runs the command in `folder`. Raises AssertionError if it is not done or refused in one short line."""

    def untrained(*_: object) -> None:
        raise FitError("nothing is trained here")

    before, loop, cells = Path.cwd(), _Run.loop, solve_inverse.RECORDING_CELLS
    _Run.loop = untrained  # type: ignore
    solve_inverse.RECORDING_CELLS = 50
    os.chdir(folder)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            try:
                code = main(words)
            except SystemExit as end:
                code = int(end.code or 0)
    finally:
        os.chdir(before)
        _Run.loop = loop  # type: ignore[method-assign]
        solve_inverse.RECORDING_CELLS = cells
    last = said.getvalue().splitlines()[-1:] or [""]
    assert code in CODES, (code, last)
    assert code in (0, 3) or (last[0].startswith("recon: error: ") and len(last[0]) < 1200), last

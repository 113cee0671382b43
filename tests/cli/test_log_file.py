"""What `--log` keeps of a command, and that it is no way to write over anything."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from folder_scans import OPTIONS, table
from shapes import sphere

from recon.cli.main import main

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} (INFO|WARNING|ERROR) +(.*)")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("ball.npy", table(sphere(300)))


def lines() -> list[tuple[str, str]]:
    found = [LINE.fullmatch(line) for line in Path("log.txt").read_text(encoding="utf-8").splitlines()]
    assert all(found)
    return [(match[1], match[2]) for match in found if match]


@pytest.mark.slow
def test_all_that_is_told_is_kept_with_its_time_also_of_a_quiet_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["mesh", "ball.npy", "-o", "m.ply", *OPTIONS, "--log", "log.txt"]
    assert main(command) == 0
    said = capsys.readouterr().err.splitlines()
    assert said and not any("\r" in line or "|" in line for line in said)  # no bar where no terminal is
    kept = [text for _, text in lines()]
    assert kept[0].startswith("recon ") and kept[1].startswith("recon mesh ball.npy -o m.ply")
    assert kept[2:-1] == [line.removeprefix("recon: ") for line in said] and kept[-1] == "done"
    assert main([*command, "--overwrite", "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    again = [text for _, text in lines()][len(kept) :]
    assert [text.split(" after")[0] for text in again if ": done" in text] == [
        text.split(" after")[0] for text in kept if ": done" in text
    ]


def test_errors_are_kept_too_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "no\nsuch.ply", "--log", "log.txt"]) == 1
    assert lines()[-1][0] == "ERROR" and "no\\nsuch.ply" in lines()[-1][1]
    assert "there is no file" in capsys.readouterr().err


def test_it_is_no_way_to_write_over_an_input_or_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    before = Path("ball.npy").read_bytes()
    assert main(["info", "ball.npy", "--log", "ball.npy"]) == 2
    assert "is an input" in capsys.readouterr().err and Path("ball.npy").read_bytes() == before
    assert main(["info", "ball.npy", "--log", "."]) == 1
    assert "cannot write .: Is a directory" in capsys.readouterr().err

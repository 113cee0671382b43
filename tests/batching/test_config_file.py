"""Options from a file, by pattern, and from the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import recon
from recon.batching.config_file import settings_from
from recon.errors import UsageError

FILE = """
preset: draft            # for all
faces: 50000
resolution: 200
sensor: [1, 2.5, 3]
set:
  fit.steps: 300
  scan.open: true
patterns:
  "rooms/*":
    trim: off            # a word, not a truth value
    cell: 0.5
  "*.las":
    preset: fine
    set: {fit.steps: 400}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "batch.yaml"
    path.write_text(FILE)
    return path


def test_later_rules_win_over_earlier_ones(file: Path) -> None:
    settings = settings_from(file, {"*": {"faces": 9000, "seed": None}})
    plain, room, las = (settings.of(name) for name in ("a.ply", "rooms/a.ply", "rooms/b.las"))
    assert (plain.fit.steps, plain.mesh.resolution, plain.mesh.trim) == (300, 200, "auto")
    assert plain.scan.sensor == (1, 2.5, 3) and plain.scan.open is True
    assert (room.mesh.trim, room.mesh.cell, room.mesh.resolution) == ("off", 0.5, None)
    assert (las.heads.sparse_width, las.fit.steps, las.mesh.cell) == (192, 400, 0.5)
    assert {config.mesh.faces for config in (plain, room, las)} == {9000}


def test_a_config_is_the_start_of_what_patterns_change() -> None:
    base = recon.PRESETS["fine"].with_(mesh={"faces": 77})
    settings = settings_from(base, {"a*": {"faces": 88}, "*.ply": {"preset": "draft"}})
    assert settings.of("b.npy") == base
    assert settings.of("a.npy") == base.with_(mesh={"faces": 88})
    assert settings.of("a.ply") == recon.PRESETS["draft"].with_(mesh={"faces": 88})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("presset: draft", "no option is called 'presset'"),
        ("preset: rough", "invalid choice: 'rough'"),
        ("faces: many", "'many' is not a whole number"),
        ("run: here", "no option is called 'run'"),
        ("- draft", "option: value"),
        ("patterns: [a]", "option: value"),
        ("set: 3", "option: value"),
        ("a: [", "no YAML file"),
        ("set: {fit.speed: 3}", "fit.speed"),
        ("faces: [[1]]", "expected one value"),
        ("set: {fit.steps: {a: 1}}", "expected one value"),
        ("a: " + "[" * 3000 + "]" * 3000, "deeper than any setting"),
        ("a: &a [x, x]\nb: &b [*a, *a]\n", "aliases"),
        ("trim: nan\nsensor: nan,nan,nan", "not a point"),
        ("a: " + "x" * 2**20, "at most"),
        ("set: {fit.steps: !!python/object/apply:os.getcwd []}", "fit.steps"),
    ],
)
def test_what_makes_no_sense_is_one_line(content: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "batch.yaml"
    path.write_text(content)
    with pytest.raises(UsageError, match=words) as error:
        settings_from(path, {}).of("a.ply")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "zeros"])
def test_what_is_no_text_is_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "batch.yaml"
    make = {"pipe": os.mkfifo, "device": lambda path: path.symlink_to("/dev/zero"), "folder": Path.mkdir}
    make.get(kind, lambda path: path.write_bytes(bytes(100)))(path)
    with pytest.raises(UsageError, match=r"not a regular file|no YAML file"):
        settings_from(path, {})


def test_an_override_of_no_option_is_refused() -> None:
    with pytest.raises(UsageError, match="'steps'"):
        settings_from(recon.Config(), {"*": {"steps": 3}}).of("a.ply")

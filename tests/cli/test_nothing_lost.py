"""No file that recon did not make is replaced, no work is lost: whoever is killed, or works beside it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from folder_scans import OPTIONS, table
from PIL import Image
from shapes import sphere

from recon.base import runs
from recon.base.lock import locked
from recon.base.runs import held_run, lock_path
from recon.cli.main import main

FIT = ["--set=fit.steps=5", "--set=field.width=16", "--set=heads.tile=0", "--threads=1"]
PRECIOUS = ("scan.npz", "history.csv", "result.json", "notes.txt")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: a scan, a picture, a folder of pictures, a folder of precious files."""
    monkeypatch.chdir(tmp_path)
    np.save("ball.npy", table(sphere(300)))
    Path("pictures").mkdir()
    for name in ("a.png", "pictures/b.png", "pictures/c.png", "pictures/d.png"):
        Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(name)
    soundfile.write("a.wav", np.sin(np.arange(2000) / 9), 8000)
    Image.open("a.png").save("a.gif", save_all=True, append_images=[Image.open("pictures/b.png")])
    Path("precious").mkdir()
    for name in PRECIOUS:
        Path("precious", name).write_text(f"precious {name}")
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) in (1, 2)
    said = capsys.readouterr().err
    assert said.startswith("recon: error: ") and said.count("\n") == 1, said
    return said


@pytest.mark.parametrize(
    "command",
    [
        "mesh ball.npy -o m.ply --run precious",
        "mesh ball.npy -o m.ply --overwrite --run precious",
        "fit image a.png -o b.png --run precious",
        "learn images pictures -o precious",
        "solve helmholtz -o precious",
        "solve helmholtz -o precious --overwrite",
        "mesh ball.npy -o m.ply --run a.png",
    ],
)
def test_a_run_goes_into_a_new_or_empty_folder_or_a_runs_own(
    command: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(place)
    said = refusal(capsys, *command.split())
    assert "holds files that are not of a run, as history.csv" in said or "cannot use the run folder" in said
    assert files(place) == before


@pytest.mark.parametrize(
    "command",
    [
        "mesh ball.npy -o ball.ply",
        "mesh ball.npy ball.ply -o link.ply",
        "fit image a.png -o ./a.png",
        "fit inpaint pictures/b.png --mask a.png -o a.png",
        "complete run a.png -o a.png",
        "query run ball.npy -o ball.npy",
        "view a.png ball.npy --screenshot a.png",
    ],
)
def test_an_input_is_never_an_output(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "ball.ply").hardlink_to(place / "ball.npy")
    (place / "link.ply").symlink_to("ball.ply")
    before = files(place)
    assert "is an input: write to another file" in refusal(capsys, *command.split(), "--overwrite")
    assert files(place) == before


@pytest.mark.parametrize("kind", ["symbolic link", "hard link", "pipe", "folder"])
def test_a_lock_follows_nothing_that_lies_in_its_place(
    kind: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = place / "precious" / "notes.txt"
    make: dict[str, Callable[[Path], object]] = {
        "symbolic link": lambda path: path.symlink_to(victim),
        "hard link": lambda path: path.hardlink_to(victim),
        "pipe": os.mkfifo,
        "folder": Path.mkdir,
    }
    out = place / "m.ply"
    (place / "empty").mkdir()
    for lock in (lock_path(out), place / "empty" / runs.LOCK_FILE):
        make[kind](lock)
    for words in ("-o m.ply", "-o n.ply --run empty"):
        assert "recon-lock" in refusal(capsys, "mesh", "ball.npy", *words.split())
    assert victim.read_text() == "precious notes.txt"


def test_the_folder_of_an_unnamed_run_is_no_link(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / ".m.ply.recon-run").symlink_to("precious")
    before = files(place)
    assert "is a link" in refusal(capsys, "mesh", "ball.npy", "-o", "m.ply")
    assert files(place) == before


def test_two_commands_do_not_make_one_result(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second says who is at work, and touches nothing."""
    live = place / ".m.ply.recon-run"
    live.mkdir()
    for command in ("mesh ball.npy -o m.ply", "fit image a.png -o m.png"):
        with locked(lock_path(place / command.split()[-1]), "it"):
            assert f"is in use by process {os.getpid()} on" in refusal(capsys, *command.split())
    with held_run(place / "run"):
        for command in ("mesh ball.npy -o m.ply --run run", "fit image a.png -o b.png --run run"):
            assert "run is in use by process" in refusal(capsys, *command.split())
    assert live.exists() and not (place / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "results"),
    [
        (["mesh", "ball.npy", "-o", "m.ply", *OPTIONS], ["m.ply"]),
        (["fit", "image", "a.png", "-o", "m.png", "--derivatives", *FIT], ["m.png", "m.derivatives.png"]),
        (["fit", "inpaint", "a.png", "--keep", "0.5", "-o", "m.png", *FIT], ["m.png"]),
        (["fit", "audio", "a.wav", "-o", "m.wav", "--spectrogram", *FIT], ["m.wav", "m.spectrogram.png"]),
        (["fit", "video", "a.gif", "-o", "m.gif", *FIT], ["m.gif"]),
    ],
    ids=lambda given: " ".join(given[:2]),
)
def test_killed_after_its_result_was_written_a_command_goes_on(
    command: list[str],
    results: list[str],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever was still there: all of the run, or a part of it, as in the middle of its removal."""
    run = place / f".{results[0]}.recon-run"

    def killed() -> dict[str, bytes]:
        with monkeypatch.context() as patch:
            patch.setattr(runs, "remove_run", lambda folder: None)
            assert main([*command, "--quiet"]) == 0, capsys.readouterr().err
        return {name: (place / name).read_bytes() for name in results}

    whole = killed()
    (run / ".checkpoint.0123abcd.pt").write_text("a half")
    (place / results[0].replace("m", ".m.0123abcd")).write_text("a half")
    (run / "result.json").unlink()
    for gone in ("", "checkpoint.pt", "scan.npz", *results[1:]):
        ((place if gone in results else run) / gone).unlink(missing_ok=True) if gone else None
        assert killed() == whole
        assert not list(run.glob(".*")) and not list(place.glob(".m.0*"))
    for name in results:
        (place / name).write_text("precious")  # meanwhile somebody else's
        assert f"{name} exists" in refusal(capsys, *command)
        assert (place / name).read_text() == "precious"
        (place / name).write_bytes(whole[name])


@pytest.mark.slow
def test_names_that_are_not_utf8_or_hostile_are_escaped(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (os.fsdecode(b"a\xff\x1b[2J.npy"), "a\n\x9b31m\u202e.npy"):
        (place / name).write_bytes((place / "ball.npy").read_bytes()[:-9])
        said = refusal(capsys, "mesh", name, "-o", "m.ply")
        assert said.rstrip("\n").isprintable() and "cut short" in said
        (place / name).write_bytes((place / "ball.npy").read_bytes())
        assert main(["mesh", name, "-o", f"{name}.ply", "--json", *OPTIONS, "--quiet"]) == 0
        assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())
        assert (place / f"{name}.ply").exists()
    assert len(refusal(capsys, "mesh", "x" * 3000, "-o", "m.ply")) < 1100


@pytest.mark.parametrize(
    "command",
    [
        "mesh {} -o m.ply",
        "info {}",
        "eval {} ball.npy",
        "query {} ball.npy",
        "query run {}",
        "report {}",
        "batch {} out",
        "view {} --screenshot p.png",
        "fit image {} -o p.png",
        "fit audio {} -o a.wav",
        "fit inpaint a.png --mask {} -o p.png",
        "solve inverse --data {} -o s",
        "solve helmholtz --medium {}.npy -o s",
        "learn images {} -o s",
        "complete {} a.png",
    ],
)
def test_a_name_too_long_for_a_file_is_one_line(
    command: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal(capsys, *(word.format("x" * 300) for word in command.split()))

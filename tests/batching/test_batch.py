"""A batch that nobody disturbs, and what it does when it is given again."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from folder_scans import BAD, GOOD, OPTIONS, TINY, Done, table, tree
from schemas import printed
from shapes import sphere

import recon
from recon.cli.main import main
from recon.meshing.files import read_mesh


@pytest.mark.slow
def test_good_scans_become_meshes_and_bad_ones_are_named(done: Done) -> None:
    assert {name: result.state for name, result in done.results.items()} == {
        **dict.fromkeys(GOOD, "done"),
        **dict.fromkeys(BAD, "failed"),
    }
    for name, words in BAD.items():
        error = done.results[name].error
        assert error is not None and words in error and "\n" not in error


@pytest.mark.slow
def test_the_tree_is_kept_and_holds_nothing_else(done: Done) -> None:
    mesh = {name: Path(name).with_suffix(".ply").as_posix() for name in (*GOOD, *BAD)}
    expected = {f"{mesh[name]}{ending}" for name in GOOD for ending in ("", ".json", ".png")}
    expected |= {f"{mesh[name]}.json" for name in BAD}
    assert set(tree(done.out)) == expected
    top = {path.name for path in done.out.iterdir() if path.is_file()} - expected
    assert top == {"index.html", "summary.csv", "summary.json"}


@pytest.mark.slow
def test_a_mesh_is_the_one_of_recon_mesh(done: Done, tmp_path: Path) -> None:
    alone = tmp_path / "ball.ply"
    assert main(["mesh", str(done.scans / "parts/ball.xyz"), "-o", str(alone), "--quiet", *OPTIONS]) == 0
    assert (done.out / "parts" / "ball.ply").read_bytes() == alone.read_bytes()


@pytest.mark.slow
def test_a_manifest_says_what_was_done(done: Done) -> None:
    manifest = json.loads((done.out / "ball.ply.json").read_text())
    config = recon.Config.from_dict(manifest["config"])
    assert (config.fit.steps, config.mesh.resolution, config.mesh.trim) == (150, 32, "off")
    assert manifest["input"]["bytes"] == (done.scans / "ball.npy").stat().st_size
    assert manifest["mesh"]["bytes"] == (done.out / "ball.ply").stat().st_size
    assert manifest["recon"] == recon.__version__
    mesh = read_mesh(done.out / "ball.ply")
    assert manifest["result"]["faces"] == len(mesh.faces)
    radius = np.linalg.norm(mesh.vertices, axis=1)
    assert abs(radius - 1).max() < 0.2
    assert manifest["result"]["scan_to_mesh"]["mean"] < 0.05


@pytest.mark.slow
def test_the_summary_holds_every_scan(done: Done) -> None:
    with (done.out / "summary.csv").open(newline="") as file:
        rows = {row["scan"]: row for row in csv.DictReader(file)}
    assert list(rows) == sorted([*GOOD, *BAD])
    assert rows["parts/egg.csv"]["mesh"] == "parts/egg.ply" and rows["two.xyz"]["mesh"] == ""
    summary = json.loads((done.out / "summary.json").read_text())
    assert (summary["done"], summary["failed"], summary["unfinished"]) == (4, 4, 0)
    assert {row["scan"]: str(row["faces"] or "") for row in summary["scans"]} == {
        name: row["faces"] for name, row in rows.items()
    }


@pytest.mark.slow
def test_given_again_it_does_what_is_left_and_what_changed(
    done: Done, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One scan is another now, one has other settings, one mesh is cut short, one that failed is sound, and
    one is as it was; only the last one's mesh stays the file it is."""
    again = done.copy(tmp_path)
    np.save(again.scans / "ball.npy", table(sphere(500, seed=5)))
    np.savetxt(again.scans / "two.xyz", table(sphere(400, seed=6)))
    (again.scans / "parts" / "nan.xyz").unlink()
    egg = again.out / "parts" / "egg.ply"
    whole = egg.read_bytes()
    egg.write_bytes(whole[:-100])
    config = tmp_path / "batch.yaml"
    config.write_text("patterns:\n  parts/*.xyz:\n    faces: 300\n  parts/letter*: {normals: none}\n")
    before = {path: path.stat().st_mtime_ns for path in again.out.rglob("*.ply")}
    command = ["batch", str(again.scans), str(again.out), "--config", str(config), "--jobs", "2", "--json"]
    assert main([*command, *OPTIONS]) == 3
    shown = capsys.readouterr()
    states = {row["scan"]: row["state"] for row in printed("batch", shown.out)["scans"]}
    assert states.pop("ring.npy") == "done before"
    changed = {name for name, state in states.items() if state == "done"}
    assert changed == {"ball.npy", "parts/ball.xyz", "parts/egg.csv", "two.xyz"}
    failed = {name for name, state in states.items() if state == "failed"}
    assert failed == set(BAD) - {"two.xyz", "parts/nan.xyz"}
    after = {path: path.stat().st_mtime_ns for path in again.out.rglob("*.ply")}
    assert [path.name for path in before if before[path] == after[path]] == ["ring.ply"]
    assert egg.read_bytes() == whole
    assert len(read_mesh(again.out / "parts" / "ball.ply").faces) <= 300
    assert (again.out / "ball.ply").read_bytes() != (done.out / "ball.ply").read_bytes()
    line = next(line for line in shown.err.splitlines() if line.startswith("ring.npy"))
    assert line.endswith("done before") and " 700 " in line


@pytest.mark.slow
def test_a_file_that_no_batch_made_is_not_overwritten(done: Done, tmp_path: Path) -> None:
    """Nor on the second attempt; --overwrite says that it may be."""
    (tmp_path / "scans").mkdir()
    (tmp_path / "out").mkdir()
    np.save(tmp_path / "scans" / "ball.npy", table(sphere(500)))
    mine = tmp_path / "out" / "ball.ply"
    mine.write_text("precious")
    for _ in range(2):
        [result] = recon.batch(tmp_path / "scans", tmp_path / "out", overrides={"*": TINY})
        assert result.state == "failed" and "no batch has made it" in str(result.error)
        assert mine.read_text() == "precious"
    [result] = recon.batch(tmp_path / "scans", tmp_path / "out", overrides={"*": TINY}, overwrite=True)
    assert result.state == "done"
    assert mine.read_bytes() == (done.out / "ball.ply").read_bytes()


@pytest.mark.slow
def test_a_kept_run_is_redone_with_its_scan(done: Done, tmp_path: Path) -> None:
    """One that somebody else has made is left alone."""
    ring = ["--pattern", "ring.npy", "--quiet", *OPTIONS]
    command = ["batch", str(done.scans), str(tmp_path / "out"), "--run", str(tmp_path / "runs"), *ring]
    run = tmp_path / "runs" / "ring.ply"
    assert main(command) == 0
    assert main([*command, "--set", "fit.steps=100"]) == 0
    assert recon.load(run).config.fit.steps == 100
    assert [file.name for file in (tmp_path / "out").iterdir() if file.name[0] == "."] == []
    shutil.rmtree(run)
    mesh = ["mesh", str(done.scans / "ring.npy"), "-o", str(tmp_path / "mine.ply"), *OPTIONS]
    assert main([*mesh, "--run", str(run), "--quiet"]) == 0
    assert main([*command, "--set", "fit.steps=120"]) == 3
    assert recon.load(run).config.fit.steps == 150


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{tmp}/none", "{tmp}/out"], 1, "no folder"),
        (["{tmp}/in/a.npy", "{tmp}/out"], 1, "is a file"),
        (["{tmp}/in", "{tmp}/in"], 2, "another folder"),
        (["{tmp}/in/deep", "{tmp}/in"], 2, "another folder"),
        (["{tmp}/in", "{tmp}/out", "--pattern", "*.las"], 1, "matches '*.las'"),
        (["{tmp}/in/deep", "{tmp}/out"], 1, "holds no scan"),
        (["{tmp}/in", "{tmp}/out", "--jobs", "0"], 2, "whole number from 1"),
        (["{tmp}/in", "{tmp}/out", "--time-limit", "0"], 2, "time_limit is 0"),
        (["{tmp}/in", "{tmp}/out", "--time-limit", "nan"], 2, "not a time"),
        (["{tmp}/in", "{tmp}/out", "--device", "tpu"], 2, "tpu"),
        (["{tmp}/in", "{tmp}/out", "--preview", "5s"], 2, "run folder"),
        (["{tmp}/in", "{tmp}/out", "--set", "fit.speed=9"], 2, "fit.speed"),
        (["{tmp}/in", "{tmp}/out", "--config", "{tmp}/none.yaml"], 2, "none.yaml"),
        (["{tmp}/in", "{tmp}/in/a.npy/out"], 1, "cannot make"),
    ],
)
def test_a_users_mistake_is_one_line_and_writes_nothing(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.npy").write_bytes(b"")
    assert main(["batch", *(argument.format(tmp=tmp_path) for argument in arguments)]) == code
    shown = capsys.readouterr()
    assert shown.err.startswith("recon: error: ") and shown.err.count("\n") == 1 and words in shown.err
    assert {path.name for path in tmp_path.rglob("*")} == {"in", "deep", "a.npy"}


def test_files_that_do_not_start_like_scans_cost_no_process(tmp_path: Path) -> None:
    """A process is refused to a test like this one."""
    scans, contents = tmp_path / "scans", {"empty.ply": b"", "letter.ply": b"Dear", "text.las": b"1 2 3\n"}
    scans.mkdir()
    for name, content in contents.items():
        (scans / name).write_bytes(content)
    os.mkfifo(scans / "pipe.ply")
    (scans / "nowhere.xyz").symlink_to("gone")
    results = {result.scan: result for result in recon.batch(scans, tmp_path / "out", jobs=1)}
    assert {result.state for result in results.values()} == {"failed"} and len(results) == 5
    assert all(name in str(result.error) for name, result in results.items())
    assert str(scans) not in (tmp_path / "out" / "empty.ply.json").read_text()  # the same on every machine

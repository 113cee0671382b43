"""The command line, as a user and as a script see it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from schemas import printed
from waiting import PATIENCE

import recon
from recon.cli.main import main
from recon.training.checkpoint import load_snapshot

SMALL = ["--set", "field.width=48", "--set", "fit.steps=300", "--set", "surface.prior_samples=20000"]
SMALL += ["--set", "surface.on_surface=400", "--set", "surface.off_surface=150"]
SMALL += ["--resolution", "64", "--threads", "1"]


@pytest.mark.slow
def test_mesh_info_eval_and_query_work_together(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, out, run = data / "coupling.ply", tmp_path / "coupling.obj", tmp_path / "run"
    enough = [*SMALL, "--set", "fit.steps=1000"]  # to be watertight whatever the rounding
    assert main(["mesh", str(scan), "-o", str(out), "--run", str(run), "--json", *enough]) == 0
    shown = capsys.readouterr()
    summary = printed("mesh", shown.out)
    assert summary["watertight"] and summary["faces"] > 1000
    assert summary["scan_to_mesh"]["mean"] < 0.01 * summary["diagonal"]
    assert 0 < summary["volume"] < summary["area"] ** 1.5 and summary["holes"] == []
    assert f"size    area {summary['area']:.6g}, volume {summary['volume']:.6g}" in shown.err
    assert f"{summary['faces']:,} faces, watertight" in shown.err

    assert main(["info", str(out), "--json"]) == 0
    assert printed("info", capsys.readouterr().out)["faces"] == summary["faces"]

    assert main(["eval", str(out), str(data / "coupling_reference.ply"), "--samples", "5000", "--json"]) == 0
    assert printed("eval", capsys.readouterr().out)["distance"]["both"]["mean"] < 50

    assert main(["query", str(run), str(out), "-o", str(tmp_path / "q.csv"), "--json"]) == 0
    assert printed("query", capsys.readouterr().out)["output"] == str(tmp_path / "q.csv")
    table = np.loadtxt(tmp_path / "q.csv", delimiter=",", skiprows=1)
    assert np.abs(table[:, 3]).mean() < 0.01 * summary["diagonal"]  # the mesh's own points
    np.savetxt(tmp_path / "few.xyz", table[:50, :3])
    assert main(["query", str(run), str(tmp_path / "few.xyz"), "--json"]) == 0
    assert printed("query", capsys.readouterr().out)["distance"] == pytest.approx(table[:50, 3], abs=1e-6)


@pytest.mark.slow
def test_meshes_for_printing_are_moved_and_hollow(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From one field, each closed; what is said of the scan is said of the surface that it shows."""
    scan, run, found = str(data / "kitten.ply"), str(tmp_path / "run"), {}
    for name, more in {
        "plain": [],
        "larger": ["--offset", "0.02"],
        "smaller": ["--offset=-0.02"],
        "hollow": ["--hollow", "0.02", "--faces", "8000"],
    }.items():
        out = ["-o", str(tmp_path / f"{name}.3mf"), "--run", run, "--unit", "in", "--json", "--quiet"]
        assert main(["mesh", scan, *out, *SMALL, *more]) == 0
        found[name] = printed("mesh", capsys.readouterr().out)
    volume = {name: summary["volume"] for name, summary in found.items()}
    area = found["plain"]["area"]
    assert all(summary["watertight"] and summary["state"] == "sound" for summary in found.values())
    assert len({summary["scan_to_mesh"]["mean"] for summary in found.values()}) == 1
    assert volume["larger"] - volume["plain"] == pytest.approx(0.02 * area, rel=0.15)
    assert volume["plain"] - volume["smaller"] == pytest.approx(0.02 * area, rel=0.15)
    assert volume["hollow"] == pytest.approx(volume["plain"] - volume["smaller"], rel=0.02)
    assert found["hollow"]["components"] == 2 and found["hollow"]["faces"] <= 8000
    hollow = recon.read_mesh(tmp_path / "hollow.3mf")
    assert len(hollow.faces) == found["hollow"]["faces"] and hollow.unit == "inch"


@pytest.mark.slow
def test_a_light_mesh_is_written_with_its_texture(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, run = tmp_path / "light.obj", str(tmp_path / "run")
    asked = ["mesh", str(data / "kitten.ply"), "-o", str(out), "--run", run, *SMALL, "--faces", "1000"]
    assert main([*asked, "--texture", "256", "--json", "--quiet"]) == 0
    summary = printed("mesh", capsys.readouterr().out)
    assert max(summary["texture"]) == 256 and summary["faces"] == 1000 and summary["watertight"]
    assert {path.name for path in tmp_path.iterdir()} == {"light.mtl", "light.normal.png", "light.obj", "run"}
    out.unlink()
    assert main([*asked, "--texture", "128"]) == 1
    assert "light.mtl exists" in capsys.readouterr().err
    assert main([*asked, "--texture", "128", "--overwrite"]) == 0
    assert "with a texture of" in capsys.readouterr().err
    assert main([*asked, "--texture", "128", "--overwrite", "--blocks", "2"]) == 2
    assert "a scene in blocks has no texture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--texture", "256"], 2, ".ply holds no texture"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/there.ply"], 1, "there.ply exists"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.step"], 2, ".step"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/none/m.ply"], 1, "no folder"),
        (["mesh", "{tmp}/missing.ply", "-o", "{tmp}/m.ply"], 1, "missing.ply"),
        (["mesh", "{data}/README.md", "-o", "{tmp}/m.ply"], 1, "README.md"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--device", "tpu"], 2, "tpu"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--device", "cuda:99"], 2, "cuda:99"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--resolution", "1"], 2, "mesh.resolution is 1"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--set", "fit.speed=9"], 2, "fit.speed"),
        (
            ["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--set", "fit.steps=many"],
            2,
            "'many' is not a whole number",
        ),
        (
            ["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--set", "surface.prior=much"],
            2,
            "'much' is not a number",
        ),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--set", "scan.sensor=1,2"], 2, "not a point X,Y,Z"),
        (
            ["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--set", "mesh.resolution=9.5"],
            2,
            "not a whole number",
        ),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--parts", "few"], 2, "few"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--seed", "-1"], 2, "seed is -1"),
        (["mesh", "{data}/oni.ply", "--time", "soon"], 2, "--time: 'soon' is not a time: 90, 90s, 2m or 1h"),
        (["mesh", "{data}/oni.ply", "--normals", "good"], 2, "--normals: invalid choice: 'good'"),
        (["mesh", "{data}/oni.ply", "--resolution", "64", "--cell", "1"], 2, "not allowed with"),
        (["mesh"], 2, "SCAN (recon mesh --help says more)"),
        (["mash"], 2, "'mash'"),
        (["fit"], 2, "MODE (recon fit --help says more)"),
        (["info", "{data}/oni.ply", "--seed", "3"], 2, "--seed"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--threads", "0"], 2, "from 1 to 1,024"),
        (["info", "{data}/oni.ply", "--threads", "100000"], 2, "from 1 to 1,024"),
        (["info", "{data}/oni.ply", "--threads", "²"], 2, "from 1 to 1,024"),
        (["mesh", "{data}/oni.ply", "--seed", str(2**63)], 2, "seed is"),
        (["mesh", "{data}/oni.ply", "--sensor", "nan,nan,nan"], 2, "not a point X,Y,Z"),
        (["mesh", "{data}/oni.ply", "--cell", "nan"], 2, "not a number"),
        (["mesh", "{data}/oni.ply", "--hollow", "-1"], 2, "mesh.hollow is -1"),
        (["eval", "{tmp}/there.ply", "{data}/oni.ply", "--seed", "-1"], 2, "whole number from 0"),
        (["eval", "{tmp}/there.ply", "{data}/oni.ply", "--samples", "100000000000000"], 2, "from 1 to"),
        (["view", "{data}/oni.ply", "--screenshot", "{tmp}/a.png", "--size", "1x99999"], 2, "not a size"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/" + "x" * 252 + ".ply"], 1, "File name too long"),
        (["info", "{tmp}/" + "x" * 300], 1, "File name too long"),
        (["mesh", "{data}/oni.ply", "-o", "{tmp}/m.ply", "--preview", "5s"], 2, "--run"),
        (["mesh", "{data}/oni.ply", "{data}/kitten.ply"], 2, "-o MESH"),
        (["info", "{tmp}"], 1, "folder"),
        (["eval", "{tmp}/missing.ply", "{data}/oni.ply"], 1, "missing.ply"),
        (["query", "{tmp}", "{data}/oni.ply"], 1, "run folder"),
    ],
)
def test_a_users_mistake_is_one_line_and_writes_nothing(
    arguments: list[str],
    code: int,
    words: str,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "there.ply").write_text("precious")
    assert main([a.format(data=data, tmp=tmp_path) for a in arguments]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("recon: error: ") and shown.err.count("\n") == 1
    assert words in shown.err
    assert [path.name for path in tmp_path.iterdir()] == ["there.ply"]
    assert (tmp_path / "there.ply").read_text() == "precious"


@pytest.mark.slow
def test_a_budget_in_seconds_is_kept(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "m.ply"
    assert main(["mesh", str(data / "oni.ply"), "-o", str(out), "--time", "1s", "--json", *SMALL]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["steps"] > 0 and summary["steps"] % 50 == 0
    assert summary["seconds"]["train"] >= 1


# A program that is the command line, but after its first checkpoint it trains on for a while, and then waits.
HELD = """
import signal, sys
from recon.cli.main import main
from recon.training.checkpoint import Checkpoint
save = Checkpoint.__call__

def hold(checkpoint, progress):
    if progress.is_last or progress.snapshot.step < 150:
        save(checkpoint, progress)
    else:
        print("held", "torch._dynamo" in sys.modules, flush=True)
        signal.pause()

Checkpoint.__call__ = hold
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The mesh of a command that was left alone."""
    out = tmp_path_factory.mktemp("undisturbed") / "whole.ply"
    assert main(["mesh", str(data / "oni.ply"), "-o", str(out), "--quiet", *SMALL]) == 0
    return out.read_bytes()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_file(undisturbed: bytes, data: Path, tmp_path: Path) -> None:
    def made(seed: int) -> bytes:
        out = tmp_path / f"{seed}.ply"
        assert main(["mesh", str(data / "oni.ply"), "-o", str(out), "--seed", str(seed), *SMALL]) == 0
        return out.read_bytes()

    assert made(recon.PRESETS["standard"].seed) == undisturbed
    assert made(4) != undisturbed


@pytest.mark.slow
@pytest.mark.parametrize(("blow", "named"), [(signal.SIGINT, True), (signal.SIGKILL, False)])
def test_a_stopped_command_goes_on_to_the_same_mesh(
    blow: signal.Signals, named: bool, undisturbed: bytes, data: Path, tmp_path: Path
) -> None:
    """With --run and without: stopped or killed after a checkpoint, the same command again ends as
    the one that was left alone, and only a folder that --run names is left."""
    out = tmp_path / "stopped.ply"
    run = tmp_path / ("stopped" if named else ".stopped.ply.recon-run")
    command = ["mesh", str(data / "oni.ply"), "-o", str(out), *SMALL, *(["--run", str(run)] if named else [])]
    stopped = subprocess.Popen(
        [sys.executable, "-c", HELD, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert stopped.stdout
    held = stopped.stdout.readline()
    stopped.send_signal(blow)
    _, said = stopped.communicate(timeout=PATIENCE)
    assert held == "held False\n", said  # PyTorch's compiler, which takes long to load, is not there
    assert stopped.returncode == (130 if blow == signal.SIGINT else -signal.SIGKILL)
    assert not out.exists()
    if blow == signal.SIGINT:
        assert "goes on from there" in said and "Traceback" not in said
    assert load_snapshot(run / "checkpoint.pt").step == (150 if blow == signal.SIGINT else 50)

    assert main([*command, "--quiet"]) == 0
    assert out.read_bytes() == undisturbed
    assert run.exists() == named


@pytest.mark.slow
def test_several_scans_are_one(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = recon.read_cloud(data / "oni.ply")
    scans = [str(tmp_path / f"{part}.npy") for part in range(2)]
    for part, scan in enumerate(scans):
        half = cloud.select(np.arange(len(cloud)) % 2 == part)
        np.save(scan, np.hstack([half.points, half.normals]))
    everything = ["--set", "scan.outliers=off"]
    assert main(["mesh", *scans, "-o", str(tmp_path / "m.ply"), "--json", *SMALL, *everything]) == 0
    summary = printed("mesh", capsys.readouterr().out)
    assert summary["scan"] == scans
    assert summary["points"] == len(cloud)


@pytest.mark.slow
def test_what_another_command_left_behind_is_not_taken_up(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.ply"
    left = tmp_path / ".m.ply.recon-run"
    recon.reconstruct(
        recon.read_cloud(data / "kitten.ply"),
        recon.PRESETS["standard"].with_(
            field={"width": 16}, fit={"steps": 10}, surface={"prior_samples": 2_000}
        ),
        run=left,
    )
    assert main(["mesh", str(data / "oni.ply"), "-o", str(out), "--quiet", *SMALL]) == 0
    assert out.exists() and not left.exists()


@pytest.mark.slow
def test_module_and_script_are_the_same_program() -> None:
    script = Path(sys.executable).with_name("recon")
    for command in ([sys.executable, "-m", "recon"], [str(script)]):
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"recon {recon.__version__}\n"


@pytest.mark.slow
def test_a_reader_that_has_enough_is_no_error() -> None:
    """As in `recon … | head -1`."""
    done = subprocess.Popen(
        [sys.executable, "-m", "recon", "info", "data/kitten.ply", "--json", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout and done.stderr
    done.stdout.close()
    with done:
        assert done.stderr.read() == ""
    assert done.returncode == 141


@pytest.mark.slow
def test_a_run_folder_says_how_it_was_made_and_what_came_of_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scan, out, run = data / "oni.ply", tmp_path / "m.ply", tmp_path / "the run"
    command = ["mesh", str(scan), "-o", str(out), "--run", str(run), "--json", *SMALL]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((run / "result.json").read_text())
    origin = json.loads((run / "run.json").read_text())["origin"]
    assert shlex.split(origin["command"]) == ["recon", *command]
    assert origin["folder"] == str(Path.cwd()) and origin["preset"] == "standard"
    sha256 = hashlib.sha256(scan.read_bytes()).hexdigest()
    assert origin["inputs"] == [{"path": str(scan), "bytes": scan.stat().st_size, "sha256": sha256}]
    assert origin["versions"]["recon"] == recon.__version__ and origin["threads"] == 1

    history = (run / "history.csv").read_bytes()
    again = ["mesh", str(scan), "-o", str(tmp_path / "n.ply"), "--run", str(run), *SMALL, "--parts", "all"]
    assert main(again) == 0
    assert (run / "history.csv").read_bytes() == history  # nothing was trained: only the mesh is another
    kept = json.loads((run / "run.json").read_text())
    assert shlex.split(kept["origin"]["command"]) == ["recon", *again]
    assert kept["config"]["mesh"]["parts"] == "all"
    assert json.loads((run / "result.json").read_text())["mesh"] == str(tmp_path / "n.ply")

"""`recon learn shapes` and `recon complete` of clouds, as a user sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree

from recon.cli.main import main
from recon.meshing.files import read_mesh
from recon.spaces import shape_scores

pytestmark = pytest.mark.slow

SMALL = [
    *("--set", "encoder.width=48", "--set", "encoder.latent=48", "--set", "encoder.hidden=48"),
    *("--set", "field.width=24", "--set", "field.hidden=1", "--set", "learning.targets=128"),
    *("--set", "learning.batch=8"),
    *("--set", "fit.rate=2e-3", "--set", "fit.warmup=10"),
]


# Slow: encoder and hypernetwork need so many steps to be better than the mean shape.
@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    run = tmp_path_factory.mktemp("runs") / "run"
    patch = pytest.MonkeyPatch()
    for name, value in {
        "TEST_SHAPES": 16,
        "MESHED_SHAPES": 2,
        "BANK_SHAPES": 100,
        "MESH_RESOLUTION": 32,
        "POINTS_PER_SHAPE": 400,
    }.items():
        patch.setattr(shape_scores, name, value)
    command = ["learn", "shapes", "-o", str(run), "--steps", "300", *SMALL, "--quiet", "--threads", "1"]
    assert main(command) == 0
    patch.undo()
    return run, json.loads((run / "result.json").read_text())


def test_a_space_of_shapes_is_nearer_than_their_mean(learnt: tuple[Path, dict[str, Any]]) -> None:
    found = learnt[1]["distance"]
    for name, error in found["field"].items():
        assert error < 0.7 * found["mean shape"][name], name


def test_a_cloud_of_one_side_becomes_a_closed_surface(
    learnt: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = learnt[0], tmp_path / "mesh.ply"
    command = ["complete", str(run), str(run / "example-1.csv"), "-o", str(out), "--resolution", "48"]
    assert main([*command, "--json", "--quiet", "--threads", "1"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["watertight"] and summary["known"] > 190
    mesh, truth = read_mesh(out), read_mesh(run / "example-1.truth.ply")
    assert np.abs(mesh.vertices).max() < 1.05
    for one, other in ((mesh, truth), (truth, mesh)):  # four starts: 0.06 to 0.10 on average
        assert cKDTree(one.vertices).query(other.vertices)[0].mean() < 0.15


def test_what_cannot_be_completed_is_said_in_a_line(
    learnt: tuple[Path, dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = learnt[0]
    rng = np.random.default_rng(0)
    bare, far = tmp_path / "bare.csv", tmp_path / "far.csv"
    np.savetxt(bare, rng.uniform(-1, 1, (50, 3)), delimiter=",", header="x,y,z", comments="")
    np.savetxt(far, rng.uniform(5, 9, (50, 6)), delimiter=",", header="x,y,z,nx,ny,nz", comments="")
    out = ["-o", str(tmp_path / "m.ply")]
    for given, said in (
        ([str(bare), *out], "has no normals"),
        ([str(far), *out], "beyond the box"),
        ([str(run / "example-1.csv"), *out, "--zoom", "2"], "for pictures"),
        ([str(run / "example-1.csv"), "-o", str(tmp_path / "m.xyz")], "m.xyz"),
    ):
        assert main(["complete", str(run), *given, "--quiet"]) in (1, 2)
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1, error
    assert main(["learn", "shapes", "-o", str(tmp_path / "r"), "--set", "encoder.kind=cnn", "--quiet"]) == 2
    assert "one of set-sine, set-relu" in capsys.readouterr().err

"""What is called from Python with a wrong argument says what came and what was wanted, in one line."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from folder_scans import table
from shapes import sphere

import recon
from recon.errors import ReconError
from recon.training.settings import FitConfig

WRONG = (object(), b"x", "a\0b", float("nan"), 2.5j, [[]], {"a": 1}, np.zeros((3, 2)), [np.zeros(2), "x"], -7)
# What these take is itself so general, or a choice of yes or no, that little can be wrong with it.
OPEN = {("batch", "overrides"), ("batch", "gather"), ("batch", "overwrite"), ("batch", "progress")}
OPEN |= {("PointCloud", "source"), ("PointCloud", "unit"), ("Mesh", "unit")}
OPEN |= {(name, "overwrite") for name in ("write_mesh", "write_report")} | {("reconstruct", "origin")}
BALL = sphere(60)
MESH = recon.Mesh(np.eye(3), np.array([[0, 1, 2]]))


def half(x: torch.Tensor) -> torch.Tensor:
    """The signed distance of a ball of radius a half."""
    return x.norm(dim=1) - 0.5


ARGUMENTS: dict[str, dict[str, Any]] = {
    "Frame": {"center": [0, 0, 0], "scale": 1.0},
    "Mesh": {"vertices": np.eye(3), "faces": [[0, 1, 2]]},
    "PointCloud": {"points": np.eye(3)},
    "batch": {"folder": "scans", "out": "out"},
    "evaluate": {"mesh": MESH, "reference": MESH, "samples": 9},
    "extract": {"sdf": half, "box": [[-1] * 3, [1] * 3], "resolution": 8},
    "inspect": {"given": "ball.npy"},
    "load": {"folder": "run"},
    "load_fit": {"folder": "run"},
    "load_scene": {"folder": "run"},
    "load_space": {"folder": "run"},
    "read_cloud": {"path": "ball.npy"},
    "read_clouds": {"paths": ["ball.npy"]},
    "read_mesh": {"path": "mesh.ply"},
    "reconstruct": {"cloud": BALL, "config": recon.Config(fit=FitConfig(steps=1))},
    "write_mesh": {"mesh": MESH, "path": "new.ply"},
    "write_report": {"run": "run"},
}
PLAIN = {"Config", "Evaluation", "PRESETS", "ReconError", "Reconstruction"}  # results, and what checks itself


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("ball.npy", table(BALL))
    recon.write_mesh(MESH, "mesh.ply")


def test_every_public_name_is_tried() -> None:
    assert ARGUMENTS.keys() | PLAIN == set(recon.__all__)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_wrong_argument_is_one_line(name: str) -> None:
    function = getattr(recon, name)
    for parameter in inspect.signature(function).parameters:
        if (name, parameter) in OPEN:
            continue
        for wrong in WRONG:
            with pytest.raises(ReconError) as caught:
                pytest.fail(f"{parameter}={wrong!r} gave {function(**{**ARGUMENTS[name], parameter: wrong})}")
            assert "\n" not in str(caught.value) and len(str(caught.value)) < 300, str(caught.value)


def test_a_function_that_returns_something_else_is_told_what() -> None:
    box = ARGUMENTS["extract"]["box"]
    with pytest.raises(ReconError, match=r"sdf returned of type ndarray for .* points, expected a tensor"):
        recon.extract(lambda x: half(x).numpy(), box, 8)  # type: ignore[arg-type, return-value]
    with pytest.raises(ReconError, match=r"sdf returned a tensor \(\d+, 3\)"):
        recon.extract(lambda x: x, box, 8)
    with pytest.raises(ReconError, match="expected two tensors"):
        recon.extract(half, box, 8, value_and_gradient=half)  # type: ignore[arg-type]


def test_numbers_that_would_be_cut_are_not_taken_for_colours_or_corners() -> None:
    with pytest.raises(ReconError, match=r"colors holds float64 .* not from 0 to 255"):
        recon.PointCloud(np.eye(3), colors=np.full((3, 3), 0.5))
    with pytest.raises(ReconError, match="colors holds int64 values"):
        recon.PointCloud(np.eye(3), colors=np.full((3, 3), 256))
    with pytest.raises(ReconError, match="faces holds float64 values"):
        recon.Mesh(np.eye(3), [[0, 1, np.nan]])  # type: ignore[arg-type]
    assert recon.PointCloud(np.eye(3), colors=np.full((3, 3), 255.0)).colors.dtype == np.uint8  # type: ignore[union-attr]

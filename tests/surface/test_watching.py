"""What can be seen of a training while it runs: previews, TensorBoard, the history."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scanned_sphere import CENTRE, RADIUS, SMALL, sphere

import recon
from recon.errors import UsageError
from recon.training.trainer import Progress

pytestmark = pytest.mark.slow


def test_bars_are_shown_in_notebooks_and_where_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class ZMQInteractiveShell:
        """As IPython's in a kernel."""

    short = SMALL.with_(fit={"steps": 100})
    told: list[str] = []
    recon.reconstruct(sphere(), short)
    assert capsys.readouterr().err == ""
    recon.reconstruct(sphere(), short, progress=True, preparing=lambda share, text: told.append(text))
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": done")[0] for line in said] == ["recon: preparing", "recon: training"]
    assert "inside and outside" in told
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=ZMQInteractiveShell))
    recon.reconstruct(sphere(), short)
    bars = capsys.readouterr().err
    assert bars.count("100% |") >= 2 and "preparing" in bars and "training" in bars
    recon.reconstruct(sphere(), short, progress=False)
    assert capsys.readouterr().err == ""


def test_a_preview_shows_the_field_so_far(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    steps, pictures = [], set()

    def watch(progress: Progress) -> None:
        """As a viewer would, that looks again and again: whenever there is a file it is a whole one."""
        if (tmp_path / "preview.ply").exists():
            steps.append(progress.snapshot.step)
            early = recon.read_mesh(tmp_path / "preview.ply")
            assert np.median(np.linalg.norm(early.vertices - CENTRE, axis=1)) == pytest.approx(
                RADIUS, rel=0.1
            )
            with Image.open(tmp_path / "preview.png") as image:
                assert 0.2 < (np.asarray(image).min(2) < 250).mean() < 0.9  # a sphere that fills its picture
                pictures.add(image.tobytes())

    monkeypatch.setattr("recon.surface.preview.PICTURE_SIZE", (80, 80))
    monkeypatch.setattr("recon.surface.preview.MESH_RESOLUTION", 48)
    short = SMALL.with_(fit={"steps": 200})
    result = recon.reconstruct(sphere(), short, run=tmp_path, preview=1e-3, callbacks=[watch])
    assert steps[0] <= 100 and len(pictures) > 2
    last = recon.read_mesh(tmp_path / "preview.ply")
    assert np.allclose(
        last.vertices, result.mesh(48).vertices, rtol=0, atol=1e-9
    )  # done, it shows the result
    with pytest.raises(UsageError, match="needs a run folder"):
        recon.reconstruct(sphere(), SMALL, preview=0.5)


def test_tensorboard_gets_terms_pictures_and_slices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scalars, images = [], {}

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path / "board")

        def add_scalar(self, name: str, value: float, step: int) -> None:
            scalars.append((name, step))

        def add_image(self, name: str, picture: np.ndarray, step: int, dataformats: str) -> None:
            assert dataformats == "HWC" and picture.dtype == np.uint8 and picture.shape[2] == 3
            assert picture.std() > 10
            images[name] = step

        def close(self) -> None:
            pass

    module = type(sys)("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    recon.reconstruct(sphere(), SMALL.with_(fit={"steps": 200}), tensorboard=tmp_path / "board")
    assert ("surface", 50) in scalars and ("eikonal", 200) in scalars
    assert images == {"preview": 200, "slices of Φ": 200, "slices of ‖∇Φ‖": 200}
    assert list(tmp_path.iterdir()) == []  # without a run folder nothing but the board is written


def test_the_history_is_a_table_from_the_first_checkpoint_on(tmp_path: Path) -> None:
    cloud = sphere(500)
    seen = []

    def look(progress: Progress) -> None:
        path = tmp_path / "history.csv"
        if path.exists() and not progress.is_last:
            seen.append((progress.snapshot.step, path.read_text().splitlines()))

    config = SMALL.with_(field={"width": 16}, fit={"steps": 300})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recon.training.checkpoint.CHECKPOINT_SECONDS", 0.0)
        recon.reconstruct(cloud, config, run=tmp_path, callbacks=[look])
    step, lines = seen[-1]
    assert lines[0].startswith("step,seconds,rate,loss,surface")
    assert len(lines) == step // 50  # a header and the windows before this one

"""`recon learn images` and `recon complete`, as a user sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from recon.cli.main import main
from recon.signals.media.collections import find_images, read_cropped
from recon.signals.media.images import read_image
from recon.spaces.image_scores import _nearest_image, errors
from recon.spaces.learned import load_space
from recon.spaces.picture_sampler import Pictures, PictureSampler
from recon.training.checkpoint import load_snapshot

SMALL = [
    "--encoder=set-relu",
    *(
        f"--set={name}"
        for name in (
            "encoder.width=64",
            "encoder.latent=64",
            "encoder.hidden=64",
            "field.width=24",
            "field.hidden=1",
            "field.omega_first=10",
            "learning.batch=16",
            "learning.targets=64",
            "learning.latent_weight=0.001",
            "learning.weights_weight=0.1",
            "fit.rate=2e-3",
            "fit.warmup=10",
        )
    ),
]
Run = Callable[..., dict[str, Any]]


def blob(x: float, y: float, colour: tuple[float, float, float], size: int = 24) -> np.ndarray:
    """A soft coloured disc on dark ground (size, size, 3) uint8."""
    rows, columns = np.mgrid[:size, :size] / size
    disc = 1 / (1 + np.exp(30 * (np.hypot(columns - x, rows - y) - 0.3)))
    return np.round(255 * disc[..., None] * np.array(colour)).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 discs, some of them in a folder below."""
    out, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    (out / "more").mkdir()
    for number in range(200):
        picture = blob(*rng.uniform(0.3, 0.7, 2), tuple(rng.uniform(0.2, 1, 3)))
        Image.fromarray(picture).save(out / ("more" if number % 4 == 0 else "") / f"{number:03}.png")
    return out


@pytest.fixture
def recon(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command and give its summary."""

    def run(*arguments: str | Path) -> dict[str, Any]:
        assert main([*map(str, arguments), "--json", "--quiet", "--threads", "1"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture(scope="module")
def learnt(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    run = tmp_path_factory.mktemp("runs") / "run"
    command = ["learn", "images", str(folder), "-o", str(run), "--size", "16", "--steps", "800", *SMALL]
    assert main([*command, "--quiet", "--threads", "1"]) == 0
    return run, json.loads((run / "result.json").read_text())


@pytest.mark.slow
def test_a_space_completes_better_than_what_needs_no_field(learnt: tuple[Path, dict[str, Any]]) -> None:
    _, summary = learnt
    mse = summary["mse"]
    assert summary["pictures"] == 180 and summary["validation"] == 20
    assert mse["field"]["100"] < 0.5 * mse["mean image"]["100"]
    assert mse["field"]["10"] < 0.7 * mse["mean image"]["10"]
    assert mse["field"]["10"] < 0.7 * mse["nearest pixel"]["10"]
    assert mse["field"]["100"] < mse["field"]["10"]


@pytest.mark.slow
def test_a_picture_is_completed_at_any_size(
    learnt: tuple[Path, dict[str, Any]], tmp_path: Path, recon: Run
) -> None:
    run, _ = learnt
    source = tmp_path / "in.png"
    Image.fromarray(blob(0.45, 0.6, (0.9, 0.5, 0.3), 64)).save(source)
    summary = recon("complete", run, source, "-o", tmp_path / "a.png", "--keep", "40")
    assert (summary["known"], summary["width"], summary["height"]) == (40, 64, 64)
    found, wanted = read_image(tmp_path / "a.png").values, read_image(source).values
    most = 0.2 * np.square(wanted - wanted.mean((0, 1))).mean()  # four starts: 0.07 ± 0.02 of that variance
    assert np.square(found - wanted).mean() < most
    assert summary["mse"] < most and summary["mse_missing"] < most
    recon("complete", run, source, "-o", tmp_path / "b.png", "--keep", "40", "--size", "30x20")
    assert read_image(tmp_path / "b.png").values.shape == (20, 30, 3)
    refined = recon("complete", run, source, "-o", tmp_path / "c.png", "--keep", "200", "--refine", "60")
    plain = recon("complete", run, source, "-o", tmp_path / "d.png", "--keep", "200")
    assert refined["mse"] < plain["mse"]


@pytest.mark.slow
def test_what_a_mask_hides_does_not_count(
    learnt: tuple[Path, dict[str, Any]], tmp_path: Path, recon: Run
) -> None:
    run, _ = learnt
    picture = blob(0.5, 0.5, (0.9, 0.8, 0.3), 32)
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 20:] = 255
    spoilt = picture.copy()
    spoilt[:, 20:] = 255
    for name, pixels in (("clean", picture), ("spoilt", spoilt), ("mask", mask)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    for name in ("clean", "spoilt"):
        given = [
            tmp_path / f"{name}.png",
            "--mask",
            tmp_path / "mask.png",
            "-o",
            tmp_path / f"{name}.out.png",
        ]
        assert recon("complete", run, *given)["known"] == 160
    clean, spoilt_too = (read_image(tmp_path / f"{name}.out.png").values for name in ("clean", "spoilt"))
    np.testing.assert_array_equal(clean, spoilt_too)
    assert np.square(clean - picture / 255).mean() < 0.02


@pytest.mark.slow
def test_a_strip_goes_from_one_picture_to_the_other(
    learnt: tuple[Path, dict[str, Any]], tmp_path: Path, recon: Run
) -> None:
    run, _ = learnt
    for name, colour in (("a", (1.0, 0.3, 0.3)), ("b", (0.3, 0.3, 1.0))):
        Image.fromarray(blob(0.5, 0.5, colour)).save(tmp_path / f"{name}.png")
    given = [tmp_path / "a.png", "--between", tmp_path / "b.png", "--pictures", "5", "-o", tmp_path / "s.png"]
    assert recon("complete", run, *given)["width"] == 5 * 24
    strip = read_image(tmp_path / "s.png").values.reshape(24, 5, 24, 3)
    middle = strip[8:16, :, 8:16].mean((0, 2))
    for first, between, last in (middle[[0, 2, 4], 0], middle[[4, 2, 0], 2]):  # red falls, blue rises
        assert first - last > 0.3 and first > between > last


@pytest.mark.slow
def test_a_learning_that_was_stopped_goes_on_bit_for_bit(folder: Path, tmp_path: Path, recon: Run) -> None:
    def learn(run: Path, *more: str) -> dict[str, Any]:
        return recon("learn", "images", folder, "-o", run, "--size", "12", "--steps", "150", *SMALL, *more)

    whole = learn(tmp_path / "whole")
    from recon.training.trainer import Progress

    def stop(progress: Progress) -> None:
        if progress.snapshot.step == 50 and not progress.is_last:
            raise KeyboardInterrupt

    import recon.training.callbacks as callbacks

    class Stopping(callbacks.ProgressBar):
        def __call__(self, progress: Progress) -> None:
            stop(progress)

    usual = callbacks.ProgressBar
    callbacks.ProgressBar = Stopping  # type: ignore[misc]
    try:
        command = [
            "learn",
            "images",
            str(folder),
            "-o",
            str(tmp_path / "cut"),
            "--size",
            "12",
            "--steps",
            "150",
        ]
        assert main([*command, *SMALL, "--quiet", "--threads", "1"]) == 130
    finally:
        callbacks.ProgressBar = usual  # type: ignore[misc]
    assert load_snapshot(tmp_path / "cut" / "checkpoint.pt").step == 50
    resumed = learn(tmp_path / "cut")
    flats = [load_space(tmp_path / name).space.flat for name in ("whole", "cut")]
    assert torch.equal(*flats)
    assert resumed["mse"] == whole["mse"]


@pytest.mark.slow
def test_pictures_are_read_once(
    learnt: tuple[Path, dict[str, Any]],
    folder: Path,
    tmp_path: Path,
    recon: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, summary = learnt
    monkeypatch.setattr("recon.spaces.learn_images.read_cropped", None)
    again = recon("learn", "images", folder, "-o", run, "--size", "16", "--steps", "800", *SMALL)
    assert again["mse"] == summary["mse"]


def test_a_folder_of_all_kinds_becomes_squares(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(np.full((40, 60), 200, np.uint8)).save(tmp_path / "grey.png")
    Image.fromarray(np.full((50, 30, 4), 100, np.uint8)).save(tmp_path / "alpha.png")
    Image.fromarray(np.full((20, 20, 3), 90, np.uint8)).save(tmp_path / "small.jpg")
    (tmp_path / "broken.png").write_bytes(b"none")
    (tmp_path / "text.txt").write_text("no picture")
    squares = read_cropped(find_images(tmp_path), 16)
    assert squares.shape == (3, 16, 16, 1)  # all grey
    assert sorted(squares.mean((1, 2, 3)).round()) == [90, 100, 200]
    assert "broken.png" in caplog.text


def test_lessons_are_the_same_for_the_same_step_and_padded_for_a_gpu() -> None:
    pictures = Pictures(np.random.default_rng(0).integers(0, 255, (20, 8, 8, 3), dtype=np.uint8))
    lessons, padded = (PictureSampler(pictures, 4, 16, 0.25, seed=0) for _ in range(2))
    padded.room = 64
    counts = set()
    for step in (7, 0, 3, 3, 30):
        one, again, more = (
            each(step, torch.Generator().manual_seed(step)) for each in (lessons, lessons, padded)
        )
        assert torch.equal(one.values, again.values) and torch.equal(one.seen.points, again.seen.points)
        counts.add(one.seen.points.shape[1])
        assert more.seen.points.shape == (4, 64, 2)
        assert more.seen.known.sum() == one.seen.known.sum()
    assert len(counts) > 2


def test_the_error_of_the_truth_is_zero_and_of_grey_that_of_the_pictures() -> None:
    pictures = Pictures(np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8))
    assert set(errors(pictures, lambda values, places: values).values()) == {0.0}
    grey = errors(pictures, lambda values, places: torch.zeros_like(values))
    assert all(value == pytest.approx(1 / 12, rel=0.05) for value in grey.values())


def test_the_nearest_picture_is_nearest_at_the_known_pixels() -> None:
    generator = torch.Generator().manual_seed(0)
    learnt, values = (torch.rand(n, 30, 3, generator=generator) for n in (40, 6))
    places = torch.rand(6, 30, generator=generator).argsort(1)[:, :4]
    for one, where, found in zip(
        values, places, _nearest_image(learnt, learnt**2, values, places), strict=True
    ):
        assert (learnt[:, where] - one[where]).square().sum((1, 2)).argmin() == found


@pytest.mark.slow
def test_what_cannot_be_learnt_or_completed_is_said_in_a_line(
    learnt: tuple[Path, dict[str, Any]], folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, picture = learnt[0], folder / "001.png"
    (tmp_path / "empty").mkdir()
    out = ["-o", tmp_path / "out.png"]
    for given, said in (
        (["learn", "images", tmp_path / "empty", "-o", tmp_path / "r"], "holds no pictures"),
        (
            ["learn", "images", folder, "-o", run, "--size", "16", "--steps", "99", *SMALL],
            "fit.steps was 800, now 99",
        ),
        (["learn", "images", folder, "-o", tmp_path / "r", "--size", "4"], "expected between 8 and 512"),
        (["complete", tmp_path, picture, *out], "not a run folder of `recon learn`"),
        (["complete", run, picture, *out, "--keep", "999"], "expected 1 to 256"),
        (["complete", run, picture, *out, "--keep", "9", "--mask", picture], "not both"),
        (["complete", run, picture, "-o", tmp_path / "out.xyz"], "extension"),
    ):
        assert main([*map(str, given), "--quiet"]) in (1, 2)
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1, error

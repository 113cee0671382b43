"""`recon fit` of sounds and films, as a user and as a script see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recon.cli.main import main
from recon.geometry import Float
from recon.signals.fits import audio
from recon.signals.fits.train import Job
from recon.signals.fits.video import fit_video
from recon.signals.media.audio import open_sound, write_sound
from recon.signals.media.images import read_image
from recon.signals.media.video import open_film, write_film
from recon.signals.settings import STANDARD

Fit = Callable[..., dict[str, Any]]
RATE = 8000


@pytest.fixture
def fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fit:
    """Run `recon fit` there and give its summary."""

    def run(mode: str, *arguments: str | Path) -> dict[str, Any]:
        small = [
            "--set",
            "field.width=64",
            "--set",
            "samples.batch=2048",
            "--threads",
            "1",
            "--json",
            "--quiet",
        ]
        assert main(["fit", mode, *(str(argument) for argument in arguments), *small]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def tones_at(t: Float, seconds: float, phase: float = 0.0) -> Float:
    """Two tones that swell in a sound of so many seconds, at the times t."""
    swell = np.sin(2 * np.pi * 220 * t + phase) * np.sin(np.pi * t / seconds)
    return 0.4 * (swell + 0.3 * np.sin(2 * np.pi * 610 * t))


def tones(seconds: float = 0.5, channels: int = 1) -> Float:
    """Their samples (n, channels), each channel with a phase of its own."""
    t = np.arange(round(seconds * RATE)) / RATE
    return np.stack([tones_at(t, seconds, phase=c) for c in range(channels)], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "subtype", "channels"), [("wav", "FLOAT", 1), ("flac", "PCM_16", 2)])
def test_a_sound_comes_back(
    fit: Fit, tmp_path: Path, ending: str, subtype: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio, "BLOCK_FRAMES", 1000)  # so that blocks end within the sound
    source, out = tmp_path / f"in.{ending}", tmp_path / f"out.{ending}"
    wanted = tones(channels=channels)
    write_sound([wanted], source, RATE, subtype)
    summary = fit("audio", source, "-o", out, "--set", "fit.steps=300", "--spectrogram")
    back = open_sound(out)
    assert (back.rate, back.channels, back.frames, back.subtype) == (RATE, channels, len(wanted), subtype)
    error = np.square(back.read(0, back.frames) - wanted).mean()
    snr = 10 * np.log10(np.square(wanted).mean() / error)
    assert snr > 25 and summary["snr"] == pytest.approx(snr, abs=0.3)
    assert read_image(summary["spectrogram"]).values.std() > 0.05


@pytest.mark.slow
def test_a_sound_is_resampled_by_evaluating_the_field(fit: Fit, tmp_path: Path) -> None:
    source, run = tmp_path / "in.wav", tmp_path / "run"
    write_sound([tones()], source, RATE, "PCM_16")
    fit("audio", source, "-o", tmp_path / "a.wav", "--run", run, "--set", "fit.steps=300")
    steps = ["--run", run, "--set", "fit.steps=300"]
    assert fit("audio", source, "-o", tmp_path / "b.wav", "--rate", "16000", *steps)["rate"] == 16000
    double = open_sound(tmp_path / "b.wav")
    assert (double.rate, double.frames) == (16000, 2 * len(tones()))
    places = (np.arange(double.frames) - 0.5) / 2 / RATE  # two samples in the space of each old one
    found, wanted = double.read(0, double.frames)[:, 0], tones_at(places, 0.5)
    # Over five starts 0.28 ± 0.02 %; units beyond Nyquist's frequency would swing by 3 to 25 % in between.
    assert np.abs(found - wanted).mean() < 0.01 * np.abs(wanted).mean()


def film(count: int = 8, height: int = 24, width: int = 32) -> np.ndarray:
    """A bright disc that moves over a slope of colours (count, height, width, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for number in range(count):
        disc = 90 / (1 + np.exp(np.hypot(x - 8 - 2 * number, y - 12) - 6))
        frames.append(np.stack([60 + 3 * x + disc, 120 - 2 * y + disc, 80 + 0 * x + disc], axis=-1))
    return np.stack(frames).clip(0, 255).astype(np.uint8)


@pytest.mark.slow
def test_a_film_comes_back_at_any_size_and_rate(fit: Fit, tmp_path: Path) -> None:
    source, run = tmp_path / "in.mp4", tmp_path / "run"
    write_film(film(), source, Fraction(8))
    summary = fit("video", source, "-o", tmp_path / "a.mp4", "--run", run, "--set", "fit.steps=200")
    assert (summary["frames"], summary["height"], summary["width"]) == (8, 24, 32)
    assert summary["psnr"] > 28 and 0 <= summary["psnr_std"] < 5
    steps = ["--run", run, "--set", "fit.steps=200", "--rate", "16", "--size", "64x48"]
    fit("video", source, "-o", tmp_path / "b.mp4", *steps)
    larger = open_film(tmp_path / "b.mp4")
    assert (larger.frames, larger.height, larger.width, larger.rate) == (16, 48, 64, 16)
    shown = np.stack(list(larger.frames_of())).reshape(8, 2, 24, 2, 32, 2, 3).mean((1, 3, 5))
    assert np.abs(shown - film()).mean() < 10


@pytest.mark.slow
def test_comparing_and_writing_a_film_tell_how_far_they_are(tmp_path: Path) -> None:
    source, said = tmp_path / "in.mp4", []
    write_film(film(), source, Fraction(8))
    config = STANDARD["video"].with_(field={"width": 16}, samples={"batch": 256}, fit={"steps": 20})
    job = Job(tmp_path / "out.mp4", config, tmp_path / "run", writing=lambda *told: said.append(told))
    fit_video(source, job)
    assert [text for _, text in said] == ["comparing"] * 8 + ["writing"] * 8
    np.testing.assert_allclose([share for share, _ in said], np.arange(1, 17) / 16)


@pytest.mark.slow
def test_a_part_of_a_film_is_fitted_smaller(fit: Fit, tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    write_film(film(), source, Fraction(8))
    part = ["--frames", "2:5", "--scale", "0.5", "--set", "fit.steps=20"]
    summary = fit("video", source, "-o", tmp_path / "a.mp4", *part)
    assert (summary["frames"], summary["height"], summary["width"]) == (3, 12, 16)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["audio", "{tmp}/none.wav"], 1, "none.wav"),
        (["audio", "{tmp}/text.wav"], 1, "text.wav"),
        (["audio", "{tmp}/a.wav", "-o", "{tmp}/o.xyz"], 1, ".xyz"),
        (["audio", "{tmp}/a.wav", "--rate", "0"], 2, "rate"),
        (["video", "{tmp}/text.wav"], 1, "text.wav"),
        (["video", "{tmp}/a.mp4", "--frames", "9:12"], 2, "9:12"),
        (["video", "{tmp}/a.mp4", "--scale", "2"], 2, "scale"),
        (["video", "{tmp}/a.mp4", "-o", "{tmp}/o.txt"], 1, ".txt"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sound([tones(0.05)], tmp_path / "a.wav", RATE, "PCM_16")
    write_film(film(), tmp_path / "a.mp4", Fraction(8))
    (tmp_path / "text.wav").write_text("no sound\n")
    before = sorted(tmp_path.iterdir())
    given = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    if "-o" not in given:
        given += ["-o", str(tmp_path / ("o.wav" if given[0] == "audio" else "o.mp4"))]
    assert main(["fit", *given, "--quiet", "--set", "fit.steps=5"]) == code
    shown = capsys.readouterr().err.strip()
    assert shown.startswith("recon: error: ") and "\n" not in shown and words in shown
    assert sorted(tmp_path.iterdir()) == before

"""`recon fit` of pictures, as a user and as a script see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.fft import dct, dst, idct

import recon
from recon.cli.main import main
from recon.geometry import Float
from recon.signals.media.images import read_image, write_image
from recon.signals.tasks.grid import Grid
from recon.signals.tasks.poisson import gradient_of, mixed_gradient

SMALL = [
    "--set",
    "field.width=64",
    "--set",
    "field.hidden=2",
    "--set",
    "samples.batch=512",
    "--threads",
    "1",
]
Fit = Callable[..., dict[str, Any]]


def scene(height: int = 36, width: int = 48, channels: int = 1, phase: float = 0.0) -> Float:
    """A smooth picture (h, w, c) with a brighter disc."""
    y, x = np.mgrid[:height, :width] / width
    waves = [0.4 + 0.2 * np.sin(7 * x + 3 * y + phase + c) for c in range(channels)]
    disc = 0.25 / (1 + np.exp(60 * (np.hypot(x - 0.55, y - 0.35) - 0.2)))
    return np.stack(waves, axis=-1) + disc[..., None]


@pytest.fixture
def fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fit:
    """Run `recon fit` there and give its summary."""

    def run(mode: str, *arguments: str | Path, steps: int = 300) -> dict[str, Any]:
        given = [str(argument) for argument in arguments]
        assert main(["fit", mode, *given, *SMALL, "--set", f"fit.steps={steps}", "--json", "--quiet"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "bits"), [(1, 8), (2, 16), (3, 16), (4, 8)])
def test_an_image_comes_back_in_its_channels_and_bits(
    fit: Fit, tmp_path: Path, channels: int, bits: int
) -> None:
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    write_image(scene(channels=channels), source, bits)
    summary = fit("image", source, "-o", out)
    assert summary["psnr"] > 38 and summary["ssim"] > 0.97
    there, back = read_image(source), read_image(out)
    assert (back.channels, back.bits, back.values.shape) == (there.channels, bits, there.values.shape)
    error = np.square(back.values - there.values).mean()
    rounding = (1 / (2**bits - 1)) ** 2 / 12
    assert error < 2 * (10 ** (-summary["psnr"] / 10) + rounding)


@pytest.mark.slow
def test_a_float_image_keeps_its_range(fit: Fit, tmp_path: Path) -> None:
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    values = 500 * scene() - 120
    write_image(values, source, 32)
    assert fit("image", source, "-o", out)["psnr"] > 35
    assert np.abs(read_image(out).values - values).mean() < 0.02 * np.ptp(values)


@pytest.mark.slow
def test_a_kept_run_is_written_again_at_any_size_without_training(fit: Fit, tmp_path: Path) -> None:
    source, run = tmp_path / "in.png", tmp_path / "run"
    write_image(scene(), source)
    first = fit("image", source, "-o", tmp_path / "a.png", "--run", run)
    trained = (run / "history.csv").read_bytes()  # with the seconds that it took
    again = fit("image", source, "-o", tmp_path / "b.png", "--run", run, "--zoom", "2", "--box=-6,-6,54,42")
    assert (run / "history.csv").read_bytes() == trained and again["psnr"] == first["psnr"]
    wide = read_image(tmp_path / "b.png").values
    assert wide.shape == (96, 120, 1)
    inside = (
        wide[12:-12, 12:-12].reshape(36, 2, 48, 2).mean((1, 3))
    )  # the picture's own pixels, from four each
    assert np.abs(inside - scene()[..., 0]).mean() < 0.01
    sized = fit("image", source, "-o", tmp_path / "c.png", "--run", run, "--size", "30x10")
    assert read_image(sized["output"]).values.shape == (10, 30, 1)

    fitted = recon.load_fit(run)
    y, x = fitted.axes()
    np.testing.assert_allclose(fitted.on((y, x)), read_image(tmp_path / "a.png").values, atol=1 / 255)
    assert (fitted.mode, fitted.grid.counts) == ("image", (36, 48))


@pytest.mark.slow
def test_derivative_pictures_are_written_beside(fit: Fit, tmp_path: Path) -> None:
    write_image(scene(channels=3), tmp_path / "in.png")
    summary = fit("image", tmp_path / "in.png", "-o", tmp_path / "out.png", "--derivatives")
    sheet = read_image(summary["derivatives"]).values
    assert Path(summary["derivatives"]) == tmp_path / "out.derivatives.png"
    assert min(sheet.shape[:2]) > 300 and sheet.std() > 0.05


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "steps"), [("gradient", 300), ("laplacian", 600)])
def test_a_picture_from_its_derivatives(fit: Fit, tmp_path: Path, mode: str, steps: int) -> None:
    write_image(scene(), tmp_path / "in.png", 16)
    summary = fit(mode, tmp_path / "in.png", "-o", tmp_path / "out.png", steps=steps)
    assert summary["psnr"] > 25
    assert summary["fitted_back"] == ("a constant" if mode == "gradient" else "a linear function")
    found = read_image(tmp_path / "out.png").values
    assert np.corrcoef(found.ravel(), scene().ravel())[0, 1] > 0.97


def composite(background: Float, inserted: Float, mask: NDArray[np.bool_]) -> Float:
    """The picture whose gradient is nearest to the mixed one, by its cosine series, each coefficient by
    itself. Its mean outside the mask is the background's."""
    height, width = mask.shape
    a = np.pi * np.arange(width)[None, :, None] / width
    b = np.pi * np.arange(height)[:, None, None] / height
    grid = Grid.square(height, width)
    mixed = mixed_gradient(gradient_of(background, grid), gradient_of(inserted, grid), mask) * grid.spacing

    def sines(values: Float, axis: int) -> Float:
        return np.roll(
            dst(values, axis=axis), 1, axis
        )  # the last one, at the edge of frequencies, is none here

    x = a * dct(sines(mixed[0], 1) * (a > 0), axis=0)
    y = b * dct(sines(mixed[1], 0) * (b > 0), axis=1)
    square = a**2 + b**2
    square[0, 0] = 1.0
    found = idct(idct(-(x + y) / square, axis=0), axis=1)
    return found + (background - found)[~mask].mean(0)


@pytest.mark.slow
def test_a_blend_is_the_poisson_composite_without_a_seam(fit: Fit, tmp_path: Path) -> None:
    """The least-squares solution, to 0.5 % of white, where what was pasted is 10 % off; and across the mask's
    edge no step, though the inserted picture is 0.3 darker."""
    background, inserted = scene(channels=3), scene(channels=3, phase=2.0) - 0.3
    mask = np.zeros((36, 48), bool)
    mask[10:26, 14:34] = True
    for name, values in (("a", background), ("b", inserted), ("m", mask[..., None].astype(float))):
        write_image(values, tmp_path / f"{name}.png", 16)
    files = [tmp_path / f"{name}.png" for name in "ab"]
    summary = fit("blend", *files, "--mask", tmp_path / "m.png", "-o", tmp_path / "out.png", steps=800)
    assert summary["gradient_error"] < 0.35
    found = read_image(tmp_path / "out.png").values
    wanted = composite(read_image(files[0]).values, read_image(files[1]).values, mask).clip(0, 1)
    pasted = np.where(mask[..., None], inserted, background)
    assert np.abs(found - wanted).mean() < 0.005 < 0.1 < np.abs(pasted - wanted).mean()
    step = np.abs(found[10:26, 14] - found[10:26, 13]).mean()
    assert step < 0.35 * np.abs(pasted[10:26, 14] - pasted[10:26, 13]).mean()


@pytest.mark.slow
def test_a_blend_without_a_mask_shows_both(fit: Fit, tmp_path: Path) -> None:
    write_image(scene(), tmp_path / "a.png")
    write_image(np.flip(scene(), 1), tmp_path / "b.png")
    fit("blend", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "out.png", steps=400)
    found = read_image(tmp_path / "out.png").values[..., 0]
    edges = np.hypot(*np.gradient(found))
    assert (
        edges[:, 14:16].max() > 0.02 and edges[:, 32:34].max() > 0.02
    )  # rims of the left and the right disc


@pytest.mark.slow
@pytest.mark.parametrize("prior", ["none", "tv", "hessian"])
def test_inpainting_finds_pixels_it_has_not_seen(fit: Fit, tmp_path: Path, prior: str) -> None:
    write_image(scene(), tmp_path / "in.png")
    given = [tmp_path / "in.png", "--keep", "0.3", "--prior", prior, "-o", tmp_path / "out.png"]
    summary = fit("inpaint", *given, steps=150)
    assert summary["known"] == round(0.3 * 36 * 48) and summary["prior"] == prior
    assert summary["psnr_missing"] > 24  # the mean of the known pixels gets 16


@pytest.mark.slow
def test_a_mask_says_what_is_missing(fit: Fit, tmp_path: Path) -> None:
    hole = np.zeros((36, 48, 1))
    hole[15:20, 20:26] = 1.0
    spoilt = np.where(hole > 0, 0.0, scene())
    write_image(spoilt, tmp_path / "in.png")
    write_image(hole, tmp_path / "m.png")
    given = [tmp_path / "in.png", "--mask", tmp_path / "m.png", "-o", tmp_path / "out.png"]
    summary = fit("inpaint", *given, steps=150)
    assert summary["known"] == 36 * 48 - 30
    found = read_image(tmp_path / "out.png").values
    assert np.abs((found - scene())[15:20, 20:26]).mean() < 0.06  # what was black in the file


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["image", "{tmp}/none.png"], 1, "none.png"),
        (["image", "{tmp}/text.png"], 1, "text.png"),
        (["image", "{tmp}/empty.png"], 1, "empty.png"),
        (["image", "{tmp}/a.png", "-o", "{tmp}/small.png"], 1, "small.png exists"),
        (["image", "{tmp}/a.png", "-o", "{tmp}/a.png"], 2, "a.png is an input"),
        (["image", "{tmp}/a.png", "-o", "{tmp}/o.bmp"], 1, ".bmp"),
        (["image", "{tmp}/alpha.png", "-o", "{tmp}/o.jpg"], 1, "alpha"),
        (["image", "{tmp}/a.png", "--size", "0x4"], 2, "0x4"),
        (["image", "{tmp}/a.png", "--zoom", "2", "--size", "4x4"], 2, "--zoom"),
        (["image", "{tmp}/a.png", "--box=5,5,5,9"], 2, "empty"),
        (["image", "{tmp}/a.png", "--set", "mesh.faces=3"], 2, "mesh.faces"),
        (["image", "{tmp}/a.png", "--set", "samples.batch=0"], 2, "samples.batch"),
        (["blend", "{tmp}/a.png", "{tmp}/small.png"], 1, "10 x 12"),
        (["blend", "{tmp}/a.png", "{tmp}/a.png", "--mask", "{tmp}/small.png"], 1, "10 x 12"),
        (["inpaint", "{tmp}/a.png"], 2, "--mask"),
        (["inpaint", "{tmp}/a.png", "--keep", "1.5"], 2, "1.5"),
        (["inpaint", "{tmp}/a.png", "--mask", "{tmp}/white.png"], 1, "every pixel"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(scene(), tmp_path / "a.png")
    write_image(scene(channels=4), tmp_path / "alpha.png")
    write_image(scene(12, 10), tmp_path / "small.png")
    write_image(np.ones((36, 48, 1)), tmp_path / "white.png")
    (tmp_path / "text.png").write_text("no picture\n")
    (tmp_path / "empty.png").touch()
    before = sorted(tmp_path.iterdir())
    given = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    if "-o" not in given:
        given += ["-o", str(tmp_path / "o.png")]
    small = [*SMALL, "--set", "fit.steps=5"]
    assert main(["fit", given[0], "--quiet", *small, *given[1:]]) == code
    shown = capsys.readouterr().err.strip()
    assert shown.startswith("recon: error: ") and "\n" not in shown and words in shown
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_a_run_of_another_kind_or_picture_is_refused(
    fit: Fit, tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    write_image(scene(), tmp_path / "a.png")
    write_image(scene(phase=1.0), tmp_path / "b.png")
    fit("image", tmp_path / "a.png", "-o", tmp_path / "o.png", "--run", run, steps=5)
    out = ["-o", str(tmp_path / "p.png"), "--run", str(run), *SMALL, "--set", "fit.steps=5"]
    assert main(["fit", "image", str(tmp_path / "b.png"), *out]) == 2
    assert "another signal" in capsys.readouterr().err
    assert main(["query", str(run), str(data / "oni.ply")]) == 1
    assert "recon mesh" in capsys.readouterr().err
    with pytest.raises(recon.ReconError, match="recon fit"):
        recon.load_fit(tmp_path)

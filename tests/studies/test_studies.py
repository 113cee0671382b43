"""What the studies claim, and that they are written."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from schemas import printed

from recon.cli import study as study_command
from recon.cli.main import main
from recon.studies.bandwidth import at, fitted, signal, where
from recon.studies.fits import decibels_over, grey_picture
from recon.studies.initialisation import INITIALISATIONS, expected_spread, layers_of
from recon.studies.limits import pursued, study_limits
from recon.studies.nonlinearities import FIELD_SETTINGS, study_activations
from recon.studies.page import Study
from recon.studies.products import PRODUCTS, ProductField


def test_products_keep_their_size_at_depths_1_to_10_with_the_published_initialisation() -> None:
    layers = layers_of(INITIALISATIONS["siren"])
    assert len(layers) == 10
    for layer in layers:
        assert layer.spread == pytest.approx(1.0, abs=0.05)
        assert layer.from_normal < 0.03 and layer.from_arcsine < 0.06
        assert layer.gradient == pytest.approx(1.0, abs=0.15)


def test_they_do_not_with_pytorchs_default() -> None:
    for name, low, high in (
        ("pytorch's default, sin(Wx+b)", 0.0, 0.1),
        ("the same, ω=30 first", 0.0, 0.1),
        ("the same, ω=30 in all", 10.0, 14.0),
    ):
        layers = layers_of(INITIALISATIONS[name])
        assert low < layers[-1].spread < high
        assert all(abs(layer.spread - 1) > 0.5 for layer in layers)
        assert not 0.1 < layers[0].gradient < 10


def test_without_biases_the_theory_of_second_order_holds() -> None:
    layers = layers_of(INITIALISATIONS["siren, no biases"], seed=3)
    assert layers[-1].spread == pytest.approx(expected_spread(0.0), abs=0.02)
    growth = (layers[0].gradient / layers[-1].gradient) ** (2 / (len(layers) - 1))
    assert growth == pytest.approx(1 + math.exp(-2 * expected_spread(0.0) ** 2), abs=0.03)


# Slow: fifteen fits, a third of them through second derivatives.
@pytest.mark.slow
def test_the_sine_is_best_on_value_gradient_and_laplacian() -> None:
    """Of the activations that the first figure of the paper compares; and on what each fit is given."""
    names = ("sine", "relu", "relu-pe", "tanh", "softplus")
    study = study_activations(
        grey_picture(None, 32),
        100,
        activations=names,
        products={"‖w - h‖₂": PRODUCTS["‖w - h‖₂"]},
        field={**FIELD_SETTINGS, "width": 32},
    )
    assert study.results["products"]["‖w - h‖₂"] > 15  # of a picture: waves around places fit it, too
    for mode, measures, margin in (
        ("image", ("psnr", "gradient", "laplacian"), 1.0),
        ("gradient", ("gradient",), 1.0),
        ("laplacian", ("laplacian",), 0.1),
    ):
        ends = study.results["ends"][mode]
        for measure in measures:
            others = [ends[name][measure] for name in names if name != "sine"]
            assert ends["sine"][measure] > max(others) + margin, (mode, measure)
    assert study.results["ends"]["image"]["relu"]["laplacian"] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.slow
def test_a_low_omega_cannot_follow_and_a_high_one_oscillates_between_samples() -> None:
    found = {}
    for omega in (1.0, 10.0, 300.0):
        field = fitted(omega, 16, steps=150)
        found[omega] = {
            place: decibels_over(at(field, where(place)), signal(where(place), 16))
            for place in ("samples", "between", "beyond")
        }
    assert found[1.0]["samples"] < 15
    assert found[300.0]["samples"] > 40 and found[300.0]["between"] < 15
    assert found[10.0]["samples"] > 30 and found[10.0]["between"] > 25
    assert all(one["beyond"] < 10 for one in found.values())


def test_a_picture_comes_along_and_spans_its_range(tmp_path: Path) -> None:
    picture = grey_picture(None, 24)
    assert picture.shape == (24, 24) and (picture.min(), picture.max()) == (-1.0, 1.0)


# Slow: every start is trained.
@pytest.mark.slow
def test_a_study_is_a_folder_with_a_page_a_table_and_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recon.studies.initialisation.FIELD_DRAWS", 1)
    out = tmp_path / "out"
    command = ["study", "init", "-o", str(out), "--size", "8", "--steps", "2", "--json", "--quiet"]
    command += ["--threads", "1"]
    assert main(command) == 0
    summary = printed("study", capsys.readouterr().out)
    page = Path(summary["page"]).read_text(encoding="utf-8")
    assert "recon study init -o" in page and page.count("data:image/png") == 3
    assert "http" not in page and "src=" in page
    with Path(summary["csv"]).open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 10 * len(INITIALISATIONS)
    assert np.isfinite([float(row["std of ωWh"]) for row in rows]).all()
    assert sorted(path.name for path in out.glob("*.png")) == [
        "depth.png",
        "distributions.png",
        "training.png",
    ]
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    again = Study(Path(summary["csv"]).stem, "Once more", [], [], [{"depth": 1}], [{"depth": 1}], {})
    monkeypatch.setitem(study_command._WORK, "init", lambda options, told: again)
    assert main([*command, "--overwrite"]) == 0
    assert "Once more" in Path(summary["page"]).read_text(encoding="utf-8")


def test_what_a_study_cannot_use_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for given, said in (
        (["init", "-o", str(tmp_path / "a"), "--size", "4"], "from 8 to 4,096"),
        (["bandwidth", "-o", str(tmp_path / "a"), "--steps", "0"], "from 1 to"),
        (["activations", str(tmp_path / "none.png"), "-o", str(tmp_path / "a")], "there is no file"),
        (["bandwidth", "-o", str(tmp_path / "no" / "a")], "there is no folder"),
    ):
        assert main(["study", *given, "--quiet"]) in (1, 2)
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1


@torch.no_grad()
def test_fields_of_other_products_start_with_the_spread_of_a_siren() -> None:
    points = 2 * torch.rand(500, 2, generator=torch.Generator().manual_seed(1)) - 1
    for name, product in PRODUCTS.items():
        field = ProductField(product, 20.0, 24, 2, points, torch.Generator().manual_seed(0))
        expected = [1 / (3 * math.sqrt(2)), 1.0, 1.0]  # of w·h: a SIREN's, over ω
        h, (weights, biases) = points, field._layers()
        for place, wanted in enumerate(expected):
            mean, factor = field._scales[place]
            z = factor * (product(weights[place], h) - mean)
            assert float(z.mean()) == pytest.approx(0, abs=1e-4), name
            assert float(z.std()) == pytest.approx(wanted, rel=1e-3), name
            h = torch.sin((20.0 if place == 0 else 1.0) * (z + biases[place]))
        assert torch.allclose(field(points), h @ weights[-1].t() + biases[-1], atol=1e-5), name


def test_distances_and_powers_are_what_they_say() -> None:
    w, h = torch.tensor([[1.0, -2.0]]), torch.tensor([[4.0, 2.0]])
    found = {name: float(product(w, h)) for name, product in PRODUCTS.items()}
    assert found == pytest.approx(
        {"w·h": 0, "‖w - h‖₁": 7, "‖w - h‖₂": 5, "‖w - h‖∞": 4, "root of w·h": 0, "square of w·h": 0},
        abs=1e-5,
    )
    assert float(PRODUCTS["square of w·h"](w, -h + 1)) == pytest.approx(-1.0)
    assert float(PRODUCTS["root of w·h"](w, h * 0 + torch.tensor([9.0, 0]))) == pytest.approx(3.0)


def test_pursuit_finds_the_terms_that_there_are() -> None:
    rng = np.random.default_rng(0)
    terms, always = rng.normal(size=(30, 200, 1)), np.ones((200, 1))
    values = 2 + 3 * terms[7, :, 0] - terms[21, :, 0] + 0.01 * rng.normal(size=200)
    chosen, found = pursued(always, terms, values, 2)
    assert sorted(chosen) == [7, 21]
    assert sorted(found) == pytest.approx([-1, 2, 3], abs=0.01)


# Slow: nine fits.
@pytest.mark.slow
def test_fields_of_sines_fail_where_a_plain_method_does_not() -> None:
    study = study_limits(grey_picture(None, 32), steps=300)
    found = study.results["problems"]
    for problem, plain, margin in (
        ("a series, continued", "trend and oscillations", 10),
        ("a picture under noise", "total variation", 2),
        ("classes", "few terms", 10),
    ):
        seen, unseen = found[problem]["siren"]
        assert seen > found[problem][plain][0], problem  # it fits what it is shown
        assert unseen < found[problem][plain][1] - margin, problem

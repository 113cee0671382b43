"""`recon solve`, and a problem of one's own, as a user and as a script see them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from schemas import printed

from recon import pde
from recon.cli.main import main
from recon.errors import SignalError
from recon.training.trainer import Progress

pytestmark = pytest.mark.slow

SMALL = ["--set", "field.width=48", "--set", "field.hidden=2", "--set", "drawn.points=512", "--threads", "1"]
Solve = Callable[..., dict[str, Any]]


@pytest.fixture
def solve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Solve:
    """Run `recon solve` into `out` there and give its summary."""

    def run(problem: str, *arguments: str | Path, steps: int = 400, out: str = "out") -> dict[str, Any]:
        given = [str(argument) for argument in arguments]
        quiet = ["--json", "--quiet", "-o", str(tmp_path / out), "--set", f"fit.steps={steps}"]
        assert main(["solve", problem, *given, *SMALL, *quiet]) == 0
        return printed("solve", capsys.readouterr().out)

    return run


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What the command says when it refuses, in one line."""
    assert main(["solve", *(str(argument) for argument in arguments)]) in (1, 2)
    said = capsys.readouterr().err.strip()
    assert said.startswith("recon: error:") and "\n" not in said
    return said


# Slow: so many steps are needed to come near the references.
def test_helmholtz_meets_both_references(solve: Solve, tmp_path: Path) -> None:
    """At a wavenumber that few steps are enough for."""
    few = ["--set", "drawn.points=256", "--set", "drawn.near=256", "--set", "field.omega_first=6"]
    summary = solve("helmholtz", "--wavenumber", "5", *few, steps=700)
    assert summary["error"] < 0.1
    assert summary["error_closed_form"] < 0.1
    assert summary["reference_error"] < 0.005
    assert summary["last_layer_solved"]
    with np.load(tmp_path / "out" / "solution.npz") as arrays:
        found, wanted = arrays["field"], arrays["reference"]
        assert found.shape == wanted.shape == (201, 201) and found.dtype == complex
        solution = pde.load_solution(tmp_path / "out")
        at = solution.at([[arrays["x"][30], arrays["y"][150]]])[0]
    assert at[0] + 1j * at[1] == pytest.approx(found[150, 30], abs=1e-6)
    assert np.asarray(Image.open(tmp_path / "out" / "picture.png")).std() > 10


def test_sources_are_where_they_are_told(
    solve: Solve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recon.pde.solve_helmholtz.OUTPUT_CELLS", 100)
    solve("helmholtz", "--wavenumber", "14", "--source=0.3,-0.2", "--source=-0.25,0.25", steps=20)
    with np.load(tmp_path / "out" / "solution.npz") as arrays:
        size = np.abs(arrays["reference"])
        for x, y in ((0.3, -0.2), (-0.25, 0.25)):
            row, column = np.abs(arrays["y"] - y).argmin(), np.abs(arrays["x"] - x).argmin()
            around = size[row - 3 : row + 4, column - 3 : column + 4]
            assert size[row, column] == pytest.approx(around.max(), rel=0.02)
            assert size[row, column] > 1.5 * np.median(size)


def test_a_wave_follows_finite_differences(solve: Solve, tmp_path: Path) -> None:
    wide = ["--width", "0.2", "--until", "0.6", "--frames", "7", "--set", "field.omega_first=5"]
    summary = solve("wave", *wide, steps=300)
    assert summary["error"] < 0.1
    with Image.open(tmp_path / "out" / "wave.gif") as film:
        assert film.n_frames == 7 and film.size[0] == 2 * film.size[1]
    with np.load(tmp_path / "out" / "solution.npz") as arrays:
        assert arrays["field"].shape == (7, 101, 101)
        assert arrays["t"][-1] == pytest.approx(0.6)


# Slow: a solution by finite differences, and a training through second derivatives.
def test_waves_from_files(solve: Solve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Value, velocity and slowness; rows along y, in the reference as in the field."""
    monkeypatch.chdir(tmp_path)
    axis = np.linspace(-1, 1, 65)[1:] - 1 / 64
    x, y = np.meshgrid(axis, axis)
    np.save("initial.npy", np.exp(-((x - 0.4) ** 2 + (y + 0.2) ** 2) / 0.08))
    np.save("velocity.npy", 0 * x)
    np.save("medium.npy", np.where(y > 0, 0.5, 1.0))
    names = ("initial", "velocity", "medium")
    given = [part for name in names for part in (f"--{name}", f"{name}.npy")]
    summary = solve("wave", *given, "--sides", "fixed", "--until", "0.3", "--frames", "3", steps=300)
    assert summary["error"] < 0.25
    with np.load(tmp_path / "out" / "solution.npz") as arrays:
        row, column = np.unravel_index(arrays["reference"][0].argmax(), (101, 101))
        assert (arrays["x"][column], arrays["y"][row]) == pytest.approx((0.4, -0.2), abs=0.03)
        found = np.unravel_index(arrays["field"][0].argmax(), (101, 101))
        assert np.hypot(found[0] - row, found[1] - column) < 4
        assert arrays["slowness"][-1, 0] == 0.5


def test_a_level_that_rests_stays(solve: Solve, tmp_path: Path) -> None:
    """Nothing bends, nothing moves, nothing leaves."""
    np.save(tmp_path / "one.npy", np.ones((4, 4)))
    summary = solve("wave", "--initial", tmp_path / "one.npy", "--frames", "2", steps=100)
    assert summary["error"] < 0.05


# Slow: an inversion of four sources, and the beginning of two.
def test_an_inclusion_is_found_from_its_echoes(
    solve: Solve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recon.pde.solve_inverse.RECORDING_CELLS", 200)
    quick = ["--wavenumbers", "6", "--sources", "4", "--receivers", "16", "--set", "drawn.points=256"]
    summary = solve("inverse", *quick, steps=250)
    assert summary["correlation"] > 0.6
    assert summary["offset"] < 0.1
    assert summary["slowness"][0] < 0.95
    short = solve("inverse", *quick, steps=40, out="short")
    again = solve("inverse", "--data", tmp_path / "out" / "data.npz", *quick[-2:], steps=40, out="again")
    assert again["slowness"] == pytest.approx(short["slowness"], abs=0.02)
    assert again["misfit"] == pytest.approx(short["misfit"], abs=0.01)


def test_a_stopped_run_goes_on_to_the_same_field(tmp_path: Path) -> None:
    """Ctrl-C in the middle, then the same call again: bit for bit what an undisturbed one ends with."""
    box = ((0.0, 1.0),)
    still = pde.Equation(
        pde.inside(box, 64), lambda u, at: u.gradient[0, :, 0] - at[:, 0], 1.0, pde.GRADIENT, adaptive=True
    )
    start = pde.Equation(lambda draw: torch.zeros(1, 1), lambda u, at: u.value[:, 0])
    problem = pde.Problem(box, 1, {"slope": still, "start": start}, linear=True)
    config = pde.SolveConfig().with_(field={"width": 16, "hidden": 1}, fit={"steps": 300})

    def stop(progress: Progress) -> None:
        if progress.snapshot.step == 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pde.solve(problem, config, run=tmp_path / "run", callbacks=[stop])
    with pytest.raises(SignalError, match="start it again"):
        pde.load_solution(tmp_path / "run")
    resumed = pde.solve(problem, config, run=tmp_path / "run")
    whole = pde.solve(problem, config)
    assert torch.equal(resumed.field.flat, whole.field.flat)
    kept = pde.load_solution(tmp_path / "run")
    assert torch.equal(kept.field.flat.detach(), whole.field.flat.detach())
    assert kept.exact == whole.exact
    axis = np.linspace(0, 1, 9)
    np.testing.assert_allclose(whole.on(axis)[:, 0], axis**2 / 2, atol=1e-3)


# Slow: as it is in the documentation.
def test_the_page_of_the_documentation_solves_its_problem(root: Path) -> None:
    """In about thirty lines, as it says."""
    (program,) = re.findall(r"```python\n(.*?)```", (root / "docs" / "pde.md").read_text("utf-8"), re.DOTALL)
    assert len([line for line in program.splitlines() if line.strip()]) <= 32
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(program, "docs/pde.md", "exec"), {})
    assert float(said.getvalue().rsplit(maxsplit=1)[1]) < 0.005


def test_what_cannot_be_solved_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("nan.npy", np.full((4, 4), np.nan))
    np.save("flat.npy", np.ones((4, 5)))
    np.save("zero.npy", np.zeros((4, 4)))
    np.save("ring.npy", np.full((8, 8), 0.7))
    np.save("words.npy", np.array([["a", "b"], ["c", "d"]]))
    Path("text.npy").write_text("slowness")
    np.savez("half.npz", sources=np.zeros((1, 2)))
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("x")
    for arguments, says in (
        (["helmholtz", "--medium", "cube"], "unknown medium 'cube'"),
        (["helmholtz", "--medium", "none.npy"], "there is no file"),
        (["helmholtz", "--medium", "nan.npy"], "not finite"),
        (["helmholtz", "--medium", "flat.npy"], "expected a square one"),
        (["helmholtz", "--medium", "zero.npy"], "expected all above 0"),
        (["helmholtz", "--medium", "words.npy"], "expected real numbers"),
        (["helmholtz", "--medium", "text.npy"], "not a .npy file"),
        (["helmholtz", "--wavenumber", "-3"], "expected above 0"),
        (["helmholtz", "--wavenumber", "1e308"], "up to 10000"),
        (["inverse", "--wavenumbers", "8,1e308"], "up to 10000"),
        (["inverse", "--data", "x" * 300], "File name too long"),
        (["helmholtz", "--wavenumber", "nan"], "'nan' is not a number"),
        (["helmholtz", "--source=0.7,0"], "within ±0.5"),
        (["helmholtz", "--width", "0"], "expected above 0"),
        (["helmholtz", "-o", "full"], "holds files that are not of a run"),
        (["helmholtz", "-o", "full/thesis.tex"], "Not a directory"),
        (["wave", "--initial", "sine"], "unknown initial wave 'sine'"),
        (["wave", "--initial", "zero.npy"], "nothing to solve"),
        (["wave", "--until", "0"], "expected above 0"),
        (["wave", "--frames", "1"], "a whole number from 2 to"),
        (["inverse", "--medium", "ring.npy"], "not 1 outside the ring"),
        (["inverse", "--sources", "0"], "a whole number from 1 to"),
        (["inverse", "--noise", "-1"], "expected 0 or above"),
        (["inverse", "--data", "half.npz"], "has no array 'receivers'"),
        (["inverse", "--data", "nan.npy"], "not a .npz file"),
    ):
        assert says in refused(capsys, *arguments), arguments
    assert Path("full/thesis.tex").read_text() == "x"
    assert not (tmp_path / "helmholtz").exists()


def test_another_problem_does_not_replace_a_solution(
    solve: Solve, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recon.pde.solve_helmholtz.OUTPUT_CELLS", 60)
    solve("helmholtz", "--wavenumber", "4", steps=10)
    before = (tmp_path / "out" / "field.pt").read_bytes()
    other = ["helmholtz", "--wavenumber", "5", "-o", tmp_path / "out", *SMALL, "--set", "fit.steps=10"]
    assert "another problem" in refused(capsys, *other)
    assert (tmp_path / "out" / "field.pt").read_bytes() == before
    assert solve("helmholtz", "--wavenumber", "5", "--overwrite", steps=10)["wavenumber"] == 5

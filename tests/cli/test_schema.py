"""docs/schema says what settings are, and what `--json` prints."""

from __future__ import annotations

import importlib
import json
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator, ValidationError
from schemas import printed, validator

import recon
from recon.cli.main import COMMANDS, main
from recon.pde import settings as pde_settings
from recon.signals import settings as signal_settings
from recon.signals.media.images import write_image
from recon.signals.media.video import write_film
from recon.spaces import settings as space_settings
from recon.spaces import shape_scores

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
make_schema = importlib.import_module("make_schema")

PRESETS = {
    "mesh": recon.PRESETS.values(),
    "fit": [config for preset in signal_settings.PRESETS.values() for config in preset.values()],
    "solve": [config for preset in pde_settings.PRESETS.values() for config in preset.values()],
    "learn": space_settings.STANDARD.values(),
}
TINY = [f"--set={setting}" for setting in ("field.width=8", "field.hidden=1", "fit.steps=3")]


def test_schemas_are_current() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in make_schema.FOLDER.iterdir()}
    assert kept == {name: make_schema.text(schema) for name, schema in make_schema.schemas().items()}, (
        "run tools/make_schema.py"
    )
    for schema in make_schema.schemas().values():
        Draft202012Validator.check_schema(schema)


def test_every_command_has_one() -> None:
    assert list(make_schema.OUTPUTS) == list(COMMANDS)


@pytest.mark.parametrize("command", PRESETS)
def test_presets_fit_their_schema(command: str) -> None:
    check = validator(f"{command}.settings.json")
    for config in PRESETS[command]:
        settings = json.loads(json.dumps(config.as_dict()))
        check.validate(settings)
        for wrong in ({"steps": 0}, {"steps": 1.5}, {"optimizer": "newton"}, {"speed": 1}):
            with pytest.raises(ValidationError):
                check.validate(settings | {"fit": settings["fit"] | wrong})


class Workplace:
    """Runs commands in a folder and validates what they print."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def run(self, *command: object) -> dict[str, Any]:
        """What the command prints, which fits its schema."""
        words = [str(word) for word in command]
        assert main([*words, "--json", "--quiet", "--threads", "1"]) == 0
        output = printed(words[0], self.capsys.readouterr().out)
        with pytest.raises(ValidationError):
            printed(words[0], json.dumps(output | {"surprise": 1}))
        return output

    def picture(self, name: str, side: int = 16) -> Path:
        """A picture of that size."""
        values = np.random.default_rng(0).random((side, side, 3))
        write_image(values, self.folder / name, 8)
        return self.folder / name


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Workplace:
    monkeypatch.chdir(tmp_path)
    return Workplace(tmp_path, capsys)


def test_info_and_eval(at: Workplace, data: Path) -> None:
    assert at.run("info", data / "oni.ply")["kind"] == "cloud"
    mesh = data / "coupling_reference.ply"
    assert at.run("info", mesh)["kind"] == "mesh"
    at.run("eval", mesh, mesh, "--samples", 500)
    at.run("eval", mesh, data / "coupling.ply", "--samples", 500)


@pytest.mark.slow
def test_view(at: Workplace, data: Path) -> None:
    at.run("view", data / "oni.ply", "--screenshot", "p.png", "--size", "40x40")


@pytest.mark.slow
def test_fit(at: Workplace) -> None:
    photo, other = at.picture("a.png"), at.picture("b.png")
    for mode in ("image", "gradient", "laplacian"):
        at.run("fit", mode, photo, "--derivatives", "--overwrite", *TINY)
    at.run("fit", "image", photo, "--overwrite", *TINY)
    at.run("fit", "blend", photo, other, "--overwrite", *TINY)
    at.run("fit", "inpaint", photo, "--keep", 0.5, "--overwrite", *TINY)
    with wave.open("a.wav", "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(np.random.default_rng(0).integers(-9000, 9000, 4000, dtype="<i2").tobytes())
    at.run("fit", "audio", "a.wav", "--spectrogram", *TINY)
    write_film([np.full((16, 16, 3), 40 * number, np.uint8) for number in range(4)], "a.mp4", 10)
    at.run("fit", "video", "a.mp4", *TINY)


@pytest.mark.slow
def test_learn_and_complete(at: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    (at.folder / "photos").mkdir()
    for number in range(12):
        at.picture(f"photos/{number}.png")
    at.run("learn", "images", "photos", "-o", "pictures", "--size", 8, *TINY)
    photo = at.picture("a.png")
    at.run("complete", "pictures", photo, "--keep", 30, "--refine", 2)
    at.run("complete", "pictures", photo, "--between", photo, "-o", "strip.png")
    small = {"TEST_SHAPES": 2, "MESHED_SHAPES": 1, "BANK_SHAPES": 4, "MESH_RESOLUTION": 16}
    for name, value in small.items():
        monkeypatch.setattr(shape_scores, name, value)
    at.run("learn", "shapes", "-o", "shapes", *TINY)
    at.run("complete", "shapes", "shapes/example-1.csv", "--resolution", 24)

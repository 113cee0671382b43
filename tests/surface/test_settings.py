"""Settings: schedules, presets, and what is refused."""

from __future__ import annotations

import json

import pytest

from recon.errors import UsageError
from recon.field.settings import FieldConfig
from recon.meshing.settings import MeshConfig
from recon.surface.settings import PRESETS, Config, Schedule, SurfaceConfig


def test_a_schedule_is_geometric_between_its_points_and_constant_outside() -> None:
    schedule = Schedule(((0.2, 1.0), (0.4, 100.0), (0.8, 10.0)))
    shares = [0.0, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0]
    expected = [1.0, 1.0, 10.0, 100.0, 1000**0.5, 10.0, 10.0]
    assert [schedule(share) for share in shares] == pytest.approx(expected)
    assert Schedule.constant(3.0)(0.7) == 3.0


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_valid_and_survive_a_file(name: str) -> None:
    config = PRESETS[name]
    config.check()
    assert Config.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_the_first_layer_reaches_as_high_as_the_scan_is_dense() -> None:
    field = FieldConfig(omega_first=30.0)
    assert field.resolved_for(1.0).spread == 1.0  # sparse: the frequencies of the paper
    assert field.resolved_for(1e-4).spread == 3.0
    between = field.resolved_for(0.015).spread
    assert between is not None and 0.015 * 30.0 * between == pytest.approx(0.65)  # rad between neighbours
    assert FieldConfig(spread=2.0).resolved_for(1e-4).spread == 2.0  # a setting is kept
    assert field.resolved_for(0.009, 0.004).spread == pytest.approx(between)  # noise blurs: 9² + 12² = 15²
    assert PRESETS["paper"].field.resolved_for(1e-4).spread == 1.0


def test_a_mesh_is_as_fine_as_its_scan_is_dense() -> None:
    mesh = MeshConfig(finest=512)
    assert mesh.resolved_for(0.04, 2.0).resolution == 301  # 6 cells from a point to the next
    assert mesh.resolved_for(1e-4, 2.0).resolution == 512
    assert mesh.resolved_for(1.0, 2.0).resolution == 128
    assert PRESETS["draft"].mesh.resolved_for(0.04, 2.0).resolution == 256
    assert MeshConfig(resolution=99).resolved_for(0.04, 2.0).resolution == 99  # a setting is kept
    config = Config().resolved_for(0.04, 0.0, 2.0)
    assert (config.mesh.resolution, config.field.spread) == (301, 1.0)
    assert config.resolved_for(1e-3, 0.0, 2.0) == config  # nothing is decided twice
    assert (
        Config().resolved_for(0.04, 0.001, 2.0) == config
    )  # what estimated normals show of curves is no noise
    assert Config().resolved_for(0.04, 0.004, 2.0).surface.rounding == pytest.approx(1.345 * 0.004)


def test_noise_caps_the_weight_of_the_scan_and_a_clean_scan_keeps_it() -> None:
    surface = SurfaceConfig(surface=Schedule(((0.0, 300.0), (0.5, 3000.0))), noise_weight=2.5e-4)
    exact = surface.resolved_for(0.0)
    assert exact.surface == surface.surface == surface.resolved_for(1e-6).surface and exact.rounding == 0.0
    assert surface.resolved_for(1e-3).rounding == pytest.approx(1.345e-3)
    noisy = surface.resolved_for(5e-4).surface
    assert [noisy(0.0), noisy(0.5), noisy(1.0)] == pytest.approx([300.0, 1000.0, 1000.0])
    assert surface.resolved_for(5e-3).surface(0.0) == pytest.approx(10.0)
    assert PRESETS["paper"].surface.resolved_for(1.0) == PRESETS["paper"].surface


def test_the_paper_preset_is_the_published_method() -> None:
    config = PRESETS["paper"]
    assert (config.field.width, config.field.hidden, config.field.omega_first) == (256, 3, 30.0)
    assert (config.surface.on_surface, config.surface.off_surface) == (1400, 1400)
    assert config.surface.prior is None and config.surface.near_share == 0.0
    # Published: 3e3, 1e2, 1e2 over all samples of a batch, half of which each term is defined on.
    assert [config.surface.surface(0.5), config.surface.normal(0.5), config.surface.off(0.5)] == [
        1500,
        50,
        50,
    ]
    assert config.surface.eikonal(0.5) == 50
    assert (config.fit.optimizer, config.fit.rate, config.fit.decay) == ("adam", 1e-4, "constant")
    assert config.fit.clip == 1.0


@pytest.mark.parametrize(
    ("stage", "setting", "value", "words"),
    [
        ("fit", "stepz", 1, "no setting fit.stepz"),
        ("fit", "steps", 0, "fit.steps is 0"),
        ("fit", "rate", float("nan"), "fit.rate is nan"),
        ("fit", "optimizer", "sgd", "expected one of muon, adam"),
        ("mesh", "resolution", 5, "mesh.resolution is 5"),
        ("mesh", "parts", "0", "parts is '0'"),
        ("mesh", "parts", "²", "parts is '²'"),
        ("mesh", "parts", "9" * 5000, "expected auto, all, largest or a number"),
        ("scan", "normals", "guess", "scan.normals is 'guess'"),
    ],
)
def test_a_setting_that_makes_no_sense_is_named(stage: str, setting: str, value: object, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Config().with_(**{stage: {setting: value}})

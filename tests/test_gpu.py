"""What only a GPU can show: that everything runs there, and comes to what it comes to on the CPU."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensors import assert_close

import recon
from recon.cli.main import main
from recon.errors import FitError
from recon.field.derivatives import value_and_gradient, value_and_jacobian
from recon.field.heads import HeadedField
from recon.field.settings import FieldConfig
from recon.field.siren import Siren
from recon.geometry import Frame, PointCloud
from recon.meshing.extraction import extract
from recon.meshing.topology import topology
from recon.scan.preparation.inside import Surroundings
from recon.surface.evaluation import evaluate
from recon.surface.settings import Config
from recon.training.trainer import Progress

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

BOX = np.array([[-1.0] * 3, [1.0] * 3])
SMALL = Config().with_(
    field={"width": 32, "hidden": 2},
    surface={"on_surface": 300, "off_surface": 200, "prior_samples": 5_000},
    fit={"steps": 300},
    mesh={"resolution": 48},
)


def ball(x: torch.Tensor) -> torch.Tensor:
    return x.norm(dim=1) - 0.6


@pytest.mark.parametrize("outputs", [1, 3])
def test_fields_are_those_of_the_cpu(outputs: int) -> None:
    field = Siren(FieldConfig(width=64), outputs=outputs)
    x = torch.rand((1000, 3), generator=torch.Generator().manual_seed(0)) * 2 - 1
    derivatives = value_and_gradient if outputs == 1 else value_and_jacobian
    wanted = [*derivatives(field, x), field.values(x)]
    field = field.to("cuda")
    found = [*derivatives(field, x.to("cuda")), field.values(x.to("cuda"))]
    for ours, theirs in zip(found, wanted, strict=True):
        assert_close(ours.detach().cpu(), theirs.detach(), rtol=1e-4, atol=1e-4)


def test_a_surface_is_extracted_there_as_on_the_cpu() -> None:
    there, here = (extract(ball, BOX, 96, device=device) for device in ("cuda", "cpu"))
    shape = topology(there)
    assert shape.watertight and shape.genus == 0
    assert there.faces.shape == here.faces.shape
    np.testing.assert_allclose(np.linalg.norm(there.vertices, axis=1), 0.6, atol=1e-5)
    np.testing.assert_allclose(there.vertices.mean(0), here.vertices.mean(0), atol=1e-5)


def test_sides_of_space_are_those_of_the_cpu(data: Path) -> None:
    """But for a few where libigl's winding number, an approximation, is near the level."""
    cloud = recon.read_cloud(data / "kitten.ply")
    unit = PointCloud(Frame.around(cloud.points, 0.1).to_unit(cloud.points), cloud.normals)
    there, here = (Surroundings(unit, device=device).sample(BOX, 20_000, 0.5) for device in ("cuda", "cpu"))
    np.testing.assert_array_equal(there.points, here.points)
    assert np.isclose(there.distances, here.distances, atol=1e-6).mean() > 0.999


@pytest.mark.parametrize("normals", ["file", "estimate", "none"])
def test_scans_become_surfaces(data: Path, normals: str) -> None:
    """Of another set of samples, drawn on the GPU, and so by its error alone the CPU's."""
    cloud = recon.read_cloud(data / "kitten.ply")
    config = SMALL.with_(scan={"normals": normals})
    errors = {}
    for device in ("cuda", "cpu"):
        result = recon.reconstruct(cloud, config, device=device)
        assert result.device.type == device and result.snapshot.recoveries == 0
        errors[device] = evaluate(result.mesh(), cloud, samples=20_000).reference_to_mesh.mean
    assert errors["cuda"] < 1.3 * errors["cpu"]


def test_the_field_goes_from_one_to_the_other(data: Path, tmp_path: Path) -> None:
    """A run kept by a GPU is a run anywhere, with the same distances."""
    cloud = recon.read_cloud(data / "oni.ply")
    made = recon.reconstruct(cloud, SMALL, run=tmp_path, device="cuda")
    wanted = made.distance(cloud.points)
    for device in ("cpu", "cuda"):
        np.testing.assert_allclose(recon.load(tmp_path, device).distance(cloud.points), wanted, atol=1e-3)


@pytest.mark.parametrize("optimizer", ["muon", "adam"])
@pytest.mark.parametrize(("first", "then"), [("cuda", "cuda"), ("cuda", "cpu"), ("cpu", "cuda")])
def test_a_stopped_run_is_taken_up(data: Path, tmp_path: Path, optimizer: str, first: str, then: str) -> None:
    cloud, config = recon.read_cloud(data / "oni.ply"), SMALL.with_(fit={"optimizer": optimizer})

    def stop(progress: Progress) -> None:
        if progress.snapshot.step == 150 and not progress.is_last:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recon.reconstruct(cloud, config, run=tmp_path, device=first, callbacks=[stop])
    done = recon.reconstruct(cloud, config, run=tmp_path, device=then)
    assert done.snapshot.step == 300 and done.snapshot.recoveries == 0
    assert done.snapshot.history[-1]["loss"] < done.snapshot.history[0]["loss"]


def test_a_run_that_diverges_goes_back(data: Path) -> None:
    """The state that it goes back to is another memory than was recorded."""
    config = SMALL.with_(fit={"rate": 0.3, "warmup": 0, "steps": 200})
    try:
        result = recon.reconstruct(recon.read_cloud(data / "oni.ply"), config, device="cuda")
    except FitError:
        return
    assert result.snapshot.recoveries > 0
    assert torch.isfinite(result.field.trunk.flat).all()


def test_previews_are_drawn_while_it_trains(data: Path, tmp_path: Path) -> None:
    config = SMALL.with_(mesh={"resolution": 32})
    result = recon.reconstruct(
        recon.read_cloud(data / "oni.ply"), config, run=tmp_path, device="cuda", preview=1e-3
    )
    assert result.snapshot.step == 300
    assert len(recon.read_mesh(tmp_path / "preview.ply").faces) > 0


def test_other_numbers_may_be_allowed_to_round(data: Path) -> None:
    """A program that lets its own products round gets the same field from us."""
    field = Siren(FieldConfig(width=128)).to("cuda")
    x = torch.rand((1000, 3), device="cuda", generator=torch.Generator("cuda").manual_seed(0)) * 2 - 1
    result = recon.reconstruct(
        recon.read_cloud(data / "oni.ply"), SMALL.with_(fit={"steps": 50}), device="cuda"
    )
    wanted = replace(result, field=HeadedField(field)).distance(x.cpu().numpy())
    settings = torch.backends.cuda.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "tf32"
    try:
        found = replace(result, field=HeadedField(field)).distance(x.cpu().numpy())
    finally:
        settings.fp32_precision = before
    np.testing.assert_array_equal(found, wanted)


def test_the_command_and_a_batch_use_it(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    for name in ("oni", "kitten"):
        (scans / f"{name}.ply").write_bytes((data / f"{name}.ply").read_bytes())
    options = ["--device", "cuda", "--set", "fit.steps=100", "--resolution", "32", "--json", "--quiet"]
    assert main(["batch", str(scans), str(tmp_path / "out"), *options]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 2
    manifest = json.loads((tmp_path / "out" / "oni.ply.json").read_text())
    assert manifest["run"]["device"].startswith("cuda")

"""The heads of a scan: what they add to a short-trained trunk, under noise too, and how they are kept."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import recon
from recon.errors import FitError, UsageError
from recon.field.heads import HeadedField
from recon.geometry import Float, PointCloud
from recon.surface.heads import tiles_for
from recon.surface.reconstruction import Reconstruction
from recon.surface.settings import MIN_TILE, PRESETS, Config, HeadsConfig

SMALL = PRESETS["draft"].with_(
    field={"width": 32, "hidden": 2}, surface={"prior_samples": 4000}, fit={"steps": 400}
)
RADIUS = 3.0


def directions(count: int, seed: int = 0) -> Float:
    found = np.random.default_rng(seed).normal(size=(count, 3))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def sphere(noise: float = 0.0, normal_noise: float = 0.0) -> PointCloud:
    rng = np.random.default_rng(5)
    normals = directions(30_000)
    points = (RADIUS + noise * rng.normal(size=(len(normals), 1))) * normals
    turned = normals + normal_noise * rng.normal(size=normals.shape)
    return PointCloud(points, turned / np.linalg.norm(turned, axis=1, keepdims=True))


def errors(result: Reconstruction) -> tuple[Float, Float]:
    """Distances that should be 0, and deviations of the gradient's length from 1, on the true sphere."""
    distance, gradient = result.distance_and_gradient(RADIUS * directions(5_000, seed=1))
    return np.abs(distance), np.abs(np.linalg.norm(gradient, axis=1) - 1)


@pytest.fixture(scope="module")
def result() -> Reconstruction:
    return recon.reconstruct(sphere(), SMALL, device="cpu")


NOISE = 0.03


@pytest.fixture(scope="module")
def noisy() -> Reconstruction:
    return recon.reconstruct(sphere(NOISE, 0.15), SMALL, device="cpu")


def alone(result: Reconstruction) -> Reconstruction:
    return Reconstruction(
        HeadedField(result.field.trunk),
        result.frame,
        result.box,
        result.scan,
        result.config,
        result.snapshot,
        result.description,
    )


@pytest.mark.slow
def test_heads_meet_the_scan_far_better_than_their_trunk(result: Reconstruction) -> None:
    (found, slope), (before, bent) = errors(result), errors(alone(result))
    assert found.mean() < 0.05 * before.mean()
    assert slope.mean() < 0.5 * bent.mean()


@pytest.mark.slow
def test_heads_average_noise_and_the_field_stays_a_distance(noisy: Reconstruction) -> None:
    assert noisy.config.heads.tile is not None and noisy.config.heads.tile > 0.1
    found, slope = errors(noisy)
    assert found.mean() < 0.25 * NOISE
    assert slope.mean() < 0.08


@pytest.mark.slow
def test_error_bars_hold_the_errors_and_grow_where_the_scan_says_nothing(noisy: Reconstruction) -> None:
    whole = noisy.mesh(64, uncertainty=True)
    error, bar = np.abs(np.linalg.norm(whole.vertices, axis=1) - RADIUS), whole.values["uncertainty"]
    assert 0.6 < (error < bar).mean() < 0.9  # four starts: 0.74 to 0.80
    cut = noisy.scan.select(noisy.scan.points[:, 2] < 0.8 * RADIUS)
    capless = replace(noisy, scan=cut).mesh(64, trim="off", uncertainty=True)
    height, bar = capless.vertices[:, 2], capless.values["uncertainty"]
    assert bar[height > 0.95 * RADIUS].min() > 10 * np.median(bar[height < 0.5 * RADIUS])


@pytest.mark.slow
def test_far_from_the_scan_the_distance_is_the_trunks(result: Reconstruction) -> None:
    centre = 0.2 * directions(50)
    np.testing.assert_allclose(result.distance(centre), alone(result).distance(centre), rtol=1e-5)


@pytest.mark.slow
def test_a_run_folder_keeps_the_heads(result: Reconstruction, tmp_path: Path) -> None:
    result.save(tmp_path / "run")
    probes = RADIUS * directions(100, seed=2)
    np.testing.assert_array_equal(recon.load(tmp_path / "run").distance(probes), result.distance(probes))
    heads = tmp_path / "run" / "heads.npz"
    content = heads.read_bytes()
    heads.write_bytes(content[: len(content) // 2])
    with pytest.raises(FitError, match=r"heads\.npz is not as recon writes it .* remove the folder"):
        recon.load(tmp_path / "run")
    heads.unlink()  # of an older version, or stopped before the heads
    np.testing.assert_array_equal(
        recon.load(tmp_path / "run").distance(probes), alone(result).distance(probes)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("nodes", "units", "edge", "said"),
    [
        (np.zeros((1, 3)), 9, 0.1, r"heads of shape \(2, 1, 9\)"),  # of another trunk
        (np.zeros((1, 2)), 33, 0.1, r"nodes of shape \(1, 2\)"),
        (np.array([[0, 0, 1], [0, 0, 0]]), 33, 0.1, "not in rising order"),
        (np.array([[0, 0, 0], [2**30, 2**30, 2**30]]), 33, 0.1, "nodes up to"),  # a table of 2^90 places
        (np.zeros((1, 3)), 33, np.nan, r"edges of \[\[nan nan nan\]\]"),
    ],
)
def test_heads_that_cannot_be_are_refused(
    result: Reconstruction, tmp_path: Path, nodes: Float, units: int, edge: float, said: str
) -> None:
    result.save(tmp_path / "run")
    heads = np.zeros((len(nodes) + 1, 1, units), np.float32)
    np.savez(tmp_path / "run" / "heads.npz", edge=[edge] * 3, nodes=nodes.astype(np.int32), heads=heads)
    with pytest.raises(FitError, match=said):
        recon.load(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("edges", "counts", "said"),
    [
        ([[0.1] * 3, [0.2] * 3], [1, 0], r"\[1 0\] of 2 nodes"),
        ([[0.1] * 3, [0.2] * 3], [3, -1], r"\[ 3 -1\] of 2 nodes"),
        ([[0.1] * 3, [0.2] * 3], [1.0, 1.0], r"\[1\. 1\.\] of 2 nodes"),
        ([[0.1] * 3, [0.2] * 3], [2], r"edges of"),
        ([[0.1] * 3, [0.3] * 3], [1, 1], "do not hold whole ones"),
    ],
)
def test_heads_of_sizes_that_cannot_be_are_refused(
    result: Reconstruction, tmp_path: Path, edges: list[list[float]], counts: list[float], said: str
) -> None:
    result.save(tmp_path / "run")
    nodes, heads = np.array([[0, 0, 0], [0, 0, 1]], np.int32), np.zeros((3, 1, 33), np.float32)
    np.savez(tmp_path / "run" / "heads.npz", edge=edges, counts=counts, nodes=nodes, heads=heads)
    with pytest.raises(FitError, match=said):
        recon.load(tmp_path / "run")


@pytest.mark.slow
def test_heads_of_before_there_were_sizes_are_read(result: Reconstruction, tmp_path: Path) -> None:
    result.save(tmp_path / "run")
    with np.load(tmp_path / "run" / "heads.npz") as arrays:
        old = {name: arrays[name] for name in ("nodes", "heads")} | {"edge": arrays["edge"][0]}
    np.savez(tmp_path / "run" / "heads.npz", **old)
    probes = RADIUS * directions(100, seed=2)
    np.testing.assert_array_equal(recon.load(tmp_path / "run").distance(probes), result.distance(probes))


@pytest.mark.slow
def test_tiles_are_larger_where_points_are_sparse_and_a_run_folder_keeps_them(tmp_path: Path) -> None:
    whole = sphere()
    sparse = whole.points[:, 2] > 0
    kept = ~sparse | (np.arange(len(sparse)) % 20 == 0)
    found = recon.reconstruct(whole.select(kept), SMALL, device="cpu")
    assert found.field.tiles is not None and found.config.heads.tile is not None
    sizes = [lattice.edge[0] / found.config.heads.tile for lattice in found.field.tiles.lattices]
    assert sizes == [1, 2, 4]
    above = directions(5_000, seed=1)
    above = RADIUS * above[above[:, 2] > 0.2]
    with_heads, without = (np.abs(field.distance(above)).mean() for field in (found, alone(found)))
    assert with_heads < 0.5 * without  # with tiles of one size: 0.63
    found.save(tmp_path / "run")
    probes = RADIUS * directions(100, seed=2)
    np.testing.assert_array_equal(recon.load(tmp_path / "run").distance(probes), found.distance(probes))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_an_even_scan_has_tiles_of_one_size(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    points = 0.9 * directions(40_000, seed) * (1 + noise * rng.normal(size=(40_000, 1)))
    spacing = math.sqrt(4 * math.pi * 0.81 / 40_000)
    config = HeadsConfig().resolved_for(spacing, noise)
    assert len(tiles_for(torch.tensor(points), config, spacing, noise, threads=1).lattices) == 1


@pytest.mark.parametrize("apart", [0.0, 1e-12, 1e-7])
def test_points_on_top_of_each_other_have_tiles_that_coordinates_can_tell(apart: float) -> None:
    points = 0.9 * directions(40_000)
    heap = points[:1] + apart * directions(2000, seed=1)
    spacing = math.sqrt(4 * math.pi * 0.81 / 40_000)
    config = HeadsConfig().resolved_for(spacing, 0.0)
    tiles = tiles_for(torch.tensor(np.concatenate([points, heap])), config, spacing, 0.0, threads=1)
    smallest, *_, largest = (lattice.edge[0] for lattice in tiles.lattices)
    assert 0.7 * MIN_TILE < smallest < 4 * MIN_TILE and largest == config.tile
    assert tiles.corners(torch.tensor(heap)).hats(torch.tensor(heap)).isfinite().all()


def test_a_tile_smaller_than_coordinates_can_tell_is_refused() -> None:
    with pytest.raises(UsageError, match=r"heads\.tile is 1e-09, expected 0 or at least 1e-05"):
        Config().with_(heads={"tile": 1e-9})


def test_tiles_follow_the_density_and_the_noise() -> None:
    heads = HeadsConfig(spacings=3.0)
    assert heads.resolved_for(0.01, 0.0).tile == pytest.approx(0.03)
    assert heads.resolved_for(0.01, 0.008).tile == pytest.approx(3.5 * (8e-5) ** (1 / 3))
    assert heads.resolved_for(0.05, 0.0).tile == 0.0  # sparse: the trunk alone
    assert HeadsConfig(tile=0.2).resolved_for(0.05, 0.0).tile == 0.2  # a setting is kept


def test_the_trunk_is_small_only_where_there_are_heads() -> None:
    def trunk(config: Config, spacing: float) -> tuple[int | None, int | None]:
        found = config.resolved_for(spacing, 0.0, 2.0)
        return found.field.width, found.fit.steps

    standard, none = Config(), Config().with_(scan={"normals": "none"})
    assert trunk(standard, 0.001) == (64, 600)
    assert trunk(standard, 0.015) == (64, 3000)  # a quarter of 12,000 at half the spacing
    assert trunk(standard, 0.05) == trunk(none, 0.001) == (128, 12_000)
    assert none.resolved_for(0.001, 0.0, 2.0).heads.tile == 0.0
    chosen = standard.with_(fit={"steps": 77}, field={"width": 11})
    assert trunk(chosen, 0.001) == trunk(chosen, 0.05) == (11, 77)
    assert trunk(PRESETS["paper"], 0.001) == (256, 50_000)

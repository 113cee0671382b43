"""Outliers go, surfaces stay: dense and sparse ones, thin ones, sharp ones, several."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.spatial import cKDTree
from shapes import cube, half_sphere, plane, plate, sphere, torus, unit

from recon.geometry import Float
from recon.scan.preparation.outliers import outliers


def graded_sphere(count: int = 30_000) -> Float:
    """A unit sphere ten times as dense at one pole as at the other."""
    rng = np.random.default_rng(0)
    points = unit(rng.normal(size=(6 * count, 3)))
    return points[rng.random(len(points)) < 0.1 ** ((1 - points[:, 2]) / 2)][:count]


def rod(count: int = 4000) -> Float:
    """A cylinder of a radius of three point spacings, round a fourth of the unit circle."""
    spacing = 2 * np.pi * 0.01 / 19
    assert spacing == pytest.approx(0.01 / 3, rel=0.02)
    rng = np.random.default_rng(0)
    length = count * spacing**2 / (2 * np.pi * 0.01)
    at, turn = rng.uniform(0, length, count), rng.uniform(0, 2 * np.pi, count)
    across = 0.01 * np.cos(turn)
    return np.stack([(1 + across) * np.cos(at), (1 + across) * np.sin(at), 0.01 * np.sin(turn)], axis=1)


def two_parts() -> Float:
    """Far from each other, one nine times as dense as the other."""
    return np.concatenate([0.5 * sphere(8000).points, 1.5 * torus(2000).points + [6, 0, 0]])


CLEAN = {
    "sphere": sphere(10_000).points,
    "noisy sphere": sphere(10_000, noise=0.01).points,
    "torus": torus(10_000).points,
    "cube": cube(10_000).points,
    "thin plate": plate(10_000, 0.04).points,
    "half sphere": half_sphere(5000).points,
    "plane": plane().points,
    "two parts": two_parts(),
    "graded sphere": graded_sphere(),
    "rod": rod(),
}


@pytest.mark.parametrize("name", CLEAN)
def test_clean_scans_lose_next_to_nothing(name: str) -> None:
    assert outliers(CLEAN[name]).mean() < 1e-3


@pytest.mark.parametrize(
    ("name", "share"),
    [*product(["sphere", "torus", "cube", "half sphere"], [0.01, 0.1]), ("rod", 0.01)],
)
def test_points_strewn_about_are_found(name: str, share: float) -> None:
    surface = CLEAN[name]
    low, high = surface.min(0), surface.max(0)
    diagonal = np.linalg.norm(high - low)
    rng = np.random.default_rng(1)
    strewn = rng.uniform(low - 0.2 * diagonal, high + 0.2 * diagonal, (int(share * len(surface)), 3))
    found = outliers(np.concatenate([surface, strewn]))
    away = cKDTree(surface).query(strewn)[0]
    assert found[len(surface) :][away > 0.05 * diagonal].mean() >= 0.95
    assert found[: len(surface)].mean() < 5e-3


def test_a_loose_clump_goes_and_a_small_part_stays() -> None:
    rng = np.random.default_rng(1)
    clump = 0.05 * rng.normal(size=(15, 3)) + [2, 0, 0]
    part = 0.1 * sphere(300).points + [0, 2, 0]
    surface = CLEAN["sphere"]
    found = outliers(np.concatenate([surface, part, clump]))
    assert found[-15:].all() and not found[-315:-15].any()


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e6, 1e8)])
def test_unit_and_place_do_not_matter(scale: float, shift: float) -> None:
    rng = np.random.default_rng(1)
    points = np.concatenate([CLEAN["torus"], rng.uniform(-1, 1, (300, 3))])
    assert (outliers(scale * points + shift) == outliers(points)).mean() > 0.9999


@pytest.mark.parametrize("count", [0, 1, 2, 20, 60])
def test_a_handful_of_points_has_none_to_spare(count: int) -> None:
    assert not outliers(sphere(count).points).any()

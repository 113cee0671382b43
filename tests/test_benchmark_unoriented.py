"""What the benchmark of scans without normals makes its scans of."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
unoriented = importlib.import_module("benchmarks.unoriented")

HALF = np.array([1.0, 0.7, 0.5])
DISTANCE = {
    "sphere": lambda p: np.linalg.norm(p, axis=1) - 1,
    "box": lambda p: np.abs(p / HALF).max(1) - 1,
    "torus": lambda p: np.hypot(np.hypot(p[:, 0], p[:, 1]) - 1, p[:, 2]) - 0.35,
}


@pytest.mark.parametrize("shape", DISTANCE)
def test_scans_are_even_samples_of_closed_surfaces(shape: str) -> None:
    points = unoriented.scan(shape, 4000, 1)
    assert points.shape == (4000, 3) and np.abs(DISTANCE[shape](points)).max() < 1e-12
    assert np.abs(points.mean(0)).max() < 0.05
    assert np.array_equal(points, unoriented.scan(shape, 4000, 1))
    assert not np.array_equal(points, unoriented.scan(shape, 4000, 2))
    if (
        shape == "torus"
    ):  # by Pappus, 0.5 + 0.35 / pi of its area lies outside of the circle in the tube's middle
        outer = (np.hypot(points[:, 0], points[:, 1]) > 1).mean()
        assert outer == pytest.approx(0.5 + 0.35 / np.pi, abs=0.03)


def test_of_the_kitten_there_are_as_many_points_as_it_has() -> None:
    assert len(unoriented.scan("kitten", 2000, 0)) == 2000
    assert len(unoriented.scan("kitten", 20_000, 0)) == 5210


def test_a_line_of_the_table_says_how_many_seeds_were_right() -> None:
    row = {"shape": "box", "points": 2000, "preset": "draft", "instructions": "avx2", "seconds": 2.5}
    rows = [{**row, "seed": seed, "right": seed != 3, "parts": 1 + (seed == 3)} for seed in range(20)]
    other = {**row, "seed": 0, "shape": "torus", "right": True, "parts": 1}
    assert unoriented.markdown([*rows, other])[-2:] == [
        "| box | 2,000 | draft | avx2 | 19 of 20 | 2 | 2.5 |",
        "| torus | 2,000 | draft | avx2 | 1 of 1 | 1 | 2.5 |",
    ]

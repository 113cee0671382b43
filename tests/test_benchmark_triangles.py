"""The shape of triangles that are known, and of a field's."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from recon.geometry import Mesh

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
importlib.import_module("benchmark")
triangles = importlib.import_module("benchmarks.triangles")


def test_known_triangles_have_their_edges_heights_and_angles() -> None:
    """Sides 3, 4, 5; an equal-sided one of side 2; one of base 20 and height 0.1."""
    vertices = [[0, 0, 0], [3, 0, 0], [0, 4, 0], [0, 0, 9], [2, 0, 9], [1, 3**0.5, 9]]
    vertices += [[0, 0, 20], [20, 0, 20], [10, 0.1, 20]]
    row = triangles.shaped(Mesh(vertices, np.arange(9).reshape(3, 3)), cell=2.0)
    assert (row["faces"], row["edge"], row["height"]) == pytest.approx((3, 1.0, 0.05))
    assert row["angle"] == pytest.approx(np.degrees(np.arctan(0.01)))
    assert [row[f"below {limit}"] for limit in triangles.ACUTE] == [1 / 3] * 3


def test_vertices_that_a_reader_takes_for_one_are_counted() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1e-10, 1e-10, 0]])
    assert triangles.merged(Mesh(vertices, [[0, 1, 2], [3, 1, 2]])) == 1
    assert triangles.merged(Mesh(1e4 * vertices, [[0, 1, 2], [3, 1, 2]])) == 0

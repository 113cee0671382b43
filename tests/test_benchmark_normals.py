"""What the benchmark of normals compares: sides by votes, by a spanning tree, by Poisson surfaces."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from shapes import sphere

from recon.geometry import PointCloud
from recon.scan.preparation.normals import estimate_lines

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
normals = importlib.import_module("benchmarks.normals")


@pytest.mark.parametrize("method", normals.METHODS)
def test_each_method_finds_the_sides_of_a_sphere(method: str) -> None:
    cloud = sphere(500)
    found = normals.METHODS[method](PointCloud(cloud.points + 1e5), estimate_lines(cloud.points), 1)
    right = ((found * cloud.normals).sum(1) > 0).mean()
    assert max(right, 1 - right) > 0.99
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-9)


def test_a_line_of_the_table_names_shape_method_share_and_seconds() -> None:
    row = {"shape": "ball", "kind": "clean", "points": 3000, "method": "recon", "right": 0.9987}
    line = normals.markdown([{**row, "seconds": 0.234}])[-1]
    assert line == "| ball | clean | 3,000 | recon | 99.87 | 0.2 |"

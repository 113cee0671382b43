"""What the benchmark of error bars measures, on a scan with holes whose answer is known."""

import importlib
import sys
from pathlib import Path

from shapes import sphere

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
uncertainty = importlib.import_module("benchmarks.uncertainty")


def test_holes_are_where_no_points_are_left() -> None:
    cloud = sphere(4000)
    kept, inside = uncertainty.with_holes(cloud)
    assert not inside(kept.points).any()
    assert len(kept) == len(cloud) - inside(cloud.points).sum()
    assert 0.02 < 1 - len(kept) / len(cloud) < 0.3


def test_a_line_of_the_table_names_shares_in_per_cent() -> None:
    row = {"shape": "ball", "kind": "noisy", "within_one": 0.684, "within_two": 0.95, "filled": None}
    row |= {"bar": 0.5, "error": 0.3, "fifths": [0.1] * 5, "bars": [0.2] * 5}
    assert uncertainty.markdown([row])[-1].startswith(
        "| ball | noisy | 68 | 95 | - | 0.500 | 0.300 | 0.1 0.1"
    )

"""Classes and returns: only the points that are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from shapes import sphere

from recon.errors import ScanError, UsageError
from recon.scan.preparation.prepare import prepared
from recon.scan.preparation.selection import selected
from recon.scan.settings import ScanConfig

KIND = np.arange(1200) % 4 + 1.0
NUMBER, COUNT = np.arange(1200) % 3 + 1.0, np.full(1200, 3.0)
COUNT[NUMBER == 1] = np.where(np.arange(400) % 2 == 0, 1.0, 3.0)
CLOUD = replace(
    sphere(1200), values={"scalar_Classification": KIND, "return_number": NUMBER, "Number Of Returns": COUNT}
)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, KIND > 0),
        ({"classes": "2"}, KIND == 2),
        ({"classes": "2,4"}, KIND % 2 == 0),
        ({"returns": "first"}, NUMBER == 1),
        ({"returns": "last"}, NUMBER == COUNT),
        ({"returns": "only"}, COUNT == 1),
        ({"classes": "1", "returns": "first"}, (KIND == 1) & (NUMBER == 1)),
    ],
)
def test_the_points_of_classes_and_returns(asked: dict[str, str], kept: np.ndarray) -> None:
    found = selected(CLOUD, ScanConfig(**asked))
    np.testing.assert_array_equal(found.points, CLOUD.points[kept])
    np.testing.assert_array_equal(found.values["return_number"], NUMBER[kept])


def test_they_are_chosen_before_anything_else() -> None:
    cloud, _ = prepared(CLOUD, ScanConfig(classes="3"))
    assert set(cloud.values["scalar_Classification"]) == {3.0}


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"classes": "9"}, ScanError, r"no points of class 9, only of: 1 \(300 points\), 2"),
        ({"classes": "ground"}, UsageError, "'ground', expected numbers as 2,6"),
        ({"classes": "2", "returns": "only"}, ScanError, None),
    ],
)
def test_what_is_not_there_is_said(asked: dict[str, str], error: type[Exception], says: str | None) -> None:
    values = CLOUD.values if says else {**CLOUD.values, "Number Of Returns": np.full(1200, 3.0)}
    with pytest.raises(error, match=says or "no point of that class and return"):
        selected(replace(CLOUD, values=values), ScanConfig(**asked))


def test_without_classes_the_scalars_are_named() -> None:
    with pytest.raises(ScanError, match="has no classes; its scalars are: return_number"):
        selected(replace(CLOUD, values={"return_number": NUMBER}), ScanConfig(classes="2"))
    with pytest.raises(ScanError, match="has no numbers of returns; its scalars are: none"):
        selected(replace(CLOUD, values={}), ScanConfig(returns="last"))

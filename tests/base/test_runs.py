"""A run folder is taken up again by the same run alone; what differs is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recon.base.runs import OtherRunError, check_same_run, save_description

SAME = {"scan": "abc", "config": {"fit": {"steps": 9, "rate": 1.0}, "mesh": {"faces": 5}}}


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ({"scan": "abd", "config": SAME["config"]}, "a run on another scan"),
        ({"scan": "abc", "config": {"fit": {"steps": 8, "rate": 1.0}}}, "fit.steps was 8, now 9"),
        ({"scan": "abc", "config": {"fit": {"steps": 9}}}, "fit.rate was None, now 1.0"),
        (
            {"scan": "abc", "config": {"fit": {"steps": 9, "rate": 1.0, "old": 3}}},
            "fit.old was 3, now not a setting",
        ),
        (
            {"scan": "abc", "config": {"fit": {"steps": 9, "rate": 1.0, "old": None}}},
            "fit.old was None, now not a setting",
        ),
        ({"scan": "abc", "config": {}}, "fit was None"),
    ],
)
def test_another_run_is_told_by_what_differs(then: dict[str, Any], said: str, tmp_path: Path) -> None:
    """Also by settings that the version before or after does not have."""
    save_description(tmp_path, then)
    with pytest.raises(OtherRunError, match=said):
        check_same_run(tmp_path, SAME, "scan")


def test_another_mesh_is_of_the_same_run(tmp_path: Path) -> None:
    save_description(tmp_path, {**SAME, "config": {"fit": {"steps": 9, "rate": 1.0}, "mesh": {"old": 1}}})
    check_same_run(tmp_path, SAME, "scan")

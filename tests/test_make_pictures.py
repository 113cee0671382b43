"""The pictures to learn from and those to test with have nothing in common."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))
make_pictures = importlib.import_module("make_pictures")


def test_crops_for_the_test_are_of_another_region() -> None:
    columns = np.broadcast_to(np.linspace(0, 255, 500).astype(np.uint8)[None, :, None], (300, 500, 3))
    picture = Image.fromarray(np.ascontiguousarray(columns))
    split, gap, rng = 1 - make_pictures.TEST_SHARE, make_pictures.GAP, np.random.default_rng(0)
    train = make_pictures.crops(picture, 0.0, split - gap, 60, rng)
    test = make_pictures.crops(picture, split, 1.0, 60, rng)
    assert {crop.size for crop in [*train, *test]} == {(32, 32)}
    assert max(np.asarray(crop).max() for crop in train) < 255 * (split - gap / 2)
    assert min(np.asarray(crop).min() for crop in test) > 255 * (split - gap / 2)

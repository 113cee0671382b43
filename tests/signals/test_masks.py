"""A mask is true where it is bright, and of its image's size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pixels import HEIGHT, WIDTH

from recon.errors import SignalError
from recon.signals.media.images import CHANNEL_NAMES, read_image, read_mask, write_image


@pytest.mark.parametrize("channels", CHANNEL_NAMES.values())
def test_a_mask_is_true_where_bright(tmp_path: Path, channels: str) -> None:
    wanted = np.random.default_rng(2).uniform(size=(HEIGHT, WIDTH)) > 0.5
    values = np.where(wanted, 0.51, 0.49)[..., None].repeat(len(channels), 2)
    if channels.endswith("A"):
        values[..., -1] = 1 - values[..., -1]
    for ending, bits in ((".png", 8), (".png", 16), (".tif", 32)):
        write_image(values, tmp_path / f"mask{ending}", bits, overwrite=True)
        like = read_image(tmp_path / f"mask{ending}")
        mask = read_mask(tmp_path / f"mask{ending}", like)
        assert mask.dtype == bool and np.array_equal(mask, wanted)


def test_a_mask_has_the_size_of_its_image(tmp_path: Path) -> None:
    write_image(np.zeros((4, 6, 1)), tmp_path / "mask.png")
    write_image(np.zeros((6, 4, 3)), tmp_path / "image.png")
    with pytest.raises(
        SignalError, match=r"mask.png has 6 x 4 pixels, expected a mask of 4 x 6 like its image"
    ):
        read_mask(tmp_path / "mask.png", read_image(tmp_path / "image.png"))

"""TIFF keeps every bit in each of its layouts."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pixels import HEIGHT, WIDTH, noise

from recon.signals.media.images import CHANNEL_NAMES, read_image


@pytest.mark.parametrize("count", CHANNEL_NAMES)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4", "f8"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("layout", ["plain", "planes", "tiles", "deflate", "predictor", "big"])
def test_tiff_of_every_layout(tmp_path: Path, count: int, dtype: str, order: str, layout: str) -> None:
    if dtype[0] == "u":
        samples = noise(count, 8 * int(dtype[1]))
        expected = samples / float(np.iinfo(dtype).max)
    else:
        samples = np.random.default_rng(0).normal(0, 9, (HEIGHT, WIDTH, count)).astype(dtype)
        expected = samples.astype(float)
    options: dict = {
        "tiles": {"tile": (16, 16)},
        "deflate": {"compression": "zlib", "rowsperstrip": 2},
        "predictor": {"compression": "zlib", "predictor": dtype[0] == "u"},
        "big": {"bigtiff": True},
    }.get(layout, {})
    planes = layout == "planes" and count > 1
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(samples, 2, 0) if planes else samples if count > 1 else samples[..., 0],
        byteorder=order,
        photometric="rgb" if count > 2 else "minisblack",
        planarconfig=("separate" if planes else "contig") if count > 1 else None,
        extrasamples=["unassalpha"] if count in (2, 4) else None,
        **options,
    )
    picture = read_image(tmp_path / "a.tif")
    assert picture.channels == CHANNEL_NAMES[count]
    assert picture.bits == {"u1": 8, "u2": 16}.get(dtype, 32)
    assert np.array_equal(picture.values, expected)


@pytest.mark.parametrize(("kind", "count"), [("gray16le", 1), ("rgb48le", 3), ("rgba64le", 4)])
def test_16_bits_of_lzw_in_tiff(tmp_path: Path, kind: str, count: int) -> None:
    import av

    samples = noise(count, 16)
    coder = av.CodecContext.create("tiff", "w")
    coder.width, coder.height, coder.pix_fmt, coder.time_base = WIDTH, HEIGHT, kind, Fraction(1)
    coder.options = {"compression_algo": "lzw"}
    frame = av.VideoFrame(WIDTH, HEIGHT, kind)
    rows = np.zeros((HEIGHT, frame.planes[0].line_size), np.uint8)
    rows[:, : 2 * WIDTH * count] = samples.view(np.uint8).reshape(HEIGHT, -1)
    frame.planes[0].update(rows.tobytes())
    (tmp_path / "a.tif").write_bytes(b"".join(map(bytes, [*coder.encode(frame), *coder.encode(None)])))
    picture = read_image(tmp_path / "a.tif")
    assert picture.bits == 16 and np.array_equal(picture.values[..., :3], samples[..., :3] / 65535)


def test_alpha_of_tiff(tmp_path: Path) -> None:
    """Premultiplied colours are divided by alpha; samples that are no alpha are left out."""
    samples = np.array([[[20000, 10000, 0, 40000], [0, 0, 0, 0]]], np.uint16)
    for kind, wanted in (
        ("assocalpha", [0.5, 0.25, 0, 40000 / 65535]),
        ("unspecified", samples[0, 0, :3] / 65535),
    ):
        tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extrasamples=[kind])
        values = read_image(tmp_path / "a.tif").values
        assert np.allclose(values[0, 0], wanted, rtol=1e-12)
        assert (values[0, 1] == 0).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_zero_in_tiff(tmp_path: Path, dtype: type) -> None:
    top = np.iinfo(dtype).max
    tifffile.imwrite(tmp_path / "a.tif", np.array([[0, 5, top]], dtype), photometric="miniswhite")
    assert read_image(tmp_path / "a.tif").values[0, :, 0].tolist() == [1, (top - 5) / top, 0]

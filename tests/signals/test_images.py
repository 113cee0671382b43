"""Images keep every bit on their way in and out and stand upright."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pixels import HEIGHT, WIDTH, noise, png, png_16

from recon.errors import MissingLibraryError, OutputError
from recon.signals.media.images import CHANNEL_NAMES, WRITABLE_BITS, check_image_path, read_image, write_image

LOSSLESS = [
    (ending, bits, c)
    for ending in WRITABLE_BITS
    for bits in WRITABLE_BITS[ending]
    for c in CHANNEL_NAMES
    if "j" not in ending
]
# Where Exif says that the first row and the first column of the file are seen.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


@pytest.mark.parametrize(("ending", "bits", "count"), LOSSLESS)
def test_what_is_written_is_read(tmp_path: Path, ending: str, bits: int, count: int) -> None:
    path = tmp_path / f"a{ending}"
    if bits == 32:
        values = np.random.default_rng(0).normal(0, 5, (HEIGHT, WIDTH, count)).astype(np.float32)
        write_image(values, path, bits)
        assert np.array_equal(read_image(path).values, values)  # beyond [0, 1], too
    else:
        top = (1 << bits) - 1
        samples = noise(count, bits)
        write_image(samples / top, path, bits)
        assert np.array_equal(np.rint(read_image(path).values * top), samples)
    picture = read_image(path)
    assert (picture.channels, picture.bits) == (CHANNEL_NAMES[count], bits)
    assert picture.values.dtype == np.float64 and picture.values.flags.c_contiguous
    assert [other.name for other in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".jpg", ".jpeg", ".JPG"])
@pytest.mark.parametrize("count", [1, 3])
def test_jpeg_is_close(tmp_path: Path, ending: str, count: int) -> None:
    y, x = np.mgrid[0:1:32j, 0:1:48j]
    values = np.stack([x, y, 1 - x][:count], axis=2)
    write_image(values, tmp_path / f"a{ending}")
    picture = read_image(tmp_path / f"a{ending}")
    assert (picture.channels, picture.bits) == (CHANNEL_NAMES[count], 8)
    assert np.abs(picture.values - values).max() < 0.04


def test_other_programs_read_what_is_written(tmp_path: Path) -> None:
    samples = noise(1, 16)
    write_image(samples / 65535, tmp_path / "a.png", 16)
    with Image.open(tmp_path / "a.png") as image:
        assert np.array_equal(np.asarray(image).astype(int), samples[..., 0])
    samples = noise(4)
    for ending in (".png", ".tif"):
        write_image(samples / 255, tmp_path / f"b{ending}")
        with Image.open(tmp_path / f"b{ending}") as image:
            assert image.mode == "RGBA" and np.array_equal(np.asarray(image), samples)
    samples = noise(3, 16)
    write_image(samples / 65535, tmp_path / "c.tif", 16)
    assert np.array_equal(tifffile.imread(tmp_path / "c.tif"), samples)


def test_values_are_clipped_and_rounded(tmp_path: Path) -> None:
    values = np.array([[[-1.0], [0.4999 / 255], [0.5001 / 255], [0.9999], [7.0]]])
    write_image(values, tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png").values[0, :, 0] * 255).round(9).tolist() == [0, 0, 1, 255, 255]


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", "L"), ("L", "L"), ("LA", "LA"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("P", "RGB")],
)
def test_every_mode_of_8_bits(tmp_path: Path, mode: str, channels: str) -> None:
    image = Image.fromarray(noise(3 if mode == "P" else 4)).convert(mode)
    expected = np.asarray(image.convert(channels), float).reshape(HEIGHT, WIDTH, -1) / 255
    endings = {"1": "png tif bmp pbm", "L": "png tif bmp webp pgm", "LA": "png tif", "P": "png tif bmp"}
    for ending in endings.get(mode, "png tif webp tga").split():
        path = tmp_path / f"a.{ending}"
        image.save(path, **({"lossless": True} if ending == "webp" else {}))
        picture = read_image(path)
        wanted = np.repeat(expected, 3, 2) if ending == "webp" and mode == "L" else expected
        assert picture.bits == 8
        if mode == "RGBA" and ending == "webp":  # the colours of what is not seen are not kept
            wanted = np.where(wanted[..., 3:] > 0, wanted, picture.values)
        assert np.array_equal(picture.values, wanted), ending


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    samples = np.zeros((16, 16, 4), np.uint8)
    samples[:8, :, 0] = 255  # cyan above, black below
    samples[8:, :, 3] = 255
    image = Image.fromarray(samples, "CMYK")
    for ending in ("jpg", "tif"):
        image.save(tmp_path / f"a.{ending}", quality=95)
        picture = read_image(tmp_path / f"a.{ending}")
        assert picture.channels == "RGB"
        assert np.allclose(picture.values[2, 8], [0, 1, 1], atol=0.02)
        assert np.allclose(picture.values[13, 8], [0, 0, 0], atol=0.02)


def test_transparent_colours_become_alpha(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putdata([0, 1])
    for ending in ("png", "gif"):
        palette.save(tmp_path / f"a.{ending}", transparency=1)
        picture = read_image(tmp_path / f"a.{ending}")
        assert picture.channels == "RGBA"
        assert picture.values[0, 0].tolist() == [1, 0, 0, 1] and picture.values[0, 1, 3] == 0
    path.write_bytes(png(2, 1, 8, 0, b"\0\x07\x09", (b"tRNS", b"\0\x09")))
    assert read_image(path).values.tolist() == [[[7 / 255, 1], [9 / 255, 0]]]
    path.write_bytes(png(2, 1, 8, 2, b"\0\1\2\3\4\5\6", (b"tRNS", b"\0\1\0\2\0\3")))
    assert read_image(path).values[0, :, 3].tolist() == [0, 1]
    path.write_bytes(png(2, 1, 16, 0, b"\0\x01\x02\x03\x04", (b"tRNS", b"\x03\x04")))
    assert read_image(path).values.tolist() == [[[258 / 65535, 1], [772 / 65535, 0]]]
    path.write_bytes(png(2, 1, 16, 2, b"\0\0\1\0\2\0\3\0\1\0\2\0\4", (b"tRNS", b"\0\1\0\2\0\3")))
    assert read_image(path).values[0, :, 3].tolist() == [0, 1]
    assert read_image(path).values[0, 1, :3].tolist() == [1 / 65535, 2 / 65535, 4 / 65535]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_few_bits_span_black_to_white(tmp_path: Path, bits: int) -> None:
    (tmp_path / "a.png").write_bytes(png(8 // bits, 1, bits, 0, b"\0\xf0" if bits < 8 else b"\0\xff"))
    values = read_image(tmp_path / "a.png").values
    assert values[0, 0, 0] == 1 and (bits == 8 or values[0, -1, 0] == 0)


@pytest.mark.parametrize("count", CHANNEL_NAMES)
def test_16_bits_of_png(tmp_path: Path, count: int) -> None:
    samples = noise(count, 16)
    (tmp_path / "a.png").write_bytes(png_16(samples))
    picture = read_image(tmp_path / "a.png")
    assert (picture.channels, picture.bits) == (CHANNEL_NAMES[count], 16)
    assert np.array_equal(picture.values, samples / 65535)


def test_16_bits_of_colour_in_png_need_pyav_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(noise(3, 16) / 65535, tmp_path / "a.png", 16)
    write_image(noise(1, 16) / 65535, tmp_path / "b.png", 16)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingLibraryError, match="bash tools/setup signals, or pip install av"):
        read_image(tmp_path / "a.png")
    assert read_image(tmp_path / "b.png").bits == 16
    write_image(noise(3, 16) / 65535, tmp_path / "c.png", 16)
    assert (tmp_path / "c.png").read_bytes() == (tmp_path / "a.png").read_bytes()


def test_the_first_of_several_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 6, 3), value, np.uint8)) for value in (50, 200)]
    for ending in ("gif", "tif", "webp", "png"):
        frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:], lossless=True)
        assert (read_image(tmp_path / f"a.{ending}").values == 50 / 255).all()
    pages = np.stack([np.full((4, 6), value, np.uint16) for value in (7, 8, 9)])
    tifffile.imwrite(tmp_path / "b.tif", pages, photometric="minisblack")
    assert (read_image(tmp_path / "b.tif").values == 7 / 65535).all()


def test_pixel_formats_of_floats(tmp_path: Path) -> None:
    samples = np.float32([[0.25, -3.0], [1e6, 1e-6]])
    (tmp_path / "a.pfm").write_bytes(b"Pf\n2 2\n-1.0\n" + samples[::-1].astype("<f4").tobytes())
    picture = read_image(tmp_path / "a.pfm")
    assert picture.bits == 32 and np.array_equal(picture.values[..., 0], samples)


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The rows and columns of a file of that orientation that shows `upright` (h, w, c), by Exif's words."""
    first_row, first_column = SIDES[orientation]
    rows_are_columns = first_row in ("left", "right")
    out = upright.swapaxes(0, 1) if rows_are_columns else upright
    if first_row in ("bottom", "right"):
        out = out[::-1]
    if first_column in ("right", "bottom"):
        out = out[:, ::-1]
    return np.ascontiguousarray(out)


@pytest.mark.parametrize("orientation", SIDES)
def test_images_stand_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    for count in (1, 3, 4):
        small, large = noise(count), noise(count, 16)
        turned = stored(small, orientation)
        image = Image.fromarray(turned if count > 1 else turned[..., 0])
        for ending in ("png", "tif"):
            image.save(tmp_path / f"a.{ending}", exif=exif)
            assert np.array_equal(read_image(tmp_path / f"a.{ending}").values, small / 255), ending
        turned = stored(large, orientation)
        tifffile.imwrite(
            tmp_path / "b.tif",
            turned if count > 1 else turned[..., 0],
            photometric="rgb" if count > 1 else "minisblack",
            extrasamples=["unassalpha"] if count == 4 else None,
            extratags=[(274, 3, 1, orientation, True)],
        )
        assert np.array_equal(read_image(tmp_path / "b.tif").values, large / 65535)
        (tmp_path / "b.png").write_bytes(png_16(turned, (b"eXIf", exif.tobytes()[6:])))
        assert np.array_equal(read_image(tmp_path / "b.png").values, large / 65535)
    blocks = np.kron(np.arange(6).reshape(2, 3, 1) * 50, np.ones((8, 8, 1))).astype(np.uint8)
    Image.fromarray(stored(blocks, orientation)[..., 0]).save(tmp_path / "a.jpg", exif=exif, quality=100)
    assert np.abs(read_image(tmp_path / "a.jpg").values * 255 - blocks).max() <= 2


def test_damaged_metadata_does_not_matter(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(png_16(noise(1, 16), (b"eXIf", b"what is this"), (b"tEXt", b"nothing")))
    assert read_image(tmp_path / "a.png").bits == 16
    Image.fromarray(noise(3)).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff")
    assert read_image(tmp_path / "a.jpg").bits == 8
    assert capfd.readouterr() == ("", "")


def test_the_ending_does_not_matter_for_reading(tmp_path: Path) -> None:
    write_image(noise(3, 16) / 65535, tmp_path / "a.tif", 16)
    (tmp_path / "a.tif").rename(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").bits == 16


@pytest.mark.parametrize(
    ("name", "channels", "bits", "says"),
    [
        ("a.bmp", "RGB", 8, r"its extension '.bmp' is not one of .png .jpg .jpeg .tif .tiff"),
        ("a", "L", 8, "its extension '' is not one of"),
        ("a.jpg", "RGBA", 8, "JPEG has no alpha; .png and .tif have"),
        ("a.JPEG", "LA", 8, "JPEG has no alpha"),
        ("a.jpg", "RGB", 16, ".jpg has 8 bits, not 16; these have: .png .tif .tiff"),
        ("a.png", "RGB", 32, ".png has 8 or 16 bits, not 32; these have: .tif .tiff"),
        ("a.tif", "RGB", 12, ".tif has 8 or 16 or 32 bits, not 12$"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, channels: str, bits: int, says: str
) -> None:
    with pytest.raises(OutputError, match=says):
        check_image_path(tmp_path / name, channels, bits)
    with pytest.raises(OutputError, match=says):
        write_image(np.zeros((2, 2, len(channels))), tmp_path / name, bits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [*WRITABLE_BITS, ".PNG", ".Tif"])
def test_nothing_is_overwritten_unless_asked(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    check_image_path(path)
    write_image(np.zeros((2, 2, 3)), path)
    with pytest.raises(OutputError, match="exists"):
        write_image(np.ones((2, 2, 3)), path)
    assert read_image(path).values.max() == 0
    write_image(np.ones((2, 2, 3)), path, overwrite=True)
    assert read_image(path).values.min() == 1
    with pytest.raises(OutputError, match="no folder"):
        write_image(np.ones((2, 2, 3)), tmp_path / "none" / path.name)
    with pytest.raises(OutputError, match="not finite"):
        write_image(np.full((2, 2, 3), np.nan), path, overwrite=True)
    assert [other.name for other in tmp_path.iterdir()] == [path.name]

"""An image that cannot be read costs one line, and little memory."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from pixels import noise, png

from recon.errors import SignalError
from recon.signals.media.images import WRITABLE_BITS, read_image, write_image


def refusal(path: Path) -> str:
    """The one line that reading `path` ends in."""
    with pytest.raises(SignalError) as caught:
        read_image(path)
    line = str(caught.value)
    assert path.name in line and "\n" not in line
    return line


def good_files(folder: Path) -> list[Path]:
    """A file of every format and reader."""
    for ending in WRITABLE_BITS:
        for bits in WRITABLE_BITS[ending]:
            for count in (1, 3):
                write_image(noise(count) / 255, folder / f"{bits}{count}{ending}", bits)
    for ending in ("bmp", "webp", "gif", "ppm", "tga"):
        Image.fromarray(noise(3)).save(folder / f"a.{ending}")
    for ending, compression in (("lzw", "tiff_lzw"), ("jpeg", "jpeg"), ("raw", None)):
        image = Image.fromarray(np.tile(noise(3), (40, 40, 1)))
        image.save(folder / f"{ending}.tif", compression=compression)
    tifffile.imwrite(folder / "plain16.tif", noise(3, 16), photometric="rgb")
    tifffile.imwrite(folder / "strips16.tif", noise(1, 16)[..., 0], rowsperstrip=1)
    return sorted(folder.iterdir())


def test_cut_anywhere_a_file_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path in good_files(tmp_path):
        data, whole = path.read_bytes(), read_image(path).values
        for share in np.linspace(0, 1, 20, endpoint=False):
            path.write_bytes(data[: int(share * len(data))])
            try:
                values = read_image(path).values
            except SignalError as error:
                assert path.name in str(error) and "\n" not in str(error)
            else:  # nothing that counts was cut off
                assert np.array_equal(values, whole), (path.name, share)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_bytes_changed_anywhere_end_in_an_image_or_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    for path in good_files(tmp_path):
        data = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(20):
            damaged = data.copy()
            damaged[rng.integers(0, min(len(data), 400), 3)] = rng.integers(0, 256, 3)
            path.write_bytes(damaged.tobytes())
            try:
                read_image(path)
            except SignalError as error:
                assert path.name in str(error) and "\n" not in str(error)
    assert capfd.readouterr() == ("", "")


def huge_promises(folder: Path) -> list[Path]:
    """Small files whose headers promise billions of pixels."""
    (folder / "a.png").write_bytes(png(60_000, 60_000, 8, 2, b""))
    (folder / "b.png").write_bytes(png(12_000, 12_000, 16, 2, b""))
    (folder / "c.png").write_bytes(png(2**31 - 1, 2**31 - 1, 16, 6, b""))
    (folder / "a.ppm").write_bytes(b"P6\n60000 60000\n255\n" + bytes(100))
    (folder / "a.bmp").write_bytes(
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 154, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)
    )
    for name, dtype in (("a.tif", np.float32), ("b.tif", np.uint8), ("c.tif", np.uint16)):
        tifffile.imwrite(folder / name, np.zeros((4, 4), dtype))
        with tifffile.TiffFile(folder / name, mode="r+") as file:
            for tag in ("ImageWidth", "ImageLength"):
                file.pages[0].tags[tag].overwrite(60000)
    return sorted(folder.iterdir())


def test_promises_of_billions_are_refused_without_the_memory(tmp_path: Path) -> None:
    for path in huge_promises(tmp_path):
        tracemalloc.start()
        try:
            line = refusal(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 5e6, path.name
        assert "larger than 134,217,728 pixels: scale it down" in line


def floats(value: float) -> Callable[[Path], None]:
    array = np.ones((3, 4, 3), np.float32)
    array[1, 2, 0] = value
    return lambda path: tifffile.imwrite(path, array, photometric="rgb")


def array(dtype: type) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, np.ones((3, 4), dtype))


def content(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("none.png", lambda path: None, "there is no file"),
        ("x" * 300, lambda path: None, "File name too long"),
        ("folder.png", lambda path: path.mkdir(), "is a folder, expected an image"),
        ("a.png", content(b""), "is empty, expected an image"),
        ("a.png", content(b"\0"), "is not an image, or is damaged"),
        ("a.jpg", content(b"Dear reader,\nthis is a letter.\n"), "is not an image, or is damaged"),
        ("a.png", content(b"ply\nformat ascii 1.0\n"), "is not an image, or is damaged"),
        ("a.png", content(b"RIFF\x24\0\0\0WAVEfmt "), "is not an image, or is damaged"),
        ("a.tif", content(b"II*\0"), "truncated or damaged"),
        ("a.tif", content(b"II*\0\x08\0\0\0\0\0\0\0\0\0"), "damaged"),
        ("a.png", content(png(0, 4, 8, 2, b"")), "damaged|no pixels"),
        (
            "a.eps",
            content(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"),
            "is a vector drawing",
        ),
        ("a.tif", floats(np.nan), "holds NaN or infinity in 1 pixels"),
        ("a.tif", floats(np.inf), "holds NaN or infinity in 1 pixels"),
        ("a.tif", array(np.int16), "has samples of int16, expected unsigned 8 or 16 bits, or floats"),
        ("a.tif", array(np.uint32), "has samples of uint32"),
        ("a.tif", array(np.complex64), "has samples of complex64"),
    ],
)
def test_each_fault_is_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], name: str, make: Callable[[Path], None], says: str
) -> None:
    make(tmp_path / name)
    with pytest.raises(SignalError, match=says):
        read_image(tmp_path / name)
    refusal(tmp_path / name)
    assert capfd.readouterr() == ("", "")

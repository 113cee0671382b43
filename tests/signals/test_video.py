"""Films come back frame by frame as they were written, and what cannot be read costs one line."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from recon.errors import MissingLibraryError, OutputError, SignalError
from recon.signals.media.video import check_film_path, open_film, write_film


def picture(k: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Smooth colours that tell frame `k` from its neighbours: its red is 8 k."""
    out = np.zeros((height, width, 3), np.uint8)
    out[..., 0] = 8 * k
    out[..., 1] = np.linspace(40, 200, height)[:, None]
    out[..., 2] = np.linspace(30, 220, width)
    return out


def encode(path: Path, codec: str, frames: int = 24, **options: str) -> Path:
    """Noise, which fills a file, by another way than `write_film`."""
    with av.open(str(path), "w", options=options) as film:
        stream = film.add_stream(codec, rate=24)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for k in range(frames):
            noise = np.random.default_rng(k).integers(0, 256, (48, 64, 3), np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        film.mux(stream.encode())
    return path


def refusal(path: Path) -> str:
    """The one line that opening `path` ends in."""
    with pytest.raises(SignalError) as caught:
        open_film(path)
    line = str(caught.value)
    assert path.name in line and "\n" not in line
    return line


@pytest.mark.parametrize("rate", [Fraction(24), Fraction(30000, 1001), Fraction(1, 2), 12.5])
def test_a_film_comes_back_as_it_was_written(tmp_path: Path, rate: Fraction | float) -> None:
    write_film((picture(k) for k in range(30)), tmp_path / "a.mp4", rate)
    film = open_film(tmp_path / "a.mp4")
    assert (film.frames, film.rate, film.height, film.width) == (30, Fraction(rate), 48, 64)
    frames = list(film.frames_of())
    assert len(frames) == 30
    for k, frame in enumerate(frames):
        assert (frame.dtype, frame.shape) == (np.uint8, (48, 64, 3))
        assert np.abs(frame.astype(int) - picture(k)).mean() < 4
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_a_gif_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_film((picture(k, 21, 33) for k in range(9)), tmp_path / "a.gif", 25)
    film = open_film(tmp_path / "a.gif")
    assert (film.frames, film.height, film.width) == (9, 21, 33)
    assert film.rate == 25
    for k, frame in enumerate(film.frames_of()):
        assert np.abs(frame.astype(int) - picture(k, 21, 33)).mean() < 12  # 256 colours
    with Image.open(tmp_path / "a.gif") as image:
        assert image.info["loop"] == 0


@pytest.mark.parametrize(("height", "width"), [(47, 64), (48, 63), (1, 1), (9, 1)])
def test_odd_sizes_lose_nothing(tmp_path: Path, height: int, width: int) -> None:
    write_film([picture(k, height, width) for k in range(5)], tmp_path / "a.mp4", 24)
    film = open_film(tmp_path / "a.mp4")
    assert (film.height, film.width) == (height + height % 2, width + width % 2)
    for k, frame in enumerate(film.frames_of()):
        assert np.abs(frame[:height, :width].astype(int) - picture(k, height, width)).mean() < 6


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.webm", "libvpx-vp9"),
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
    ],
)
def test_frames_are_counted_whatever_the_container_says(tmp_path: Path, name: str, codec: str) -> None:
    film = open_film(encode(tmp_path / name, codec, 17))
    assert film.frames == 17 == sum(1 for _ in film.frames_of())
    assert film.rate == 24


@pytest.mark.parametrize(
    "part", [(0, None, 1), (5, 20, 1), (3, None, 4), (29, 30, 1), (-4, None, 2), (7, 7, 1)]
)
def test_parts_are_those_of_the_whole(tmp_path: Path, part: tuple[int, int | None, int]) -> None:
    write_film((picture(k) for k in range(30)), tmp_path / "a.mp4", 24)
    film = open_film(tmp_path / "a.mp4")
    whole = list(film.frames_of())[slice(*part)]
    read = list(film.frames_of(*part))
    assert len(read) == len(whole)
    assert all(np.array_equal(a, b) for a, b in zip(read, whole, strict=True))


def test_senseless_parts_are_refused(tmp_path: Path) -> None:
    write_film([picture(0)], tmp_path / "a.mp4", 24)
    film = open_film(tmp_path / "a.mp4")
    for step, scale in ((-1, 1.0), (1, 0.0), (1, 1.5), (1, float("nan"))):
        with pytest.raises(ValueError, match="expected"):
            next(film.frames_of(0, None, step, scale))


def test_smaller_frames_are_means_of_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(64, 192, (3, 48, 64, 1), np.uint8)
    write_film(np.repeat(noise, 3, axis=3), tmp_path / "a.mp4", 24)  # grey: colours are kept more coarsely
    film = open_film(tmp_path / "a.mp4")
    for full, half in zip(film.frames_of(), film.frames_of(scale=0.25), strict=True):
        assert half.shape == (12, 16, 3)
        means = full.reshape(12, 4, 16, 4, 3).mean((1, 3))
        assert np.abs(half - means).mean() < 4
        assert np.abs(half.astype(float) - full[::4, ::4]).mean() > 20  # and no single ones
    for scale in (0.01, 0.3, 0.77):
        frame = next(film.frames_of(scale=scale))
        assert frame.shape[:2] == film.size(scale) == (max(1, round(48 * scale)), max(1, round(64 * scale)))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_film_held_sideways_is_turned_upright(tmp_path: Path, turns: int) -> None:
    path = tmp_path / "a.mp4"
    write_film([picture(k) for k in range(3)], path, 24)
    flat = list(open_film(path).frames_of())
    cosine, sine = ((0, 1), (-1, 0), (0, -1))[turns - 1]
    matrix = struct.pack(">9i", cosine << 16, sine << 16, 0, -sine << 16, cosine << 16, 0, 0, 0, 1 << 30)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = matrix
    path.write_bytes(data)
    film = open_film(path)
    assert (film.height, film.width) == ((48, 64) if turns == 2 else (64, 48))
    for frame, as_filmed in zip(film.frames_of(), flat, strict=True):
        assert np.array_equal(frame, np.rot90(as_filmed, -turns))  # the matrix turns clockwise
    assert next(film.frames_of(scale=0.5)).shape[:2] == film.size(0.5)


def test_a_long_film_needs_little_memory(tmp_path: Path) -> None:
    """Two hundred frames of 230 kB, of which no more than a few are there at a time."""
    tracemalloc.start()
    write_film((picture(k % 30, 240, 320) for k in range(200)), tmp_path / "a.mp4", 24)
    film = open_film(tmp_path / "a.mp4")
    assert sum(1 for _ in film.frames_of()) == 200
    assert tracemalloc.get_traced_memory()[1] < 10e6
    tracemalloc.stop()


def test_bad_files_cost_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder.mp4").mkdir()
    Image.fromarray(picture(3)).save(tmp_path / "picture.png")
    with av.open(str(tmp_path / "sound.mkv"), "w") as film:
        stream = film.add_stream("flac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        film.mux(stream.encode(frame))
        film.mux(stream.encode())
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{tmp_path}/good.mp4\n#EXT-X-ENDLIST\n"
    write_film([picture(0)], tmp_path / "good.mp4", 24)
    huge = bytearray(encode_gif(tmp_path / "huge.gif").read_bytes())
    huge[6:10] = struct.pack("<HH", 10000, 10000)
    for name, data in {
        "empty.mp4": b"",
        "text.mp4": b"hello, this is no film\n" * 100,
        "text.txt": b"hello, this is no film\n" * 100,
        "list.m3u8": playlist.encode(),
        "huge.gif": bytes(huge),
    }.items():
        (tmp_path / name).write_bytes(data)
    for name, word in {
        "empty.mp4": "is empty",
        "folder.mp4": "is a folder",
        "missing.mp4": "there is no file",
        "text.mp4": "as a film",
        "text.txt": "as a film",
        "picture.png": "as a film",
        "list.m3u8": "as a film",
        "sound.mkv": "no video",
        "huge.gif": "pixels",
    }.items():
        assert word in refusal(tmp_path / name), name
    assert capfd.readouterr() == ("", "")


def encode_gif(path: Path) -> Path:
    write_film([picture(k, 20, 20) for k in range(4)], path, 10)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("fast.mp4", "libx264", {"movflags": "faststart"}),
        ("a.mkv", "libx264", {}),
        ("a.webm", "libvpx", {}),
        ("a.avi", "mpeg4", {}),
    ],
)
def test_a_file_that_was_cut_off_is_refused(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    path = encode(tmp_path / name, codec, **options)
    assert open_film(path).frames == 24
    data = path.read_bytes()
    for share in (0.1, 0.4, 0.6, 0.8):
        path.write_bytes(data[: int(share * len(data))])
        refusal(path)


@pytest.mark.slow
def test_bytes_changed_anywhere_end_in_frames_or_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    files = [encode(tmp_path / "a.mp4", "libx264", 4), encode(tmp_path / "a.mkv", "libx264", 4)]
    for path in [*files, encode_gif(tmp_path / "a.gif")]:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        for _ in range(50):
            damaged = data.copy()
            damaged[rng.integers(0, rng.choice([60, len(data)]), 3)] = rng.integers(0, 256, 3)
            path.write_bytes(damaged.tobytes())
            try:
                film = open_film(path)
            except SignalError as error:
                assert path.name in str(error) and "\n" not in str(error)
            else:
                assert sum(1 for _ in film.frames_of()) == film.frames
    assert capfd.readouterr() == ("", "")


def test_a_film_that_changes_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_film([picture(k) for k in range(9)], path, 24)
    film = open_film(path)
    write_film([picture(k) for k in range(4)], path, 24, overwrite=True)
    with pytest.raises(SignalError, match="has changed"):
        list(film.frames_of())
    write_film([picture(k, 20, 20) for k in range(9)], path, 24, overwrite=True)
    with pytest.raises(SignalError, match="has changed"):
        list(film.frames_of())


def test_nothing_is_written_that_was_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    write_film([picture(0)], path, 24)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        write_film([picture(1)], path, 24)
    with pytest.raises(OutputError, match=r"one of \.mp4 \.gif"):
        write_film([picture(1)], tmp_path / "a.avi", 24)
    for name in ("b.mp4", "b.gif"):
        with pytest.raises(OutputError, match="no frames"):
            write_film([], tmp_path / name, 24)
        with pytest.raises(OutputError, match="frames a second"):
            write_film([picture(1)], tmp_path / name, 0)
        with pytest.raises(ValueError, match="expected"):
            write_film([picture(1), picture(1, 20, 20)], tmp_path / name, 24)
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]
    assert path.read_bytes() == before
    write_film([picture(1)] * 2, path, 24, overwrite=True)
    assert open_film(path).frames == 2
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingLibraryError, match=r"pip install av; a \.gif needs nothing"):
        check_film_path("film.mp4")
    check_film_path("film.gif")
    with pytest.raises(MissingLibraryError, match="pip install av"):
        open_film(path)

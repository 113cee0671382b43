"""Sound comes back as it was written, in pieces as well as whole, and what cannot be read costs one line."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from recon.errors import MissingLibraryError, OutputError, SignalError
from recon.signals.media.audio import blocks, check_sound_path, nearest_subtype, open_sound, write_sound

STEPS = {"PCM_S8": 2**-7, "PCM_U8": 2**-7, "PCM_16": 2**-15, "PCM_24": 2**-23, "PCM_32": 2**-23, "FLOAT": 0}


def noise(frames: int = 5000, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(3).uniform(-0.99, 0.99, (frames, channels)).astype(np.float32)


def refusal(path: Path) -> str:
    """The one line that opening `path` ends in."""
    with pytest.raises(SignalError) as caught:
        open_sound(path)
    line = str(caught.value)
    assert path.name in line and "\n" not in line
    return line


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.wav", name) for name in STEPS if name != "PCM_S8"]
    + [("a.flac", "PCM_S8"), ("a.flac", "PCM_16"), ("a.flac", "PCM_24"), ("a.WAV", "PCM_16")],
)
def test_sound_comes_back_as_it_was_written(tmp_path: Path, name: str, subtype: str, channels: int) -> None:
    values = noise(channels=channels)
    write_sound(iter([values[:1234], values[1234:]]), tmp_path / name, 11025, subtype)
    sound = open_sound(tmp_path / name)
    assert (sound.rate, sound.frames, sound.channels, sound.subtype) == (11025, 5000, channels, subtype)
    assert sound.seconds == 5000 / 11025
    read = sound.read(0, sound.frames)
    assert (read.dtype, read.shape) == (np.float32, (5000, channels))
    assert np.abs(read - values).max() <= STEPS[subtype] / 2 + 2**-24  # half a step: rounded, not cut
    assert sound.peak() == np.abs(read).max()
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24"])
def test_integers_survive_a_round_trip_to_the_last_bit(tmp_path: Path, subtype: str) -> None:
    write_sound([noise()], tmp_path / "a.wav", 8000, subtype)
    first = open_sound(tmp_path / "a.wav").read(0, 5000)
    write_sound([first], tmp_path / "b.wav", 8000, subtype)
    assert np.array_equal(open_sound(tmp_path / "b.wav").read(0, 5000), first)


@pytest.mark.parametrize(
    ("name", "subtype"), [("a.wav", "PCM_16"), ("a.flac", "PCM_24"), ("a.ogg", "VORBIS")]
)
def test_pieces_are_the_whole(tmp_path: Path, name: str, subtype: str) -> None:
    soundfile.write(tmp_path / name, noise(channels=2), 8000, subtype=subtype)
    sound = open_sound(tmp_path / name)
    whole = soundfile.read(tmp_path / name, dtype="float32", always_2d=True)[0]
    pieces = [sound.read(start, min(777, sound.frames - start)) for start in range(0, sound.frames, 777)]
    assert np.abs(np.concatenate(pieces) - whole).max() <= (1e-6 if subtype == "VORBIS" else 0)
    assert sound.read(sound.frames, 0).shape == (0, 2)


def test_frames_beyond_the_sound_are_nobodys(tmp_path: Path) -> None:
    write_sound([noise()], tmp_path / "a.wav", 8000, "PCM_16")
    sound = open_sound(tmp_path / "a.wav")
    for start, count in ((-1, 5), (4999, 2), (5001, 0), (0, -1)):
        with pytest.raises(ValueError, match="of a sound of 5000"):
            sound.read(start, count)


def test_blocks_follow_one_another() -> None:
    parts = list(blocks(1_000_000, 3))
    assert parts[0][0] == 0
    assert all(a + n == b for (a, n), (b, _) in pairwise(parts))
    assert sum(parts[-1]) == 1_000_000
    assert list(blocks(5, 10**9)) == [(k, 1) for k in range(5)]


def test_integers_are_clipped_and_floats_are_not(tmp_path: Path) -> None:
    loud = np.array([[1.5], [-1.5], [1.0], [-1.0]])
    write_sound([loud], tmp_path / "a.wav", 8000, "PCM_16")
    assert open_sound(tmp_path / "a.wav").read(0, 4)[:, 0].tolist() == [1 - 2**-15, -1, 1 - 2**-15, -1]
    write_sound([loud], tmp_path / "f.wav", 8000, "FLOAT")
    assert np.array_equal(open_sound(tmp_path / "f.wav").read(0, 4), loud)
    assert open_sound(tmp_path / "f.wav").peak() == 1.5


@pytest.mark.parametrize(
    ("name", "asked", "held"),
    [
        ("a.flac", "FLOAT", "PCM_24"),
        ("a.flac", "PCM_U8", "PCM_S8"),
        ("a.flac", "PCM_32", "PCM_24"),
        ("a.wav", "PCM_S8", "PCM_U8"),
        ("a.wav", "VORBIS", "PCM_16"),
        ("a.flac", "ULAW", "PCM_16"),
    ],
)
def test_what_a_format_lacks_becomes_the_nearest_it_has(
    tmp_path: Path, name: str, asked: str, held: str
) -> None:
    assert nearest_subtype(name, asked) == held
    write_sound([noise()], tmp_path / name, 8000, asked)
    assert open_sound(tmp_path / name).subtype == held


def test_a_long_sound_needs_little_memory(tmp_path: Path) -> None:
    """Forty times what is looked at in one go, written, opened and measured."""
    piece = noise(1 << 18)
    tracemalloc.start()
    write_sound((piece for _ in range(40)), tmp_path / "a.wav", 48000, "PCM_16")
    sound = open_sound(tmp_path / "a.wav")
    sound.peak()
    sound.read(5_000_000, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sound.frames == 40 << 18
    assert peak < 20e6 < sound.path.stat().st_size


def wav(values: bytes, *, declared: int | None = None, rate: int = 8000, channels: int = 1) -> bytes:
    """A WAV file of 32-bit floats by hand, of `declared` bytes by its own words."""
    size = len(values) if declared is None else declared
    layout = struct.pack("<HHIIHH", 3, channels, rate, 4 * channels * rate, 4 * channels, 32)
    riff = min(size + 36, 2**32 - 1)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + layout
        + b"data"
        + (struct.pack("<I", size) + values)
    )


def bad_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Files that are no sound, and a word of what is said of each."""
    good = noise(20000).tobytes()
    contents = {
        "empty.wav": (b"", "is empty"),
        "text.wav": (b"hello, this is no sound\n" * 50, "as sound"),
        "text.raw": (b"hello, this is no sound\n" * 50, "as sound"),
        "picture.flac": (b"\x89PNG\r\n\x1a\n" + bytes(500), "as sound"),
        "silent.wav": (wav(b""), "0 frames"),
        "cut.wav": (wav(good)[:30000], "truncated"),
        "huge.wav": (wav(good, declared=3_000_000_000), "truncated"),
        "still.wav": (wav(good, rate=0), ""),
        "mute.wav": (wav(good, channels=0), ""),
        "nan.wav": (wav(good[:4000] + struct.pack("<f", np.nan) + good[4000:]), "NaN or infinite"),
        "inf.wav": (wav(good[:4000] + struct.pack("<f", -np.inf) + good[4000:]), "NaN or infinite"),
    }
    for name, (data, word) in contents.items():
        (folder / name).write_bytes(data)
        yield folder / name, word
    (folder / "folder.wav").mkdir()
    yield folder / "folder.wav", "is a folder"
    yield folder / "missing.wav", "there is no file"


def test_bad_files_cost_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path, word in bad_files(tmp_path):
        assert word in refusal(path), path.name
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.au", "a.w64", "a.caf", "a.ogg"])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    soundfile.write(path, noise(20000), 8000)
    assert open_sound(path).frames == 20000
    data = path.read_bytes()
    for share in (0.05, 0.3, 0.6, 0.9):
        path.write_bytes(data[: int(share * len(data))])
        refusal(path)


def test_lengths_left_open_are_no_damage(tmp_path: Path) -> None:
    """A program that writes to a pipe does not know them beforehand."""
    for k, declared in enumerate((2**32 - 1, 2**31 - 1)):
        path = tmp_path / f"{k}.wav"
        path.write_bytes(wav(noise(300).tobytes(), declared=declared))
        assert np.array_equal(open_sound(path).read(0, 300), noise(300))


def test_a_file_that_shrinks_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_sound([noise()], path, 8000, "PCM_16")
    sound = open_sound(path)
    write_sound([noise(100)], path, 8000, "PCM_16", overwrite=True)
    with pytest.raises(SignalError, match=r"a\.wav"):
        sound.read(4000, 500)
    path.unlink()
    with pytest.raises(SignalError, match=r"a\.wav"):
        sound.read(0, 500)


def test_bytes_changed_anywhere_end_in_sound_or_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    for name in ("a.wav", "a.flac", "a.ogg"):
        soundfile.write(tmp_path / name, noise(3000), 8000)
        data = np.frombuffer((tmp_path / name).read_bytes(), np.uint8)
        for _ in range(80):
            damaged = data.copy()
            damaged[rng.integers(0, rng.choice([60, len(data)]), 3)] = rng.integers(0, 256, 3)
            (tmp_path / name).write_bytes(damaged.tobytes())
            try:
                sound = open_sound(tmp_path / name)
            except SignalError as error:
                assert name in str(error) and "\n" not in str(error)
            else:
                assert np.isfinite(sound.read(0, sound.frames)).all()
    assert capfd.readouterr() == ("", "")


def test_nothing_is_written_that_was_not_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    write_sound([noise()], path, 8000, "PCM_16")
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        write_sound([noise(5)], path, 8000, "PCM_16")
    with pytest.raises(OutputError, match=r"one of \.wav \.flac"):
        write_sound([noise(5)], tmp_path / "a.mp3", 8000, "PCM_16")
    for pieces, word in (
        ([], "no sound"),
        ([noise(5), noise(5) * np.nan], "NaN"),
        ([noise(5, 9)], "9 channels"),
    ):
        with pytest.raises(OutputError, match=word):
            write_sound(pieces, tmp_path / "b.flac", 8000, "PCM_16")
    assert [file.name for file in tmp_path.iterdir()] == ["a.wav"]
    assert path.read_bytes() == before
    write_sound([noise(5)], path, 8000, "PCM_16", overwrite=True)
    assert open_sound(path).frames == 5
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(MissingLibraryError, match="pip install soundfile"):
        check_sound_path("a.wav")
    with pytest.raises(MissingLibraryError, match="pip install soundfile"):
        open_sound(path)

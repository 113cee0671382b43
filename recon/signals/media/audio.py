"""Sound files: WAV, FLAC, OGG and more through libsndfile; WAV and FLAC written. Never whole in memory."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.base.files import OnWritten, atomic_path, nothing_more
from recon.errors import MissingLibraryError, OutputError, SignalError
from recon.signals.media.paths import check_extension, check_readable

BLOCK_VALUES = 1 << 18  # read at once
PCM_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
# The subtype that each format writes for one that was read; PCM_16 for others.
SUBTYPES = {
    ".wav": {name: name for name in (*PCM_BITS, "FLOAT", "DOUBLE")} | {"PCM_S8": "PCM_U8"},
    ".flac": {
        "PCM_S8": "PCM_S8",
        "PCM_U8": "PCM_S8",
        "PCM_24": "PCM_24",
        "PCM_32": "PCM_24",
        "FLOAT": "PCM_24",
        "DOUBLE": "PCM_24",
    },
}
# How libsndfile reports a length in a header that differs from the file's.
LENGTH_NOTE = re.compile(r"(\d+) \(should be (\d+)\)")
UNKNOWN_LENGTHS = (1 << 31, 1 << 32)  # about what writers put where they do not know the length yet


@dataclass(frozen=True)
class Sound:
    """A sound file that was read once and can be read piece by piece; it is opened anew for each.

    It has `frames` ≥ 1 of `channels` ≥ 1 values, `rate` a second; `subtype` is libsndfile's name of their
    encoding.
    """

    path: Path
    rate: int
    frames: int
    channels: int
    subtype: str

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.frames / self.rate

    def read(self, start: int, count: int) -> NDArray[np.float32]:
        """(count, channels) float32 from frame `start` on: integers scaled to [-1, 1], floats as they are.

        Raises SignalError if the file no longer has them, ValueError for frames not within the sound.
        """
        if start < 0 or count < 0 or start + count > self.frames:
            raise ValueError(f"frames {start} to {start + count} of a sound of {self.frames}")
        with _opened(self.path) as file:
            file.seek(start)
            return self._next(file, count)

    def peak(self) -> float:
        """The largest absolute value, in one pass. Raises SignalError for values that are not finite."""
        largest = 0.0
        with _opened(self.path) as file:
            for start, count in blocks(self.frames, self.channels):
                high = float(np.abs(self._next(file, count)).max())
                if not np.isfinite(high):
                    raise SignalError(
                        f"{self.path} holds NaN or infinite values near {start / self.rate:.3f} s: fix it"
                    )
                largest = max(largest, high)
        return largest

    def _next(self, file: Any, count: int) -> NDArray[np.float32]:
        values: NDArray[np.float32] = file.read(count, dtype="float32", always_2d=True)
        if values.shape != (count, self.channels):
            raise SignalError(
                f"{self.path} ends early or has changed: no {self.frames} frames of {self.channels} channels"
            )
        return values


def open_sound(path: str | Path) -> Sound:
    """The sound of a file, which is read to its end once, in little memory.

    Raises SignalError if it cannot be read, MissingLibraryError without soundfile.
    """
    path = Path(path)
    check_readable(path, "a sound file, as .wav or .flac")
    with _opened(path) as file:
        sound = Sound(path, file.samplerate, file.frames, file.channels, file.subtype)
        cut = _truncation(file.extra_info) or _ogg_truncation(path)
    if sound.frames < 1 or sound.rate < 1 or sound.channels < 1:
        raise SignalError(
            f"{path} holds {sound.frames} frames of {sound.channels} channels at {sound.rate} Hz, not sound"
        )
    if cut:
        raise SignalError(f"{path} {cut}: get it again")
    sound.peak()
    return sound


def blocks(frames: int, channels: int) -> Iterator[tuple[int, int]]:
    """Start and count of the pieces, a few megabytes each, in which `frames` frames are read."""
    size = max(1, BLOCK_VALUES // channels)
    return ((start, min(size, frames - start)) for start in range(0, frames, size))


def check_sound_path(path: str | Path) -> None:
    """Raise OutputError if `path` has no writable ending, MissingLibraryError without soundfile."""
    check_extension(path, SUBTYPES)
    _soundfile()


def nearest_subtype(path: str | Path, subtype: str) -> str:
    """The subtype nearest to `subtype` that the format of `path` can hold."""
    return SUBTYPES[Path(path).suffix.lower()].get(subtype, "PCM_16")


def write_sound(
    pieces: Iterable[NDArray],
    path: str | Path,
    rate: int,
    subtype: str,
    *,
    overwrite: bool = False,
    on_written: OnWritten = nothing_more,
) -> None:
    """Write pieces (n, channels) of float at `rate` Hz, in the possible subtype nearest to `subtype`.

    Integers are rounded, and values beyond ±1 clipped.

    Raises:
        OutputError: as `check_sound_path`; if `path` exists without `overwrite`; for values that are not
            finite; without pieces; if format or disk refuse.
    """
    check_sound_path(path)
    soundfile = _soundfile()
    with atomic_path(path, overwrite, on_written) as temporary:
        remaining = iter(pieces)
        first = next(remaining, None)
        if first is None:
            raise OutputError(f"cannot write {path}: there is no sound")
        subtype = nearest_subtype(path, subtype)
        layout = {"samplerate": rate, "channels": first.shape[1], "subtype": subtype}
        try:
            with soundfile.SoundFile(str(temporary), "w", **layout) as file:
                for piece in chain([first], remaining):
                    if not np.isfinite(piece).all():
                        raise OutputError(f"cannot write {path}: the sound holds NaN or infinite values")
                    file.write(_integers(piece, PCM_BITS[subtype]) if subtype in PCM_BITS else piece)
        except soundfile.SoundFileError as error:
            raise OutputError(
                f"cannot write {path}, {first.shape[1]} channels at {rate} Hz: {_reason(error)}"
            ) from error


def _integers(values: NDArray, bits: int) -> NDArray[np.int32]:
    """Values in [-1, 1], rounded to the leading `bits` bits of 32: libsndfile rounds down."""
    top = 1 << (bits - 1)
    steps = np.rint(np.asarray(values, np.float64) * top).clip(-top, top - 1)
    return (steps.astype(np.int64) << (32 - bits)).astype(np.int32)


def _truncation(notes: str) -> str:
    """What is wrong if a header promises more than the file has and a byte of padding; else nothing."""
    for said, there in ((int(a), int(b)) for a, b in LENGTH_NOTE.findall(notes)):
        if said > there + 1 and all(abs(said - length) > 4096 for length in UNKNOWN_LENGTHS):
            return f"is truncated, {there} of {said} bytes"
    return ""


def _ogg_truncation(path: Path) -> str:
    """What is wrong if an Ogg file's last page is incomplete or not marked as last, or nothing."""
    with path.open("rb") as file:
        if file.read(4) != b"OggS":
            return ""
        file.seek(max(0, path.stat().st_size - (1 << 16)))  # a page has less
        tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) > 27 and page[5] & 4 and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return ""
    return "is truncated: its last page is incomplete or missing"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file, open; the library's errors become SignalErrors."""
    soundfile = _soundfile()
    try:
        with soundfile.SoundFile(str(path)) as file:
            yield file
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: .raw has no header
        raise SignalError(
            f"cannot read {path} as sound ({_reason(error)}): expected a whole .wav, .flac or .ogg"
        ) from error


def _reason(error: Exception) -> str:
    """Libsndfile's message, in one line and without the path."""
    text = getattr(error, "error_string", None) or str(error)
    return " ".join(text.split()).removeprefix("Error : ").rstrip(".")


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: there, but without libsndfile
        raise MissingLibraryError(
            f"sound needs soundfile ({error}): bash tools/setup signals, or pip install soundfile"
        ) from None
    return soundfile

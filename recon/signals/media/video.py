"""Film files, frame by frame: whatever FFmpeg decodes, through PyAV; MP4 written by PyAV, GIF by Pillow."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recon.base.files import OnWritten, atomic_path, nothing_more
from recon.errors import MissingLibraryError, OutputError, SignalError
from recon.signals.media.paths import check_extension, check_readable

Frame = NDArray[np.uint8]  # (height, width, 3) RGB
H264_CRF = "20"  # constant rate factor: lower is better and larger
MAX_FRAME_PIXELS = 1 << 26  # 8192 x 8192: larger sizes in a header are not believed
# Not all of FFmpeg's, which include text as a terminal's screen and playlists of other files.
CONTAINERS = "mov matroska avi gif mpeg mpegts mpegvideo ogg flv asf h264 hevc ivf yuv4mpegpipe"
OPEN_OPTIONS = {"format_whitelist": CONTAINERS.replace(" ", ","), "protocol_whitelist": "file"}


@dataclass(frozen=True)
class Film:
    """A film that was decoded once and can be read frame by frame; it is opened anew for each pass.

    `rate` is FFmpeg's: about the mean if frames come unevenly. Height and width are those of the upright
    picture.
    """

    path: Path
    frames: int
    rate: Fraction
    height: int
    width: int

    def size(self, scale: float) -> tuple[int, int]:
        """Height and width of frames at `scale` of the film's own size."""
        return max(1, round(self.height * scale)), max(1, round(self.width * scale))

    def frames_of(
        self, start: int = 0, stop: int | None = None, step: int = 1, scale: float = 1.0
    ) -> Iterator[Frame]:
        """The slice start:stop:step of all frames, (height, width, 3) uint8 RGB, one at a time.

        At a `scale` in (0, 1), each is of `size(scale)`, means of the pixels they cover. The film is decoded
        from its beginning. Raises SignalError if the file no longer has them.
        """
        wanted = range(self.frames)[start:stop:step]
        if step < 1 or not 0 < scale <= 1:
            raise ValueError(
                f"step {step} and scale {scale}, expected at least 1, and more than 0 and at most 1"
            )
        height, width = self.size(scale)
        if not wanted:
            return
        for index, frame in enumerate(_decoded(self.path)):
            if _size(frame) != (self.height, self.width):
                raise SignalError(f"{self.path} has changed: frame {index} has another size")
            if index in wanted:
                yield _rgb(frame, height, width)
            if index == wanted[-1]:
                return
        raise SignalError(f"{self.path} has changed: it has no frame {wanted[-1]} any more")


def open_film(path: str | Path) -> Film:
    """The film of a file, decoded to its end once: headers often lack or misstate the number of frames.

    Raises SignalError if it cannot be read, MissingLibraryError without PyAV.
    """
    path = Path(path)
    check_readable(path, "a film, as .mp4 or .gif")
    if _is_truncated_matroska(path):
        raise SignalError(f"{path} is truncated: get it again")
    frames, size = 0, (0, 0)
    for frame in _decoded(path):
        if frames and _size(frame) != size:
            raise SignalError(
                f"{path} changes size at frame {frames}, from {size[1]} x {size[0]} to "
                f"{_size(frame)[1]} x {_size(frame)[0]}: cut it there"
            )
        frames, size = frames + 1, _size(frame)
    if not frames:
        raise SignalError(f"{path} holds no frames: expected a film")
    with _opened(path) as (_, stream):
        rate = stream.average_rate or stream.guessed_rate or Fraction(0)
    if rate <= 0:
        raise SignalError(f"{path} does not state its frame rate: convert it to .mp4")
    return Film(path, frames, Fraction(rate), *size)


def check_film_path(path: str | Path) -> None:
    """Raise OutputError if `path` has no ending that can be written, MissingLibraryError without PyAV."""
    check_extension(path, WRITERS)
    if Path(path).suffix.lower() == ".mp4":
        _av("; a .gif needs nothing")


def write_film(
    frames: Iterable[Frame],
    path: str | Path,
    rate: Fraction | float,
    *,
    overwrite: bool = False,
    on_written: OnWritten = nothing_more,
) -> None:
    """Write frames (height, width, 3) uint8 RGB, at least one, all of one size, at `rate` a second.

    MP4 has even sizes only: an odd last row or column is repeated. A GIF is held in memory, a byte a pixel,
    and its frames last whole hundredths of a second; it repeats.

    Raises:
        OutputError: as `check_film_path`; if `path` exists without `overwrite`; if codec or disk refuse.
    """
    check_film_path(path)
    if not (math.isfinite(rate) and rate > 0):
        raise OutputError(f"cannot write {path}: {rate} frames a second, expected more than 0")
    with atomic_path(path, overwrite, on_written) as temporary:
        remaining = iter(frames)
        first = next(remaining, None)
        if first is None:
            raise OutputError(f"cannot write {path}: there are no frames")
        writer = WRITERS[temporary.suffix.lower()]
        writer(_alike(chain([first], remaining), first.shape), temporary, Fraction(rate))


def _alike(frames: Iterator[Frame], shape: tuple[int, ...]) -> Iterator[Frame]:
    for frame in frames:
        if frame.shape != shape or frame.dtype != np.uint8 or shape[2:] != (3,):
            raise ValueError(
                f"a frame {frame.shape} of {frame.dtype} after {shape}, expected (h, w, 3) of uint8"
            )
        yield frame


def _mp4(frames: Iterator[Frame], path: Path, rate: Fraction) -> None:
    av = _av()
    try:
        with av.open(f"file:{path}", "w", format="mp4") as film:
            stream = None
            for frame in frames:
                odd = [(0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)]
                frame = np.pad(frame, odd, "edge")  # chroma is subsampled 2 x 2
                if stream is None:
                    stream = film.add_stream("libx264", rate=rate.limit_denominator(1 << 16))
                    stream.height, stream.width = frame.shape[:2]
                    stream.pix_fmt, stream.options = "yuv420p", {"crf": H264_CRF}
                film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            if stream is not None:
                film.mux(stream.encode())
    except av.error.FFmpegError as error:
        raise OutputError(f"cannot write {path}: {_reason(error)}") from error


def _gif(frames: Iterator[Frame], path: Path, rate: Fraction) -> None:
    images = [Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE) for frame in frames]
    ends = [round(k * 100 / rate) for k in range(len(images) + 1)]  # hundredths of a second
    durations = [10 * max(1, after - before) for before, after in pairwise(ends)]
    images[0].save(
        path, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0, disposal=1
    )


WRITERS: dict[str, Callable[[Iterator[Frame], Path, Fraction], None]] = {".mp4": _mp4, ".gif": _gif}


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """A container and its first film, open; FFmpeg's errors become SignalErrors."""
    av = _av()
    try:
        with av.open(f"file:{path}", options=OPEN_OPTIONS, metadata_errors="replace") as container:
            covers = av.stream.Disposition.attached_pic
            films = [stream for stream in container.streams.video if not stream.disposition & covers]
            if not films:
                raise SignalError(f"{path} holds sound but no video, expected a film")
            stream = films[0]
            if stream.codec_context is None:
                raise SignalError(f"{path} uses a codec that PyAV does not know: convert it to H.264 in .mp4")
            pixels = stream.codec_context.width * stream.codec_context.height
            if pixels > MAX_FRAME_PIXELS:
                raise SignalError(
                    f"{path} has frames of {pixels} pixels, {MAX_FRAME_PIXELS} is the most: scale it down"
                )
            stream.codec_context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
            stream.thread_type = "SLICE"  # frame threads report damage inconsistently
            yield container, stream
    except (av.error.FFmpegError, OSError, MemoryError) as error:
        raise SignalError(
            f"cannot read {path} as a film ({_reason(error)}): expected a whole .mp4, .mkv, .avi or .gif"
        ) from error


def _decoded(path: Path) -> Iterator[Any]:
    """The frames of a film, as PyAV has them, one after another."""
    with _opened(path) as (container, stream):
        for packet in container.demux(stream):
            for frame in packet.decode():
                if frame.is_corrupt:
                    raise SignalError(f"{path} is damaged near {float(frame.time or 0):.2f} s: get it again")
                yield frame
            if packet.is_corrupt:
                raise SignalError(f"{path} is truncated or damaged: get it again")


def _quarters(frame: Any) -> int:
    """How many counterclockwise quarter turns bring a frame upright: telephones film as they are held."""
    return round(frame.rotation / 90) % 4


def _size(frame: Any) -> tuple[int, int]:
    """Height and width of a frame, upright."""
    return (frame.width, frame.height) if _quarters(frame) % 2 else (frame.height, frame.width)


def _rgb(frame: Any, height: int, width: int) -> Frame:
    """A frame, upright, (height, width, 3) uint8."""
    turns = _quarters(frame)
    if turns % 2:
        height, width = width, height
    flat = frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
    return np.ascontiguousarray(np.rot90(flat, turns))


def _is_truncated_matroska(path: Path) -> bool:
    """Whether this is a Matroska or WebM file shorter than it says, which FFmpeg ignores."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[:4] != b"\x1a\x45\xdf\xa3":
        return False
    size, at = _variable_length(head, 4)
    if head[at + size : at + size + 4] != b"\x18\x53\x80\x67":  # the segment: all the rest of the file
        return False
    size, at = _variable_length(head, at + size + 4)
    return at + size > path.stat().st_size


def _variable_length(data: bytes, at: int) -> tuple[int, int]:
    """A length as Matroska writes it, 0 if unknown, and the place behind it."""
    count = 9 - data[at].bit_length() if at < len(data) else 1
    unknown = (1 << 7 * count) - 1
    size = int.from_bytes(data[at : at + count], "big") & unknown
    return (0 if size == unknown else size), at + count


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0]


def _av(otherwise: str = "") -> Any:
    try:
        import av
    except ImportError as error:
        raise MissingLibraryError(
            f"film needs PyAV ({error}): bash tools/setup signals, or pip install av{otherwise}"
        ) from None
    return av

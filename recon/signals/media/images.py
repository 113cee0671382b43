"""Image files: upright, with every bit that the file holds.

Pillow would round what has more than 8 bits: such PNGs are read by PyAV, TIFFs by tifffile (by Pillow if
tifffile does not know their colours or compression). Formats: PNG, ISO/IEC 15948; TIFF 6.0; orientation, Exif
2.3, tag 274.
"""

import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from recon.base.files import OnWritten, atomic_path, nothing_more
from recon.errors import MissingLibraryError, OutputError, SignalError
from recon.geometry import Float
from recon.signals.media.paths import check_extension, check_readable
from recon.signals.media.sixteen_bits import decoded, is_png_of_16_bits, png_bytes

CHANNEL_NAMES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
WRITABLE_BITS = {".png": (8, 16), ".jpg": (8,), ".jpeg": (8,), ".tif": (8, 16, 32), ".tiff": (8, 16, 32)}
MAX_PIXELS = 1 << 27  # 3 GiB as RGB of float64
MAX_COMPRESSION_RATIO = 8192  # of a TIFF; deflate reaches 1032, LZW 2730
JPEG_QUALITY = 95
MAX_REASON_LETTERS = 200  # of a library's message
TIFF_MAGIC = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"
VECTOR_FORMATS = {"EPS", "WMF"}  # Pillow would start other programs to render them
GREY = tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.MINISBLACK
RGB = tifffile.PHOTOMETRIC.RGB
ORIENTATION_TAG, ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 274, 1, 2  # TIFF 6.0, the last two of ExtraSamples
Read = tuple[Float, int, int]  # values (h, w, c) as they lie in the file, bits, orientation

for library in ("PIL", "tifffile"):  # errors of a file are reported once, by us
    logging.getLogger(library).setLevel(logging.CRITICAL)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, upright: row 0 is the top, column 0 the left.

    Attributes:
        values: (h, w, c) float64, c as in `channels`; integers scaled to [0, 1], floats as in the file,
            finite.
        bits: of a sample in the file: 8 (or fewer), 16, or 32 for floats.
    """

    values: Float
    bits: int

    @property
    def channels(self) -> str:
        """One of "L", "LA", "RGB" and "RGBA"."""
        return CHANNEL_NAMES[self.values.shape[2]]


def read_image(path: str | Path) -> Picture:
    """The (first) image in a PNG, JPEG, TIFF or other file that Pillow reads.

    Palettes and CMYK become RGB, with alpha where colours are transparent.

    Raises:
        SignalError: for whatever cannot be read.
        MissingLibraryError: without PyAV, for PNG colours of 16 bits.
    """
    path = Path(path)
    check_readable(path, "an image")
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            head = stream.read(26)
            stream.seek(0)
            if not head:
                raise SignalError(f"{path} is empty, expected an image")
            read = _tiff if head.startswith(TIFF_MAGIC) else _pillow
            values, bits, orientation = read(path, stream, head)
    except (SignalError, MissingLibraryError):
        raise
    except MemoryError:
        raise SignalError(f"{path} does not fit into memory") from None
    except Image.DecompressionBombError:
        raise _too_large(path) from None
    except Image.UnidentifiedImageError:
        raise SignalError(
            f"{path} is not an image, or is damaged: expected PNG, JPEG, TIFF or the like"
        ) from None
    except Exception as error:  # noqa: BLE001 the libraries raise anything for a damaged file
        if isinstance(error, OSError) and error.strerror and type(error).__module__ == "builtins":
            raise SignalError(f"cannot read {path}: {error.strerror}") from None
        lines = str(getattr(error, "strerror", None) or error).splitlines() or [type(error).__name__]
        raise SignalError(f"{path} is truncated or damaged: {lines[0][:MAX_REASON_LETTERS]}") from None
    if values.size == 0:
        raise SignalError(f"{path} holds no pixels")
    wrong = np.count_nonzero(~np.isfinite(values).all(2))
    if wrong:
        raise SignalError(f"{path} holds NaN or infinity in {wrong:,} pixels: replace them with numbers")
    return Picture(np.ascontiguousarray(_upright(values, orientation)), bits)


def read_mask(path: str | Path, like: Picture) -> NDArray[np.bool_]:
    """(h, w), True where an image like `like` is brighter than half, by the mean of its colours.

    Raises SignalError as `read_image`, and for another size.
    """
    mask = read_image(path)
    (height, width), (h, w) = mask.values.shape[:2], like.values.shape[:2]
    if (height, width) != (h, w):
        raise SignalError(
            f"{path} has {width} x {height} pixels, expected a mask of {w} x {h} like its image"
        )
    return mask.values[..., : len(mask.channels.removesuffix("A"))].mean(2) > 0.5


def check_image_path(path: str | Path, channels: str = "RGB", bits: int = 8) -> None:
    """Raise OutputError if the ending of `path` is unknown or has no room for these channels and bits."""
    ending = Path(path).suffix.lower()
    check_extension(path, WRITABLE_BITS)
    if bits not in WRITABLE_BITS[ending]:
        wanted = WRITABLE_BITS[ending]
        others = " ".join(other for other, known in WRITABLE_BITS.items() if bits in known)
        raise OutputError(
            f"cannot write {path}: {ending} has {' or '.join(map(str, wanted))} bits, not {bits}"
            + (f"; these have: {others}" if others else "")
        )
    if channels.endswith("A") and ending in (".jpg", ".jpeg"):
        raise OutputError(f"cannot write {path}: JPEG has no alpha; .png and .tif have")


def write_image(
    values: Float,
    path: str | Path,
    bits: int = 8,
    *,
    overwrite: bool = False,
    on_written: OnWritten = nothing_more,
) -> None:
    """Write values (h, w, c), as in `Picture`: clipped to [0, 1] for 8 or 16 bits, unchanged for 32.

    Raises:
        OutputError: as `check_image_path`; for values that are not finite; if `path` exists without
            `overwrite`; if the disk refuses.
    """
    channels = CHANNEL_NAMES[values.shape[2]]
    check_image_path(path, channels, bits)
    if not np.isfinite(values).all():
        raise OutputError(f"cannot write {path}: some of its values are not finite")
    if bits == 32:
        stored: NDArray = np.asarray(values, np.float32)
    else:
        top = (1 << bits) - 1
        stored = np.rint(np.clip(values, 0, 1) * float(top)).astype(np.uint8 if bits == 8 else np.uint16)
    with atomic_path(path, overwrite, on_written) as temporary:
        ending = temporary.suffix.lower()
        if ending in (".tif", ".tiff"):
            tifffile.imwrite(
                temporary,
                stored if len(channels) > 1 else stored[..., 0],
                photometric="rgb" if channels.startswith("RGB") else "minisblack",
                planarconfig="contig" if len(channels) > 1 else None,
                extrasamples=["unassalpha"] if channels.endswith("A") else None,
                compression="zlib",
                metadata=None,
            )
        elif bits == 16:
            temporary.write_bytes(png_bytes(stored))
        else:
            image = Image.fromarray(stored if len(channels) > 1 else stored[..., 0])
            image.save(temporary, format="PNG" if ending == ".png" else "JPEG", quality=JPEG_QUALITY)


def _pillow(path: Path, stream: BinaryIO, head: bytes) -> Read:
    with Image.open(stream) as image:
        _check_size(path, *image.size)
        if image.format in VECTOR_FORMATS:
            raise SignalError(f"{path} is a vector drawing ({image.format}), expected an image of pixels")
        image.load()
        orientation = _orientation(image)
        plain = image.mode.startswith("I") and "transparency" not in image.info
        if is_png_of_16_bits(head) and not plain:
            return decoded(path, "png") / 65535.0, 16, orientation
        if image.mode == "F":
            return np.asarray(image, np.float64)[..., None], 32, orientation
        if image.mode.startswith("I"):
            grey = np.asarray(image)
            if grey.min() < 0 or grey.max() > 0xFFFF:
                raise SignalError(f"{path} has 32-bit integers, expected 8 or 16 bits, or floats")
            return grey[..., None] / 65535.0, 16, orientation
        mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        if image.has_transparency_data:
            mode += "A"
        try:
            array = np.asarray(image.convert(mode))
        except ValueError:
            raise SignalError(f"{path} has {image.mode} colours: save it as grey or RGB") from None
    return array.reshape(*array.shape[:2], -1) / 255.0, 8, orientation


def _tiff(path: Path, stream: BinaryIO, head: bytes) -> Read:
    with tifffile.TiffFile(stream) as file:
        page: Any = file.pages[0]
        _check_size(path, page.imagewidth, page.imagelength)
        end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
        size = path.stat().st_size
        if end > size:
            raise SignalError(f"{path} is truncated: it promises {end:,} bytes and holds {size:,}")
        bits = page.bitspersample
        promised = page.imagewidth * page.imagelength * page.samplesperpixel * bits // 8
        if promised > MAX_COMPRESSION_RATIO * size:
            raise SignalError(f"{path} is damaged: it promises {promised:,} bytes of pixels in {size:,}")
        if bits < 8 or page.photometric not in (*GREY, RGB):
            return _pillow_quietly(path, stream, head)
        kind = np.dtype(page.dtype or "V").kind
        whole = kind == "u" and bits <= 16
        if not whole and kind != "f":
            what = page.dtype or f"{bits} bits"
            raise SignalError(f"{path} has samples of {what}, expected unsigned 8 or 16 bits, or floats")
        try:
            array = page.asarray(squeeze=False)[:, 0]  # planes, rows, columns, samples
            array = np.moveaxis(array, 0, 2).reshape(*array.shape[1:3], -1)
            if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and whole:
                array[..., 0] = ((1 << bits) - 1) - array[..., 0]
        except (ValueError, KeyError, NotImplementedError) as error:
            if "imagecodecs" not in str(error):
                raise
            if bits == 8:
                return _pillow_quietly(path, stream, head)
            if not whole:
                way = f"compressed by {page.compression.name}, predictor {page.predictor.name}"
                raise SignalError(f"{path} is {way}: save it without, or pip install imagecodecs") from None
            array = decoded(path, "tiff")
        extras = [int(extra) for extra in page.extrasamples]
        orientation = page.tags.valueof(ORIENTATION_TAG, 1)
    values = array / float((1 << bits) - 1) if whole else array.astype(np.float64)
    colors = values[..., : 3 if page.photometric == RGB else 1]
    alphas = [at for at, extra in enumerate(extras) if extra in (ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA)]
    if alphas:
        alpha = values[..., colors.shape[2] + alphas[0], None]
        if extras[alphas[0]] == ASSOCIATED_ALPHA:
            colors = np.divide(colors, alpha, out=np.zeros_like(colors), where=alpha > 0)
            colors = colors.clip(0, 1) if whole else colors
        colors = np.concatenate([colors, alpha], axis=2)
    return colors, 32 if not whole else 16 if bits > 8 else 8, orientation


def _pillow_quietly(path: Path, stream: BinaryIO, head: bytes) -> Read:
    """Read a TIFF by Pillow; libtiff writes past Python to the standard error what it finds wrong."""
    stream.seek(0)
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        return _pillow(path, stream, head)
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> SignalError:
    return SignalError(f"{path} is, or claims to be, larger than {MAX_PIXELS:,} pixels: scale it down")


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # noqa: BLE001 damaged metadata is no reason to refuse good pixels
        return 1


def _upright(values: Float, orientation: int) -> Float:
    """`values` turned and mirrored so that its first row and column are top and left; Exif's eight cases."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values

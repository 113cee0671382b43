"""Images of 16 bits a sample, which Pillow would round: read by PyAV, written as PNG, ISO/IEC 15948."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recon.errors import MissingLibraryError, SignalError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def is_png_of_16_bits(head: bytes) -> bool:
    """Whether a file that begins so is a PNG of 16 bits a sample."""
    return head.startswith(PNG_MAGIC) and head[12:16] == b"IHDR" and head[24:25] == b"\x10"


def decoded(path: Path, codec: str) -> NDArray[np.uint16]:
    """The samples (h, w, c) of an image of 16 bits, by PyAV."""
    try:
        import av
    except ImportError as error:
        raise MissingLibraryError(
            f"{path} needs PyAV ({error}): bash tools/setup signals, or pip install av"
        ) from None
    decoder = av.CodecContext.create(codec, "r")
    frame = [*decoder.decode(av.Packet(path.read_bytes())), *decoder.decode(None)][0]
    bits = {component.bits for component in frame.format.components}
    if bits != {16} or len(frame.planes) != 1:
        raise SignalError(
            f"{path} has pixels as {frame.format.name}, expected 16 bits a sample: save it again"
        )
    rows = np.frombuffer(frame.planes[0], np.uint8).reshape(frame.height, -1)
    length = 2 * frame.width * len(frame.format.components)
    order = ">u2" if frame.format.is_big_endian else "<u2"
    samples = np.ascontiguousarray(rows[:, :length]).view(order)
    return samples.reshape(frame.height, frame.width, -1).astype(np.uint16)


def png_bytes(stored: NDArray[np.uint16]) -> bytes:
    """A PNG file of 16 bits with the filter Sub; Pillow writes only grey."""
    height, width, count = stored.shape
    rows = np.ascontiguousarray(stored, ">u2").view(np.uint8).reshape(height, -1)
    lines = np.ones((height, 1 + rows.shape[1]), np.uint8)  # each starts with the number of its filter
    lines[:, 1:] = rows
    lines[:, 1 + 2 * count :] -= rows[:, : -2 * count]
    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[count], 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return PNG_MAGIC + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )

"""Images of noise, and PNG files made by hand."""

from __future__ import annotations

import struct
import zlib

import numpy as np

HEIGHT, WIDTH = 5, 7


def noise(count: int, bits: int = 8, seed: int = 0) -> np.ndarray:
    """(h, w, count) whole numbers over the whole range, both ends included."""
    values = np.random.default_rng(seed).integers(0, 1 << bits, (HEIGHT, WIDTH, count))
    values[0, 0], values[-1, -1] = 0, (1 << bits) - 1
    return values.astype(np.uint8 if bits == 8 else np.uint16)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, bits: int, kind: int, rows: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of unfiltered rows, each with its leading 0."""
    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    chunks = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)


def png_16(samples: np.ndarray, *more: tuple[bytes, bytes]) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    height, width, count = samples.shape
    return png(width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[count], rows, *more)

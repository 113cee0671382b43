"""Text as programs and spreadsheets write it, brought to UTF-8 or ASCII with decimal points."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from recon.errors import ScanError

HEAD_BYTES = 1 << 20  # in which the first line of numbers is
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
BETWEEN_COMMAS = re.compile(rb"[;\s]+")  # what numbers with decimal commas may stand between
NUMBER = re.compile(rb"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")


def opened(path: Path) -> BinaryIO:
    """The text of a file. Raises ScanError for one that begins as UTF-16 and is none."""
    stream: BinaryIO = path.open("rb")
    head = stream.read(HEAD_BYTES)
    wide = head.startswith(UTF_16_MARKS)
    if wide or _has_decimal_commas(head):
        with stream:
            text = head + stream.read()
        try:
            text = text.decode("utf-16").encode() if wide else text
        except UnicodeDecodeError:
            raise ScanError(f"{path} is not text: it begins as UTF-16 and is none") from None
        stream = BytesIO(text.replace(b",", b".") if _has_decimal_commas(text[:HEAD_BYTES]) else text)
    stream.seek(0)
    return stream


def _has_decimal_commas(head: bytes) -> bool:
    """Whether the first line with numbers has three with a comma, between other separators than commas."""
    for line in head.splitlines():
        cells = [cell.strip(b'"') for cell in BETWEEN_COMMAS.split(line.strip())]
        numbers = [cell for cell in cells if NUMBER.fullmatch(cell)]
        if len(numbers) >= 3:
            return sum(b"," in cell for cell in numbers) >= 3
    return False

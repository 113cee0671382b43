"""The header of a PLY file, and whether what it promises fits into the file.

plyfile reads it; nothing is allocated before.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyListProperty, PlyParseError

from recon.errors import ScanError, reason
from recon.scan.readers.columns import BYTE_ORDER_MARK, cut_short, whole

FIRST_LINE = re.compile(rb"ply[ \t]*(\r\n|\n|\r)")
MAX_HEADER_BYTES = 1 << 20
MAX_LIST = 1 << 20  # corners of a face
FACE_LISTS = ("vertex_indices", "vertex_index")
Columns: TypeAlias = "dict[str, NDArray]"  # of an element, by the names of its properties


@dataclass(frozen=True)
class Header:
    """What a PLY file says that it holds."""

    text: bool
    order: str  # of the bytes: "<" or ">"
    elements: list[tuple[Any, int]]  # plyfile's PlyElement, without rows, and how many there should be
    start: int  # byte after the header
    lines: int  # of the header


def read_header(path: Path) -> Header:
    """Reads the header. Raises ScanError if it is damaged."""
    with path.open("rb") as stream:
        head = stream.read(MAX_HEADER_BYTES)
    first = FIRST_LINE.match(head)
    newline = first[1] if first else b"\n"
    end = re.search(newline + rb"end_header[ \t]*" + newline, head)
    if not end:
        raise ScanError(f"{path} is cut short or damaged: its PLY header has no line 'end_header'")
    lines = ["ply", *head[: end.start()].decode("latin1").split(newline.decode())[1:]]
    start = end.end()
    counts, skeleton = [], []
    for line in lines:
        words = line.split()
        if words[:1] == ["element"]:
            if len(words) != 3 or (count := whole(words[2])) is None:
                raise ScanError(f"{path}: the header's line '{line[:60]}' should be 'element NAME COUNT'")
            counts.append(count)
            line = f"element {words[1]} 0"  # for plyfile, which is to read no rows yet
        if words[:1] not in ([], ["comment"], ["obj_info"]):
            skeleton.append(line)
    try:
        text = "\n".join([*skeleton, "end_header", ""]).encode("ascii", "backslashreplace")
        empty = PlyData.read(io.BytesIO(text))
    except (PlyParseError, ValueError) as error:
        raise ScanError(f"{path} has a damaged PLY header: {reason(error)}") from None
    for prop in (prop for element in empty.elements for prop in element.properties if is_list(prop)):
        if np.dtype(prop.list_dtype("<")[0]).kind not in "iu":
            raise ScanError(
                f"{path} has a damaged PLY header: lists '{prop.name}' with lengths that are not whole"
            )
    if empty.text and head.startswith(BYTE_ORDER_MARK, start):
        start += len(BYTE_ORDER_MARK)
    elements = list(zip(empty.elements, counts, strict=True))
    return Header(empty.text, empty.byte_order, elements, start, len(lines) + 1)


def check_counts(path: Path, header: Header, size: int) -> None:
    """Raises ScanError unless every element's rows, at their minimum length, fit into the file."""
    left = size - header.start
    for element, count in header.elements:
        if header.text:
            row = 2 * len(element.properties)  # a digit and what ends it, each
        else:
            row = sum(np.dtype(_count_type(p, "<") or p.dtype("<")).itemsize for p in element.properties)
        if count * row > left + header.text:  # the last line may have no end
            raise cut_short(path, count, f"rows of '{element.name}'", left // row)
        left -= count * row


def _count_type(prop: Any, order: str) -> str | None:
    return prop.list_dtype(order)[0] if isinstance(prop, PlyListProperty) else None


def is_list(prop: Any) -> bool:
    """Whether a property, of plyfile's, is a list."""
    return isinstance(prop, PlyListProperty)


def wrong_list(path: Path, length: int) -> ScanError:
    """The error for a list that no face has."""
    return ScanError(f"{path} is damaged: a list of {length:,} values, expected at most {MAX_LIST:,}")

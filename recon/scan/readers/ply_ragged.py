"""Rows of a PLY file that differ in length, as polygons of three and more corners do.

Their lists are walked one by one, and only numbers are kept: memory stays in proportion to the file.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.errors import ScanError
from recon.geometry import Int
from recon.scan.readers.columns import Lines, cut_short
from recon.scan.readers.ply_header import FACE_LISTS, MAX_LIST, Columns, is_list, wrong_list
from recon.scan.readers.polygons import counted, fans_of

CHUNK_ROWS, CHUNK_BYTES = 1 << 14, 1 << 20  # walked before numpy takes them over


def ragged_binary(path: Path, element: Any, count: int, order: str, at: int) -> tuple[Columns, int]:
    """The columns of an element at byte `at`, the corners of its faces as triangles (m, 3), and its end.

    Raises ScanError if a row does not fit into the file.
    """
    data = np.memmap(path, np.uint8, "r")
    found = _Columns(element)
    left = count
    while left:
        starts, lists, at = _walk(path, element, data, order, at, left)
        left -= len(starts)
        places, which = starts, iter(lists)
        for prop in element.properties:
            if not is_list(prop):
                kind = np.dtype(prop.dtype(order))
                found.add(prop.name, _gather(data, places, kind))
                places = places + kind.itemsize
                continue
            counts, values = map(np.dtype, prop.list_dtype(order))
            places = next(which)
            lengths = _gather(data, places, counts).astype(np.int64)
            within = places + counts.itemsize
            corners = np.repeat(within, lengths) + values.itemsize * counted(lengths)
            found.add_lists(prop.name, lengths, _gather(data, corners, values))
            places = within + values.itemsize * lengths
    return found.joined(), at


def _walk(
    path: Path, element: Any, data: NDArray[np.uint8], order: str, at: int, most: int
) -> tuple[Int, list[Int], int]:
    """The next rows: at which bytes they start, at which each list of each says its length; their end."""
    # Of each list: the bytes before it, its length, and the bytes of that and of a value.
    steps: list[tuple[int, struct.Struct, int, int]] = []
    before = 0
    for prop in element.properties:
        if is_list(prop):
            counts, values = map(np.dtype, prop.list_dtype(order))
            steps.append((before, struct.Struct(order + counts.char), counts.itemsize, values.itemsize))
            before = 0
        else:
            before += np.dtype(prop.dtype(order)).itemsize
    buffer, first, end = data.data, at, len(data)
    starts, lists = array("q"), [array("q") for _ in steps]
    while len(starts) < min(most, CHUNK_ROWS) and at - first < CHUNK_BYTES:
        starts.append(at)
        for places, (gap, length, width, each) in zip(lists, steps, strict=True):
            at += gap
            if at + width > end:
                raise _too_short(path, element)
            places.append(at)
            (number,) = length.unpack_from(buffer, at)
            if not 0 <= number <= MAX_LIST:
                raise wrong_list(path, number)
            at += width + number * each
        at += before
        if at > end:
            raise _too_short(path, element)
    return np.array(starts, np.int64), [np.array(places, np.int64) for places in lists], at


def ragged_text(path: Path, element: Any, count: int, lines: Lines) -> Columns:
    """The columns of the next `count` rows of text, the corners of faces as triangles (m, 3).

    Raises ScanError for rows that are not what the header says.
    """
    found = _Columns(element)
    rows = (words for line in lines if (words := line.split()))
    left = count
    while left:
        scalars = {prop.name: array("d") for prop in element.properties if not is_list(prop)}
        lists = {prop.name: (array("q"), array("d")) for prop in element.properties if is_list(prop)}
        taken = 0
        for words in islice(rows, min(left, CHUNK_ROWS)):
            taken += 1
            try:
                _read_words(element, list(map(float, words)), scalars, lists)
            except ValueError as error:
                raise ScanError(f"{path}, line {lines.number}: {error}") from None
        if not taken:
            raise cut_short(path, count, f"rows of '{element.name}'", count - left)
        left -= taken
        for name, values in scalars.items():
            found.add(name, np.array(values))
        for name, (lengths, values) in lists.items():
            found.add_lists(name, np.array(lengths, np.int64), np.array(values))
    return found.joined()


def _read_words(
    element: Any,
    numbers: Sequence[float],
    scalars: dict[str, array[float]],
    lists: dict[str, tuple[array[int], array[float]]],
) -> None:
    """Takes one row apart. Raises ValueError if it does not have what the element's header says."""
    at = 0
    for prop in element.properties:
        if at >= len(numbers):
            break
        number, at = numbers[at], at + 1
        if not is_list(prop):
            scalars[prop.name].append(number)
            continue
        if not (number.is_integer() and 0 <= number <= len(numbers) - at):
            raise ValueError(f"a list of {number:g} values, and {len(numbers) - at} follow")
        lengths, values = lists[prop.name]
        lengths.append(int(number))
        values.extend(numbers[at : at + int(number)])
        at += int(number)
    else:
        if at == len(numbers):
            return
    raise ValueError(f"{len(numbers)} numbers, and the header says otherwise of a row of '{element.name}'")


class _Columns:
    """Collects the columns of an element in pieces: of faces their triangles, of others what is no list."""

    def __init__(self, element: Any) -> None:
        self.pieces: dict[str, list[NDArray]] = {
            prop.name: []
            for prop in element.properties
            if (prop.name in FACE_LISTS if is_list(prop) else element.name != "face")
        }

    def add(self, name: str, values: NDArray) -> None:
        if name in self.pieces:
            self.pieces[name].append(values)

    def add_lists(self, name: str, lengths: Int, values: NDArray) -> None:
        self.add(name, fans_of(lengths, values))

    def joined(self) -> Columns:
        return {name: np.concatenate(pieces) for name, pieces in self.pieces.items()}


def _gather(data: NDArray[np.uint8], places: Int, kind: np.dtype) -> NDArray:
    """The values of a type at these bytes."""
    return data[places[:, None] + np.arange(kind.itemsize)].view(kind)[:, 0]


def _too_short(path: Path, element: Any) -> ScanError:
    return ScanError(f"{path} is cut short or damaged: rows of '{element.name}' end beyond its end")

"""The XML section of an E57 file, checked before the library sees it.

Its parser fetches what a document type, its entities or a schema's location name, files and addresses of the
network alike, and takes a time that grows with the square of the number of an element's children.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO
from xml.parsers import expat

from recon.errors import ScanError, reason
from recon.scan.readers.columns import cut_short

HEADER = struct.Struct("<8sIIQQQQ")  # signature, version, length, offset and length of the XML, page size
PAGE_BYTES, CONTENT_BYTES = 1024, 1020  # of a page: content, then its checksum
MAX_XML_BYTES = 1 << 26
MAX_ELEMENTS, MAX_DEPTH, MAX_CHILDREN = 1 << 18, 32, 1 << 12


class _Refused(Exception):
    """What the section must not hold."""


def check_description(path: Path) -> None:
    """Raises ScanError if the XML section names other files, is not plain UTF-8, or is cut short or huge."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(HEADER.size)
        if len(head) < HEADER.size:
            raise cut_short(path, HEADER.size, "bytes of a header", len(head))
        *_, offset, length, page = HEADER.unpack(head)
        if page != PAGE_BYTES or length > MAX_XML_BYTES:
            raise ScanError(
                f"{path} is damaged, or no scan: it has pages of {page:,} bytes and a description of "
                f"{length:,}, expected {PAGE_BYTES:,} and at most {MAX_XML_BYTES:,}"
            )
        if offset + length > size:
            raise cut_short(path, offset + length, "bytes", size)
        text = _content(stream, offset, length)
    try:
        _check(text)
    except _Refused as refused:
        raise ScanError(f"{path} is not read: its description has {refused}") from None
    except expat.ExpatError as error:
        raise ScanError(f"{path} is cut short or damaged: its description, {reason(error)}") from None


def _content(stream: BinaryIO, offset: int, length: int) -> bytes:
    """`length` bytes of content from the byte `offset` of the file, without the checksums between."""
    page, at = divmod(offset, PAGE_BYTES)
    stream.seek(page * PAGE_BYTES)
    pages = -(-(at + length) // CONTENT_BYTES)
    raw = stream.read(pages * PAGE_BYTES)
    content = b"".join(raw[i : i + CONTENT_BYTES] for i in range(0, len(raw), PAGE_BYTES))
    return content[min(at, CONTENT_BYTES) :][:length]


def _check(text: bytes) -> None:
    """Raises _Refused, or ExpatError if `text` is not well-formed UTF-8."""
    parser = expat.ParserCreate("UTF-8")
    children: list[int] = []  # of each open element
    total = 0

    def declared(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            raise _Refused(f"the encoding {encoding[:40]!r}, expected UTF-8")

    def document_type(*_: object) -> None:
        raise _Refused("a document type, which can name other files")

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal total
        total += 1
        if any(key.lower().endswith("schemalocation") for key in attributes):
            raise _Refused("the location of a schema, which can be another file")
        if children:
            children[-1] += 1
        if total > MAX_ELEMENTS or len(children) >= MAX_DEPTH or max(children, default=0) > MAX_CHILDREN:
            raise _Refused("more elements, or deeper ones, than any scan needs")
        children.append(0)

    parser.XmlDeclHandler = declared
    parser.StartDoctypeDeclHandler = document_type
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda name: children.pop()
    parser.Parse(text, True)

"""The XML section of E57 files, changed with all checksums right (ASTM E2807)."""

from __future__ import annotations

from recon.scan.readers.e57_description import CONTENT_BYTES, HEADER, PAGE_BYTES


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)  # Castagnoli's polynomial
        table.append(value)
    return table


TABLE = _table()


def checksum(content: bytes) -> bytes:
    """CRC-32C, as it stands behind the content of a page."""
    value = 0xFFFFFFFF
    for byte in content:
        value = value >> 8 ^ TABLE[(value ^ byte) & 0xFF]
    return (value ^ 0xFFFFFFFF).to_bytes(4, "big")


def _parts(data: bytes) -> tuple[bytes, bytes]:
    """The content of a file's pages up to its XML section, and that."""
    content = b"".join(data[at : at + CONTENT_BYTES] for at in range(0, len(data), PAGE_BYTES))
    *_, offset, length, _ = HEADER.unpack_from(data)
    start = offset // PAGE_BYTES * CONTENT_BYTES + offset % PAGE_BYTES
    return content[:start], content[start : start + length]


def xml_of(data: bytes) -> bytes:
    """The XML section of a file, which is its end."""
    return _parts(data)[1]


def with_xml(data: bytes, xml: bytes) -> bytes:
    """The file with another XML section."""
    before, _ = _parts(data)
    content = before + xml + bytes(-len(before + xml) % CONTENT_BYTES)
    signature, major, minor, _, offset, _, page = HEADER.unpack_from(data)
    pages = len(content) // CONTENT_BYTES
    head = HEADER.pack(signature, major, minor, pages * PAGE_BYTES, offset, len(xml), page)
    content = head + content[HEADER.size :]
    parts = (content[at : at + CONTENT_BYTES] for at in range(0, len(content), CONTENT_BYTES))
    return b"".join(part + checksum(part) for part in parts)

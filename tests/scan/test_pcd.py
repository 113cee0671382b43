"""PCD in its three layouts, and LZF, which one of them is packed with."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from recon.errors import ScanError
from recon.scan.files import read_cloud
from recon.scan.readers.pcd import unpack_lzf

N = 300
RNG = np.random.default_rng(0)
POINTS = RNG.uniform(-5, 5, (N, 3)).round(4)
NORMALS = RNG.standard_normal((N, 3))
NORMALS /= np.linalg.norm(NORMALS, axis=1, keepdims=True)
COLORS = RNG.integers(0, 256, (N, 3)).astype(np.uint8)


def pack_lzf(data: bytes) -> bytes:
    """LZF, simply: repetitions of one byte or of four as references, the rest copied."""
    out, at, plain = bytearray(), 0, bytearray()

    def flush() -> None:
        for i in range(0, len(plain), 32):
            part = plain[i : i + 32]
            out.extend([len(part) - 1, *part])
        plain.clear()

    while at < len(data):
        for back in (1, 4, 1000):
            length = 0
            while (
                length < 264
                and at + length < len(data)
                and at >= back
                and data[at + length] == data[at + length - back]
            ):
                length += 1
            if length >= 3:
                flush()
                high = (back - 1) >> 8
                if length < 9:
                    out.extend([(length - 2) << 5 | high])
                else:
                    out.extend([7 << 5 | high, length - 9])
                out.append((back - 1) & 255)
                at += length
                break
        else:
            plain.append(data[at])
            at += 1
    flush()
    return bytes(out)


@pytest.mark.parametrize(
    "data", [b"a", b"abcabcabcd" * 40, bytes(5000), bytes(range(256)) * 9, RNG.bytes(1000) * 3]
)
def test_lzf_unpacks_what_was_packed(data: bytes) -> None:
    packed = pack_lzf(data)
    assert unpack_lzf(Path("s.pcd"), packed, len(data)) == data


def test_lzf_by_hand() -> None:
    """The format's own words: copy "ab", then 6 bytes from 2 back, then 10 from 1 back."""
    packed = bytes([1]) + b"ab" + bytes([(6 - 2) << 5, 1, 7 << 5, 10 - 9, 0])
    assert unpack_lzf(Path("s.pcd"), packed, 18) == b"abababab" + 10 * b"b"


FIELDS = [(c, "<f4") for c in ("x", "y", "z")] + [("_", "u1", 3), ("rgb", "<u4")]
FIELDS += [(f"normal_{c}", "<f8") for c in ("x", "y", "z")]


def write_pcd(path: Path, kind: str, rgb: str = "F", width: int = N) -> None:
    """The points, the one of row 5 without a depth, with padding and colours packed into 32 bits."""
    rows = np.zeros(N, FIELDS)
    for i, c in enumerate("xyz"):
        rows[c], rows[f"normal_{c}"] = POINTS[:, i], NORMALS[:, i]
        rows[c][5] = np.nan
    rows["rgb"] = COLORS.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    header = f"""# .PCD v0.7
VERSION 0.7
FIELDS {" ".join(rows.dtype.names)}
SIZE 4 4 4 1 4 8 8 8
TYPE F F F U {rgb} F F F
COUNT 1 1 1 3 1 1 1 1
WIDTH {width}
HEIGHT {N // width}
VIEWPOINT 0 0 0 1 0 0 0
POINTS {N}
DATA {kind}
"""
    if kind == "ascii":
        color = rows["rgb"].view("<f4") if rgb == "F" else rows["rgb"]
        lines = [
            f"{r['x']:.9g} {r['y']:.9g} {r['z']:.9g} 0 0 0 {c:.9g} "
            f"{r['normal_x']:.9g} {r['normal_y']:.9g} {r['normal_z']:.9g}\n"
            for r, c in zip(rows, color.astype(float), strict=True)
        ]
        body = "".join(lines).encode()
    elif kind == "binary":
        body = rows.tobytes()
    else:
        data = b"".join(np.ascontiguousarray(rows[name]).tobytes() for name in rows.dtype.names)
        packed = pack_lzf(data)
        body = struct.pack("<II", len(packed), len(data)) + packed
    path.write_bytes(header.encode() + body)


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("rgb", ["F", "U"])
@pytest.mark.parametrize("width", [N, 20])
def test_pcd_layouts(tmp_path: Path, kind: str, rgb: str, width: int) -> None:
    write_pcd(tmp_path / "s.pcd", kind, rgb, width)
    cloud = read_cloud(tmp_path / "s.pcd")
    assert np.isnan(cloud.points[5]).all()
    kept = np.arange(N) != 5
    np.testing.assert_allclose(cloud.points[kept], POINTS[kept], atol=1e-6)
    np.testing.assert_allclose(cloud.normals, NORMALS, atol=1e-8)
    np.testing.assert_array_equal(cloud.colors, COLORS)


def test_damaged_lzf_is_told() -> None:
    packed = bytes([1]) + b"ab" + bytes([(6 - 2) << 5, 1])
    for wrong in (packed[:-1], packed[:2], bytes([0x20, 5]), packed + packed, b""):
        with pytest.raises(ScanError, match=r"s\.pcd is (damaged|cut short)"):
            unpack_lzf(Path("s.pcd"), wrong, 8)


def edited(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    return path


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
@pytest.mark.parametrize("count", [N + 1, 10**12])
def test_more_points_promised_than_there_are(tmp_path: Path, kind: str, count: int) -> None:
    write_pcd(tmp_path / "s.pcd", kind)
    path = edited(tmp_path / "s.pcd", b"POINTS 300", b"POINTS %d" % count)
    edited(path, b"WIDTH 300", b"WIDTH %d" % count)
    with pytest.raises(ScanError, match="cut short or damaged: expected"):
        read_cloud(path)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"WIDTH 300", b"WIDTH 299", "they differ"),
        (b"DATA binary", b"DATA packed", "expected one of ascii, binary"),
        (b"SIZE 4 4 4", b"SIZE 4 4", "damaged PCD header"),
        (b"SIZE 4 4 4", b"SIZE 3 4 4", "damaged PCD header"),
        (b"TYPE F F F", b"TYPE X F F", "damaged PCD header"),
        (b"POINTS 300", b"POINTS many", "damaged PCD header"),
        (b"FIELDS x y z", b"FIELDS u v w", "no columns x, y and z"),
        (b"DATA binary\n", b"", "no line 'DATA'"),
    ],
)
def test_damaged_headers(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    write_pcd(tmp_path / "s.pcd", "binary")
    with pytest.raises(ScanError, match=says):
        read_cloud(edited(tmp_path / "s.pcd", old, new))

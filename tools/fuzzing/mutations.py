"""Damage to files: of any bytes, and by the grammar of the headers that tell most lies."""

from __future__ import annotations

import json
import random
import re
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

from fuzzing.e57_pages import with_xml, xml_of

NUMBER = re.compile(rb"(?<![\w.])-?\d[\d.]*(e-?\d+)?")
NUMBERS = [b"-1", b"0", b"1e999", b"nan", b"-inf", b"4294967295", b"2147483647", b"9" * 25, b"9" * 5000]
NUMBERS += [b"1e300", b"0x10", b"1_0", b"", b"1e5", b"\xb2", b"300000000"]
WHOLES = [0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**64 - 1, 10**6, 3 * 10**8]

Mutation = Callable[[random.Random, bytes, bytes], bytes]  # of a file, with another one at hand


def _bytes(rng: random.Random, data: bytes, _: bytes) -> bytes:
    out = bytearray(data)
    reach = rng.choice([len(data), min(len(data), 400)])  # headers tell more lies
    for _n in range(rng.randint(1, 8)):
        out[rng.randrange(reach)] = rng.randrange(256)
    return bytes(out)


def _cut(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _gap(rng: random.Random, data: bytes, _: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 40) :]


def _repeated(rng: random.Random, data: bytes, _: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at : at + rng.randint(1, 300)] * rng.randint(2, 4) + data[at:]


def _spliced(rng: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def _number(rng: random.Random, data: bytes, _: bytes) -> bytes:
    found = [match.span() for match in NUMBER.finditer(data[: rng.choice([500, len(data)])])]
    start, end = rng.choice(found or [(0, 0)])
    return data[:start] + rng.choice(NUMBERS) + data[end:]


def _whole(rng: random.Random, data: bytes, _: bytes) -> bytes:
    length = rng.choice([1, 2, 4, 8])
    at = rng.randrange(rng.choice([len(data), min(len(data), 400)]))
    value = rng.choice(WHOLES) % (1 << 8 * length)
    return data[:at] + value.to_bytes(length, rng.choice(["little", "big"])) + data[at + length :]


def _lines(rng: random.Random, data: bytes, _: bytes) -> bytes:
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


MUTATIONS: list[Mutation] = [
    _bytes,
    _bytes,
    _cut,
    _gap,
    _repeated,
    _spliced,
    _number,
    _number,
    _whole,
    _lines,
]
COUNTS = ["0", "1", "3", "60", "-1", "2147483648", "4294967295", "9" * 25, "1e3", "\xb2", "nan", ""]
TYPES = ["char", "uchar", "short", "uint", "int", "float", "double", "float32", "list", "int64", ""]


def _ply(rng: random.Random, data: bytes) -> bytes:
    """Elements of any counts and properties, of none too, and lists of any types, with rows that may fit."""
    lines = ["ply", f"format {rng.choice(['ascii', 'binary_little_endian', 'binary_big_endian'])} 1.0"]
    for element in rng.sample(["vertex", "face", "camera", "a"], rng.randint(1, 4)):
        lines.append(f"element {element} {rng.choice(COUNTS)}")
        names = rng.sample(
            ["x", "y", "z", "nx", "red", "vertex_indices", "view_px", "a b"], rng.randint(0, 6)
        )
        for name in names if element != "vertex" or rng.random() < 0.3 else ["x", "y", "z", *names[3:]]:
            kind = rng.choice(TYPES)
            lines.append(f"property {kind} {rng.choice(TYPES)} {rng.choice(TYPES)} {name}")
            if rng.random() < 0.8:
                lines[-1] = f"property {rng.choice(TYPES[:8])} {name}"
            elif rng.random() < 0.8:
                lines[-1] = f"property list {rng.choice(TYPES[:8])} {rng.choice(TYPES[:8])} {name}"
    lines += ["end_header", ""]
    return "\n".join(lines).encode("latin1") + data[rng.randrange(len(data)) :] * rng.randint(0, 3)


def _npy(rng: random.Random, data: bytes) -> bytes:
    """An array of any type, of parts and records too, any order and shape."""
    kinds = [
        "'<f8'",
        "'>f4'",
        "'|u1'",
        "'<i8'",
        "'<f2'",
        "'<c16'",
        "'|b1'",
        "'<U3'",
        "'|S0'",
        "'|V8'",
        "'O'",
        "'<M8[s]'",
    ]
    kind = rng.choice(kinds)
    fields = ", ".join(
        f"('{name}', {rng.choice(kinds)}{rng.choice(['', ', (3,)', ', (0,)'])})" for name in "xyz"
    )
    descr = rng.choice([kind, kind, f"[{fields}]", f"({kind}, (3,))", f"({kind}, {kind})", "'<f8"])
    sizes = [
        rng.choice(["0", "1", "3", "6", "60", "-3", "2**40", "1e3", "True", str(2**31), "9" * 30])
        for _ in range(3)
    ]
    shape = rng.choice([f"({', '.join(sizes[:k])},)" for k in (1, 2, 3)] + ["()", "60", "(60, 3)", "(3, 60)"])
    order = rng.choice(["True", "False", "None", "2"])
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    version = rng.choice([1, 1, 1, 2, 3, 9])
    length = struct.pack("<H" if version == 1 else "<I", rng.choice([len(text) + 1, len(text) + 1, 65535, 3]))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + b"\n" + data[-1440:] * rng.randint(0, 2)


def _npz(rng: random.Random, data: bytes) -> bytes:
    """Arrays of any header, packed or not, with zeros that take no room."""
    out = BytesIO()
    packing = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name in rng.sample(["points", "normals", "colors", "arr_0", "unit"], rng.randint(1, 3)):
            content = _npy(rng, data) if rng.random() < 0.7 else data
            archive.writestr(f"{name}.npy", content + bytes(rng.choice([0, 0, 10**6])))
    return out.getvalue()


WORDS = [
    "../../etc/passwd",
    "http://127.0.0.1:9/a",
    "file:///dev/zero",
    "NaN",
    "\x1b[2J",
    "",
    "=1+1",
    "x" * 5000,
]


def changed_value(rng: random.Random, value: Any) -> Any:
    """A plain value with one of its parts changed, left out or repeated."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(list(value))
        if rng.random() < 0.1:
            return {key: part for key, part in value.items() if key != name}
        return value | {name: changed_value(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        if rng.random() < 0.2:
            return value * rng.choice([2, 50])
        return [*value[:at], changed_value(rng, value[at]), *value[at + 1 :]]
    odd = [None, True, [], {}, [[1]], {"points": 1}, -1, 0, 1e308, float("nan"), 2**31, 2**70, 10**9, *WORDS]
    return rng.choice(odd)


def _glb(rng: random.Random, data: bytes) -> bytes:
    """A description with changed parts, the same bytes used again and again, and names of other files."""
    (length,) = struct.unpack_from("<I", data, 12)
    scene, rest = json.loads(data[20 : 20 + length]), data[20 + length :]
    for _ in range(rng.randint(1, 3)):
        scene = changed_value(rng, scene)
    if rng.random() < 0.1 and isinstance(scene, dict):
        scene["buffers"] = [{"uri": rng.choice(WORDS), "byteLength": 8}]
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIIII", b"glTF", 2, 20 + len(text) + len(rest), len(text), 0x4E4F534A)
    return head + text + rest


TAGS = [
    b"<!DOCTYPE e57Root SYSTEM '/dev/zero'>",
    b"<a>" * 500,
    b"<a/>" * 9000,
    b"&a;",
    b"<!-- ",
    b"<![CDATA[",
    b"\0",
]
TAGS += [b' xsi:schemaLocation="a /dev/zero"', b"</data3D>", b'<a type="Vector"/>', b"\xff", b"<?a ?>"]


def _xml(rng: random.Random, xml: bytes) -> bytes:
    """With changed numbers, names and elements."""
    for _ in range(rng.randint(1, 3)):
        choice = rng.random()
        if choice < 0.4:
            xml = _number(rng, xml, b"")
        elif choice < 0.7:
            places = [match.start() for match in re.finditer(rb"<", xml)]
            at = rng.choice(places)
            xml = xml[:at] + rng.choice(TAGS) + xml[at:]
        else:
            xml = rng.choice([_gap, _repeated, _lines, _bytes])(rng, xml, b"")
    return xml


def _e57(rng: random.Random, data: bytes) -> bytes:
    """A changed description, with right checksums."""
    return with_xml(data, _xml(rng, xml_of(data)))


def _threemf(rng: random.Random, data: bytes) -> bytes:
    """A changed part, or the same one twice, in a sound archive."""
    out = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(data)) as archive,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as changed,
    ):
        which = rng.choice([*archive.namelist(), "3D/3dmodel.model", "3D/3dmodel.model"])
        for name in archive.namelist():
            part = archive.read(name)
            changed.writestr(name, _xml(rng, part) if name == which else part)
            if rng.random() < 0.05:
                changed.writestr(rng.choice(WORDS) or "a", part + b" " * rng.choice([0, 10**7]))
    return out.getvalue()


GRAMMARS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    ".ply": _ply,
    ".npy": _npy,
    ".npz": _npz,
    ".glb": _glb,
    ".e57": _e57,
    ".3mf": _threemf,
}


def mutated(rng: random.Random, data: bytes, ending: str, others: list[bytes]) -> bytes:
    """A damaged file with this ending: by its grammar, if there is one, else at any bytes."""
    if ending in GRAMMARS and rng.random() < 0.6:
        return GRAMMARS[ending](rng, data)
    for mutation in rng.choices(MUTATIONS, k=rng.choice([1, 1, 2, 3])):
        data = mutation(rng, data or b" ", rng.choice(others))
    return data
